//! Boot loaders on the node port, as OVMF asks for them.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{Fake, gateway, send, send_to};
use crate::Options;

const SNPONLY: &[u8] = b"MZ and so on";

fn options() -> Options {
    Options {
        loaders: BTreeMap::from([("snponly.efi".to_owned(), Bytes::from_static(SNPONLY))]),
        ..Options::default()
    }
}

/// OVMF: HEAD, then GET; it reserves what `Content-Length` says.
#[tokio::test]
async fn a_loader_is_announced_and_sent_with_its_length() {
    let gateway = gateway(&Fake::new(), options());
    for (verb, body) in [("HEAD", ""), ("GET", "MZ and so on")] {
        let got = send_to(&gateway.nodes, verb, "/loaders/snponly.efi", &[], "").await;
        assert_eq!((got.status, got.header("content-length")), (200, "12"), "{verb}");
        assert_eq!(got.header("content-type"), "application/efi");
        assert_eq!(got.body, body, "{verb}");
    }
}

#[tokio::test]
async fn nothing_but_the_listed_names_is_a_loader() {
    let gateway = gateway(&Fake::new(), options());
    for name in [
        "",
        "other.efi",
        "SNPONLY.EFI",
        "../snponly.efi",
        "%2e%2e/snponly.efi",
        "a/snponly.efi",
        "snponly.efi%00",
    ] {
        let got = send_to(&gateway.nodes, "GET", &format!("/loaders/{name}"), &[], "").await;
        assert_eq!(got.status, 404, "{name}");
    }
    let got = send_to(&gateway.nodes, "POST", "/loaders/snponly.efi", &[], "x").await;
    assert_eq!((got.status, got.header("allow")), (405, "GET,HEAD"));
}

/// They are for nodes; an administrator's port has no use for them.
#[tokio::test]
async fn the_api_port_has_no_loaders() {
    let gateway = gateway(&Fake::new(), options());
    assert_eq!(
        send(&gateway, "GET", "/loaders/snponly.efi", &[], "")
            .await
            .status,
        404
    );
}
