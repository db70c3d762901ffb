//! What monitoring sees of a real member: health, counters, and the counters in the log at the end.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as expected"
)]

mod common;

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream, UdpSocket};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{CHAMOIS, Single};
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
        "chamois_grpc_events_total{port=\"api\",reason=\"handshakes_failed\"} 0",
        "chamois_grpc_events_total{port=\"peer\",reason=\"connections_refused\"} 0",
    ] {
        assert!(seen.contains(server), "{server}: {seen}");
    }

    member.terminate();
    assert_eq!(member.exit_code(Duration::from_secs(20)), Some(0));
    let log = member.log();
    assert!(log.contains("too_short +1"), "{log}");
}

/// The relay of a client that SMD does not know.
struct Relay {
    socket: UdpSocket,
    address: Ipv4Addr,
    server: Ipv4Addr,
}

const STRANGER: &str = "02:09:09:09:09:01";

impl Relay {
    fn of(single: &Single) -> Relay {
        let address = single.net.relay_address();
        let socket = UdpSocket::bind((address, 0)).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        Relay {
            socket,
            address,
            server: single.net.service_address(),
        }
    }

    /// A message of the stranger, repeated until it is answered; gives its type and address.
    fn ask(&self, kind: u8, options: &[u8]) -> (u8, Ipv4Addr) {
        let mut packet = vec![0; 240];
        packet[..3].copy_from_slice(&[1, 1, 6]);
        packet[24..28].copy_from_slice(&self.address.octets());
        packet[28..34].copy_from_slice(&[2, 9, 9, 9, 9, 1]);
        packet[236..].copy_from_slice(&[99, 130, 83, 99]);
        packet.extend([53, 1, kind]);
        packet.extend(options);
        // the answer comes to the port that it is asked from (RFC 8357)
        packet.extend([82, 2, 19, 0, 255]);
        let mut answer = [0; 1500];
        for _ in 0..30 {
            self.socket.send_to(&packet, (self.server, DHCP_PORT)).unwrap();
            if self.socket.recv(&mut answer).is_ok() {
                assert_eq!(answer[240..242], [53, 1]);
                let address = Ipv4Addr::new(answer[16], answer[17], answer[18], answer[19]);
                return (answer[242], address);
            }
        }
        panic!("no answer to a message of type {kind}");
    }
}

/// What the stranger's lease looks like from each side that an administrator has.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_lease_is_seen_in_metrics_lists_explanations_and_watches() {
    let single = Single::prepare();
    let mut member = single.start();
    let network = single.net.subnet().to_string();
    let [a, b, ..] = single.net.service_address().octets();
    let x = |last: u8| Ipv4Addr::new(a, b, 200, last);
    let pool = format!("{}-{}", x(1), x(10));
    let put = ["subnet", "put", &network, "--pool", &pool, "--unknown", "address"];
    member.until("the subnet is there", || single.ask(&put).0 == 0);

    let (code, out, err) = single.ask(&["dhcp", "explain", STRANGER, "--arch", "x64"]);
    assert_eq!(code, 0, "{err}");
    for part in [
        "SMD does not have this MAC",
        "-> OFFER ",
        "-> ACK after commit ",
        "Answers: holder",
        "an address only",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
    assert_eq!(single.ask(&["dhcp", "explain", "nobody"]).0, 2);

    let told = single.dir.path().join("told");
    let mut watcher = Command::new(CHAMOIS)
        .args(["watch", "--kind", "dhcp-lease,unknown-client"])
        .args(single.client_args())
        .stdout(std::fs::File::create(&told).unwrap())
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let relay = Relay::of(&single);
    let (offer, address) = relay.ask(1, &[]);
    let chosen = [
        &[50, 4][..],
        &address.octets(),
        &[54, 4],
        &single.net.service_address().octets(),
    ]
    .concat();
    let (ack, same) = relay.ask(3, &chosen);
    assert_eq!((offer, ack, same), (2, 5, address));
    let until_told = |what: &str| {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !std::fs::read_to_string(&told).unwrap().contains(what) {
            assert!(
                Instant::now() < deadline,
                "{what}: {}",
                std::fs::read_to_string(&told).unwrap()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    until_told(&format!("{:<18} {address}", "dhcp-lease"));
    until_told(&format!("{:<18} {STRANGER}", "unknown-client"));
    watcher.kill().unwrap();
    watcher.wait().unwrap();

    for filter in [
        &["--state", "bound"][..],
        &["--mac", STRANGER],
        &["--subnet", &network, "--wide"],
    ] {
        let (code, out, err) = single.ask(&[&["dhcp", "leases"], filter].concat());
        assert!(
            code == 0 && out.contains(&address.to_string()),
            "{filter:?}: {out}{err}"
        );
    }
    let (code, out, _) = single.ask(&["dhcp", "leases", "--state", "ended"]);
    assert!(code == 0 && !out.contains(&address.to_string()), "{out}");

    let token = std::fs::read_to_string(single.dir.path().join("identities/admin.token")).unwrap();
    let page = metrics(&single, Credentials::Token(token.trim().to_owned()))
        .await
        .unwrap();
    let page = common::exposition::parse(&page).unwrap_or_else(|problem| panic!("{problem}\n{page}"));
    let sent = |kind| [("network", "boot"), ("direction", "sent"), ("type", kind)];
    assert!(page.value("chamois_dhcp_messages_total", &sent("offer")) >= 1.0);
    assert!(page.value("chamois_dhcp_messages_total", &sent("ack")) >= 1.0);
    let waits = "chamois_dhcp_answer_duration_seconds";
    for answer in ["offer", "ack"] {
        let of = |client| [("network", "boot"), ("answer", answer), ("client", client)];
        assert!(page.count(waits, &of("pool")) >= 1.0, "{answer}");
        assert_eq!(page.count(waits, &of("known")), 0.0, "{answer}");
    }
    let addresses = |state| {
        page.value(
            "chamois_dhcp_addresses",
            &[("subnet", &network), ("state", state)],
        )
    };
    assert_eq!(
        [addresses("bound"), addresses("free"), addresses("held")],
        [1.0, 9.0, 0.0]
    );
    assert_eq!(page.value("chamois_dhcp_unknown_clients", &[]), 1.0);
}
