//! `/openapi.json`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

use super::{Fake, gateway, send, send_to};
use crate::Options;

/// A document of 8 KiB, so that it is worth compressing, and how often it was made.
fn options() -> (Options, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let make = move || -> Result<Bytes, String> {
        counted.fetch_add(1, Ordering::Relaxed);
        Ok(Bytes::from(format!("{{\"openapi\":\"{}\"}}", "3".repeat(8192))))
    };
    let options = Options {
        api_document: Some(Arc::new(make)),
        ..Options::default()
    };
    (options, count)
}

#[tokio::test]
async fn anybody_is_told_and_the_document_is_made_once() {
    let fake = Fake::new();
    let (options, count) = options();
    let gateway = gateway(&fake, options);
    assert_eq!(count.load(Ordering::Relaxed), 0, "nobody has asked yet");
    for path in ["/openapi.json", "/openapi.json/", "/openapi.json?x=1"] {
        let got = send(&gateway, "GET", path, &[], "").await;
        assert_eq!(got.status, 200, "{path}: {got:?}");
        assert_eq!(got.header("content-type"), "application/json");
        assert!(got.text().starts_with("{\"openapi\":"));
    }
    let aliased = send(&gateway, "GET", "/apis/smd/openapi.json", &[], "").await;
    assert_eq!(aliased.status, 404, "it is no service's");
    assert_eq!(count.load(Ordering::Relaxed), 1);
    assert!(fake.take_asked().is_empty(), "no service is asked");
}

#[tokio::test]
async fn a_client_that_has_it_is_not_sent_it_again() {
    let gateway = gateway(&Fake::new(), options().0);
    let first = send(&gateway, "GET", "/openapi.json", &[], "").await;
    let etag = first.header("etag").to_owned();
    let again = send(&gateway, "GET", "/openapi.json", &[("if-none-match", &etag)], "").await;
    assert_eq!((again.status, again.body.len()), (304, 0), "{again:?}");
    assert_eq!(again.header("etag"), etag);
    let other = send(
        &gateway,
        "GET",
        "/openapi.json",
        &[("if-none-match", "\"0\"")],
        "",
    )
    .await;
    assert_eq!(other.status, 200);
}

/// The weak ETag of what was compressed is believed, too.
#[tokio::test]
async fn it_is_compressed_for_who_asks_for_that() {
    let gateway = gateway(&Fake::new(), options().0);
    let got = send(
        &gateway,
        "GET",
        "/openapi.json",
        &[("accept-encoding", "gzip")],
        "",
    )
    .await;
    assert_eq!(got.header("content-encoding"), "gzip");
    assert!(got.body.len() < 1024, "{} bytes", got.body.len());
    let weak = got.header("etag").to_owned();
    assert!(weak.starts_with("W/"), "{weak}");
    let again = send(&gateway, "GET", "/openapi.json", &[("if-none-match", &weak)], "").await;
    assert_eq!(again.status, 304);
}

#[tokio::test]
async fn it_is_read_only_and_one_head_long() {
    let gateway = gateway(&Fake::new(), options().0);
    let head = send(&gateway, "HEAD", "/openapi.json", &[], "").await;
    assert_eq!((head.status, head.body.len()), (200, 0), "{head:?}");
    for verb in ["POST", "PUT", "DELETE", "PATCH"] {
        let refused = send(&gateway, verb, "/openapi.json", &[], "{}").await;
        assert_eq!(
            (refused.status, refused.header("allow")),
            (405, "GET,HEAD"),
            "{verb}"
        );
    }
}

/// Nodes have no use for it; nor has a gateway whose owner gave none.
#[tokio::test]
async fn it_is_on_the_api_port_alone() {
    let with = gateway(&Fake::new(), options().0);
    let on_nodes_port = send_to(&with.nodes, "GET", "/openapi.json", &[], "").await;
    assert_eq!(on_nodes_port.status, 404);
    let without = gateway(&Fake::new(), Options::default());
    assert_eq!(send(&without, "GET", "/openapi.json", &[], "").await.status, 404);
}

/// That is a bug, and the next one who asks may be luckier.
#[tokio::test]
async fn a_document_that_cannot_be_made_is_a_problem() {
    let options = Options {
        api_document: Some(Arc::new(|| Err::<Bytes, String>("no descriptor".to_owned()))),
        ..Options::default()
    };
    let gateway = gateway(&Fake::new(), options);
    let got = send(&gateway, "GET", "/openapi.json", &[], "").await;
    assert_eq!(got.status, 500);
    assert!(!got.detail().contains("no descriptor"), "the cause is in the log");
}
