//! Connections without end: too many, too often, or with a handshake that never comes to its end.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::version::TLS12;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use crate::site::{API_PORTS, BOUND, GRPC, HTTPS, PEERS, Site};

/// What a handshake is given.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// Connections that one stranger opens, of which none comes to its handshake's end; less than a place's limit on every port.
const HELD: usize = 60;
/// The head of a ClientHello of 512 bytes, and nothing after it.
const HALF_A_HELLO: &[u8] = &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3];

/// Whether the member closes it within the bound, without a word.
fn is_closed(stream: &mut TcpStream) -> bool {
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Ok(_) => !rest.starts_with(b"HTTP"),
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

/// A stranger greets with half a hello, or not at all. In five seconds his places are free, and till then nobody waits for him.
#[test]
fn handshakes_that_never_end_are_cut_off_and_counted() {
    let mut site = Site::start();
    for port in [HTTPS, GRPC, PEERS] {
        let before = site.refused(port, "handshakes_too_slow");
        site.while_it_serves(|site| {
            let mut held = Vec::new();
            for number in 0..HELD {
                let mut stream = site.tcp(1, port).unwrap();
                if number.is_multiple_of(2) {
                    stream.write_all(HALF_A_HELLO).unwrap();
                }
                held.push(stream);
            }
            let began = Instant::now();
            assert!(held.iter_mut().all(is_closed), "port {port}");
            assert!(
                began.elapsed() > HANDSHAKE / 2,
                "port {port}: closed for another reason"
            );
            assert!(began.elapsed() < BOUND, "port {port}");
        });
        let counted = site.refused(port, "handshakes_too_slow") - before;
        assert!(
            (counted - HELD as f64).abs() < 0.5,
            "port {port}: {counted} of {HELD}"
        );
    }
}

/// One address has its places and no more; the next one beside it does not notice.
#[test]
fn one_address_has_its_places_and_no_more() {
    const PLACES: usize = 32;
    let mut site = Site::start_with(&format!("connections-per-address-max = {PLACES}\n"));
    for port in API_PORTS {
        let before = site.refused(port, "connections_refused");
        site.while_it_serves(|site| {
            let held: Vec<TcpStream> = (0..PLACES).map(|_| site.tcp(1, port).unwrap()).collect();
            for _ in 0..10 {
                assert!(is_closed(&mut site.tcp(1, port).unwrap()), "port {port}");
            }
            // somebody else has places, and asks
            let mut beside = site.raw(2, port);
            assert!(!beside.ends_within(Duration::from_millis(500)), "port {port}");
            drop(held);
        });
        let counted = site.refused(port, "connections_refused") - before;
        assert!((counted - 10.0).abs() < 0.5, "port {port}: {counted}");
    }
}

/// One that comes and goes takes no place for long, but each time a handshake.
#[test]
fn who_connects_too_often_is_refused_and_counted() {
    const A_SECOND: usize = 50;
    let mut site = Site::start_with(&format!("connections-per-s-max = {A_SECOND}\n"));
    for port in API_PORTS {
        site.while_it_serves(|site| {
            let closed = (0..20 * A_SECOND).filter(|_| site.tcp(1, port).is_err()).count();
            assert_eq!(closed, 0, "the kernel takes them, and the member closes them");
        });
        let counted = site.refused(port, "connections_too_often");
        assert!(counted > 0.0, "port {port}");
        let mut beside = site.raw(2, port);
        assert!(!beside.ends_within(Duration::from_millis(500)), "port {port}");
    }
}

/// Whether a client that speaks no TLS but 1.2 comes to its handshake's end.
fn greets_with_tls12(site: &Site, port: u16) -> bool {
    let mut roots = RootCertStore::empty();
    roots.add(site.single.ca()).unwrap();
    let mut config = ClientConfig::builder_with_provider(rpc::tls::crypto_provider())
        .with_protocol_versions(&[&TLS12])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let name = ServerName::IpAddress(site.address(port).ip().into());
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = site.tcp(1, port).unwrap();
    while client.is_handshaking() {
        if client.complete_io(&mut stream).is_err() {
            return false;
        }
    }
    true
}

#[test]
fn tls_1_2_is_refused_and_counted() {
    let site = Site::start();
    for port in [HTTPS, GRPC, PEERS] {
        let before = site.refused(port, "handshakes_failed");
        assert!(!greets_with_tls12(&site, port), "port {port}");
        let counted = site.refused(port, "handshakes_failed") - before;
        assert!((counted - 1.0).abs() < 0.5, "port {port}: {counted}");
    }
}

/// Members among themselves do without it all the same.
#[test]
fn tls_1_2_is_spoken_where_the_configuration_says_so_and_never_among_members() {
    let site = Site::start_with("allow-tls12 = true\n");
    for (port, expected) in [(HTTPS, true), (GRPC, true), (PEERS, false)] {
        assert_eq!(greets_with_tls12(&site, port), expected, "port {port}");
    }
}
