//! TLS, and keys that change.

use redfish::{Error, Trust, read_inventory};

use crate::server::{Server, Tls, connector, limits, login, tls};
use crate::trees;

#[tokio::test]
async fn a_key_is_remembered_and_another_one_is_sent_nothing() {
    let server = Server::start(trees::rack_server()).await;
    let bmc = connector()
        .open(&server.address, login(), Trust::FirstUse, &limits())
        .await
        .unwrap();
    let key = bmc.key_sha256().to_owned();
    assert_eq!(key.len(), 64);
    let again = connector()
        .open(&server.address, login(), Trust::Pinned(key), &limits())
        .await;
    assert!(again.is_ok());
    server.forget();
    let other = Trust::Pinned("0".repeat(64));
    let opened = connector().open(&server.address, login(), other, &limits()).await;
    let Some(Error::KeyChanged { known, shown }) = opened.err() else {
        panic!("another key was believed");
    };
    assert_eq!(known, "0".repeat(64));
    assert_eq!(shown, bmc.key_sha256());
    // not even the request for what is public
    assert!(server.asked().is_empty());
}

/// Expired, self-signed, of another name: only the key counts, in both versions of TLS.
#[tokio::test]
async fn both_versions_of_tls_are_spoken() {
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let server = Server::on("127.0.0.1:0", trees::chassis_manager(), tls(&[version])).await;
        let bmc = connector()
            .open(&server.address, login(), Trust::FirstUse, &limits())
            .await
            .unwrap();
        assert!(read_inventory(&bmc).await.unwrap().problems.is_empty());
    }
}

#[tokio::test]
async fn roots_that_do_not_vouch_are_not_enough() {
    let server = Server::start(trees::rack_server()).await;
    let mut roots = rustls::RootCertStore::empty();
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["ca".to_owned()]).unwrap();
    roots
        .add(params.self_signed(&key).unwrap().der().clone())
        .unwrap();
    let trust = Trust::Roots(std::sync::Arc::new(roots));
    let error = connector()
        .probe(&server.address, trust, &limits())
        .await
        .unwrap_err();
    assert_eq!(error.word(), "tls");
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn any_key_is_any_key() {
    let server = Server::start(trees::rack_server()).await;
    let probe = connector()
        .probe(&server.address, Trust::InsecureAny, &limits())
        .await
        .unwrap();
    assert_eq!(probe.key_sha256.len(), 64);
}

#[tokio::test]
async fn in_the_clear_there_is_no_key() {
    let server = Server::on("127.0.0.1:0", trees::rack_server(), Tls::None).await;
    assert!(server.address.is_plain());
    let bmc = connector()
        .open(&server.address, login(), Trust::FirstUse, &limits())
        .await
        .unwrap();
    assert_eq!(bmc.key_sha256(), "");
    assert_eq!(read_inventory(&bmc).await.unwrap().systems.len(), 1);
}

#[tokio::test]
async fn what_speaks_no_tls_is_said_so() {
    let server = Server::on("127.0.0.1:0", trees::rack_server(), Tls::None).await;
    let over_tls = server.address.to_string().parse().unwrap();
    let error = connector()
        .probe(&over_tls, Trust::FirstUse, &limits())
        .await
        .unwrap_err();
    assert!(["tls", "unreachable"].contains(&error.word()), "{error}");
}
