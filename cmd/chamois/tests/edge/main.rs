//! The edge of a real member: names, the access log, ports of single services, certificates by ACME.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as expected"
)]

mod access_log;
mod acme;
#[path = "../common/mod.rs"]
mod common;
mod legacy_ports;
mod names;
mod pebble;

use std::net::{IpAddr, SocketAddr};

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConnection, StreamOwned};

/// Names of the certificate that the HTTPS port presents to a client which trusts `ca` and asks for `name`; nothing where the
/// handshake fails.
fn presented_for(ip: IpAddr, ca: &[CertificateDer<'static>], name: &'static str) -> Vec<String> {
    use std::io::Write as _;
    let Ok(tcp) = std::net::TcpStream::connect(SocketAddr::new(ip, 8443)) else {
        return Vec::new();
    };
    let name = ServerName::try_from(name).unwrap();
    let connection = ClientConnection::new(common::http::tls(ca, None), name).unwrap();
    let mut stream = StreamOwned::new(connection, tcp);
    // the handshake is done when something is to be written
    if stream
        .write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        .is_err()
    {
        return Vec::new();
    }
    let chain = stream.conn.peer_certificates().unwrap_or_default();
    chain.first().map(rpc::tls::host_names).unwrap_or_default()
}
