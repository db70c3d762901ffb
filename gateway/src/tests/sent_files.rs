//! The owner of a gateway is told of files that nodes were sent to their end, and of nothing else.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};

use super::{Fake, files, gateway};
use crate::{Gateway, Options};

const PEER: &str = "10.97.3.1:40000";

/// What was told: path, peer and bytes.
type Told = Arc<Mutex<Vec<(String, String, u64)>>>;

fn served(folder: &std::path::Path) -> (Gateway, Told) {
    std::fs::write(folder.join("vmlinuz"), vec![7; 300_000]).unwrap();
    std::fs::write(folder.join("empty"), "").unwrap();
    let told = Told::default();
    let telling = Arc::clone(&told);
    let options = Options {
        loaders: BTreeMap::from([("snponly.efi".to_owned(), Bytes::from_static(b"MZ"))]),
        sent_files: Arc::new(move |sent| {
            let told = (sent.path.to_owned(), sent.peer.to_string(), sent.bytes);
            telling.lock().unwrap().push(told);
        }),
        ..files::options(folder)
    };
    (gateway(&Fake::new(), options), told)
}

/// Asks as the node at `PEER`, and reads `bytes_max` bytes at most.
async fn ask(gateway: &Gateway, verb: &str, uri: &str, headers: &[(&str, &str)], bytes_max: usize) {
    let mut request = Request::builder().method(verb).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let caller = rpc::Caller {
        peer: Some(PEER.parse().unwrap()),
        ..rpc::Caller::anonymous()
    };
    let request = request.body(Full::new(Bytes::new())).unwrap();
    let mut body = gateway.nodes.answer(caller, request).await.into_body();
    let mut read = 0;
    while read < bytes_max {
        let Some(frame) = body.frame().await else { return };
        read += frame.unwrap().into_data().unwrap().len();
    }
}

#[tokio::test]
async fn a_file_that_was_sent_to_its_end_is_told_of_once() {
    let folder = tempfile::tempdir().unwrap();
    let (gateway, told) = served(folder.path());
    let mut expected = Vec::new();
    for (uri, headers, path, bytes) in [
        ("/files/vmlinuz?redirected", &[][..], "/files/vmlinuz", 300_000),
        (
            "/files/vmlinuz",
            &[("range", "bytes=299990-")],
            "/files/vmlinuz",
            10,
        ),
        (
            "/files/vmlinuz",
            &[("range", "bytes=0-299999")],
            "/files/vmlinuz",
            300_000,
        ),
        ("/loaders/snponly.efi", &[], "/loaders/snponly.efi", 2),
    ] {
        ask(&gateway, "GET", uri, headers, usize::MAX).await;
        expected.push((path.to_owned(), PEER.to_owned(), bytes));
        assert_eq!(*told.lock().unwrap(), expected, "{uri} {headers:?}");
    }
}

#[tokio::test]
async fn what_was_not_sent_to_its_end_is_not_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let (gateway, told) = served(folder.path());
    for (verb, uri, headers, bytes_max) in [
        ("GET", "/files/vmlinuz", &[][..], 1),
        ("GET", "/files/vmlinuz", &[("range", "bytes=0-9")], usize::MAX),
        ("GET", "/files/vmlinuz", &[("range", "bytes=300000-")], usize::MAX),
        ("GET", "/files/nothing", &[], usize::MAX),
        ("GET", "/files/empty", &[], usize::MAX),
        ("HEAD", "/files/vmlinuz", &[], usize::MAX),
        ("HEAD", "/loaders/snponly.efi", &[], usize::MAX),
        ("GET", "/loaders/other.efi", &[], usize::MAX),
    ] {
        ask(&gateway, verb, uri, headers, bytes_max).await;
        assert!(told.lock().unwrap().is_empty(), "{verb} {uri} {headers:?}");
    }
}
