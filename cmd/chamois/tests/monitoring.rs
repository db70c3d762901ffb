//! What monitoring sees of a real member: health, counters, and the counters in the log at the end.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as expected"
)]

mod common;

use std::io::{Read as _, Write as _};
use std::net::{TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use common::Single;
use proto::cluster::v1::GetMetricsRequest;
use proto::cluster::v1::metrics_service_client::MetricsServiceClient;
use rpc::client::{Credentials, Options, connect};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

const DHCP_PORT: u16 = 6767;

fn options(single: &Single, credentials: Credentials) -> Options {
    let ca = single.dir.path().join("identities/ca.pem");
    Options {
        endpoints: vec![format!("{}:7441", single.own())],
        ca: vec![CertificateDer::from_pem_file(ca).unwrap()],
        credentials,
    }
}

async fn metrics(single: &Single, credentials: Credentials) -> Result<String, Status> {
    let mut client = MetricsServiceClient::new(connect(options(single, credentials)).unwrap());
    let answer = client.get_metrics(GetMetricsRequest {}).await?.into_inner();
    Ok(String::from_utf8(answer.data.to_vec()).unwrap())
}

/// Counters name networks and what went wrong there: they are the administrator's, on no port of the nodes.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_dropped_packet_can_be_seen() {
    let single = Single::prepare();
    let mut member = single.start();
    let mut health = HealthClient::new(connect(options(&single, Credentials::None)).unwrap());
    // the member looks at itself once in a while
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let answer = health.check(HealthCheckRequest::default()).await.unwrap();
        if answer.into_inner().status() == ServingStatus::Serving {
            break;
        }
        assert!(Instant::now() < deadline, "a ready member is not healthy");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    let refused = metrics(&single, Credentials::None).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated, "{refused:?}");
    let mut node = TcpStream::connect(single.http()).unwrap();
    node.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    node.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");

    let socket = UdpSocket::bind((single.own(), 0)).unwrap();
    socket.send_to(b"short", (single.own(), DHCP_PORT)).unwrap();
    let token = std::fs::read_to_string(single.dir.path().join("identities/admin.token")).unwrap();
    let line = "chamois_dhcp_packets_total{network=\"boot\",reason=\"too_short\"} 1\n";
    let mut seen = String::new();
    for _ in 0..500 {
        seen = metrics(&single, Credentials::Token(token.trim().to_owned()))
            .await
            .unwrap();
        if seen.contains(line) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(seen.contains(line), "{seen}");
    for server in [
        "chamois_tftp_events_total{network=\"boot\"",
        "chamois_dns_events_total{network=\"boot\"",
        "chamois_dhcp_guard_total{network=\"boot\",reason=\"rogue_answers\"} 0",
        "chamois_gateway_events_total{port=\"api\"",
    ] {
        assert!(seen.contains(server), "{server}: {seen}");
    }

    member.terminate();
    assert_eq!(member.exit_code(Duration::from_secs(20)), Some(0));
    let log = member.log();
    assert!(log.contains("too_short +1"), "{log}");
}
