//! The client against a server that the test scripts: it loses, refuses and gives wrong things.

use super::*;
use std::net::{SocketAddr, SocketAddrV4};
use tokio::net::UdpSocket;

const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 7]);
const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 16, 7);
const QUICK: Pace = Pace::with_second(Duration::from_millis(10));

/// What the scripted server does with the next packet.
#[derive(Clone, Copy, Debug)]
enum Act {
    Lose,
    Answer,
    Nak,
    /// Answer after `fn` has spoilt the reply.
    Spoil(fn(&mut Vec<u8>)),
}

/// A reply made of a request: the fixed part turned round, and the options a server adds.
fn reply(request: &[u8], kind: u8, server: Ipv4Addr) -> Vec<u8> {
    let mut reply = request[..240].to_vec();
    reply[0] = 2;
    reply[16..20].copy_from_slice(&ADDRESS.octets());
    reply.extend([53, 1, kind, 54, 4]);
    reply.extend(server.octets());
    reply.extend([51, 4, 0, 0, 14, 16]);
    let url = b"http://127.0.0.1/script";
    reply.extend([67, url.len() as u8]);
    reply.extend(url);
    reply.extend([82, 2, 19, 0, 255]);
    reply
}

/// Runs one acquisition against `acts`; returns its end, the xids and secs of all packets, and the time lost.
async fn acquire(acts: &[Act]) -> (Result<DhcpLease, DhcpError>, Vec<(u32, u16)>, Duration) {
    let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let SocketAddr::V4(address) = server.local_addr().unwrap() else {
        unreachable!()
    };
    let serving = tokio::spawn(serve(server, *address.ip(), acts.to_vec()));
    let relay = Relay::open(
        Ipv4Addr::LOCALHOST,
        vec![*address.ip()],
        vec![SocketAddrV4::new(*address.ip(), address.port())],
        5,
    )
    .unwrap();
    let client = DhcpClient {
        relay: &relay,
        mac: MAC,
        expected: ADDRESS,
        pace: QUICK,
    };
    let mut outage = Outage::default();
    let result = client.acquire(&mut Rng::new(3), &mut outage).await;
    let seen = tokio::time::timeout(Duration::from_secs(10), serving)
        .await
        .expect("every act is used")
        .unwrap();
    (result, seen, outage.total())
}

async fn serve(server: UdpSocket, identity: Ipv4Addr, acts: Vec<Act>) -> Vec<(u32, u16)> {
    let mut seen = Vec::new();
    let mut packet = [0; 2048];
    for act in acts {
        let (length, from) = server.recv_from(&mut packet).await.unwrap();
        let request = &packet[..length];
        seen.push((
            crate::dhcp_packet::xid(request).unwrap(),
            u16::from_be_bytes([request[8], request[9]]),
        ));
        let kind = if request[242] == 1 { 2 } else { 5 };
        let mut answer = reply(request, kind, identity);
        match act {
            Act::Lose => continue,
            Act::Answer => {}
            Act::Nak => answer[242] = 6,
            Act::Spoil(spoil) => spoil(&mut answer),
        }
        server.send_to(&answer, from).await.unwrap();
    }
    seen
}

fn problem(result: Result<DhcpLease, DhcpError>) -> String {
    match result {
        Err(DhcpError::Wrong { problem, .. }) => problem,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn four_packets_give_a_lease() {
    let (result, seen, lost) = acquire(&[Act::Answer, Act::Answer]).await;
    assert_eq!(
        result.unwrap(),
        DhcpLease {
            address: ADDRESS,
            bootfile: "http://127.0.0.1/script".into()
        }
    );
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].0, seen[1].0, "one xid for the exchange");
    assert_eq!(lost, Duration::ZERO);
}

/// The other members answer when an xid repeats: so it must repeat.
#[tokio::test]
async fn a_lost_message_is_repeated_under_its_xid_and_costs_the_wait() {
    let (result, seen, lost) = acquire(&[Act::Lose, Act::Answer, Act::Lose, Act::Lose, Act::Answer]).await;
    assert!(result.is_ok());
    assert_eq!(seen.len(), 5);
    assert!(seen.iter().all(|(xid, _)| *xid == seen[0].0));
    assert!(
        seen.windows(2).all(|pair| pair[0].1 <= pair[1].1),
        "secs only grows: {seen:?}"
    );
    assert!(lost >= QUICK.seconds(3 + 3 + 7), "{lost:?}");
}

#[tokio::test]
async fn a_nak_starts_over_under_a_new_xid() {
    let (result, seen, _) = acquire(&[Act::Answer, Act::Nak, Act::Answer, Act::Answer]).await;
    assert!(result.is_ok());
    assert_ne!(seen[1].0, seen[2].0);
}

#[tokio::test]
async fn endless_refusal_and_endless_silence_end() {
    let (result, ..) = acquire(&[
        Act::Answer,
        Act::Nak,
        Act::Answer,
        Act::Nak,
        Act::Answer,
        Act::Nak,
    ])
    .await;
    assert_eq!(result, Err(DhcpError::Refused));
    let (result, seen, lost) = acquire(&[Act::Lose; 12]).await;
    assert_eq!(result, Err(DhcpError::NoAnswer));
    assert_eq!(seen.len(), 12, "three tries of four transmissions");
    assert!(lost >= QUICK.seconds(3 * (4 + 8 + 16 + 32) - 12), "{lost:?}");
}

/// The judge's work: each of these is a server's mistake that a node must not pass over.
#[tokio::test]
async fn what_is_not_this_nodes_is_refused() {
    let other_address = |reply: &mut Vec<u8>| reply[19] = 8;
    assert!(problem(acquire(&[Act::Spoil(other_address)]).await.0).contains("127.0.16.8"));
    let other_mac = |reply: &mut Vec<u8>| reply[33] = 8;
    assert!(problem(acquire(&[Act::Spoil(other_mac)]).await.0).contains("another node"));
    let other_server = |reply: &mut Vec<u8>| reply[248] = 2;
    assert!(problem(acquire(&[Act::Spoil(other_server)]).await.0).contains("option 54 names 127.0.0.2"));
    let no_relay_information = |reply: &mut Vec<u8>| {
        let end = reply.len();
        reply.truncate(end - 5);
        reply.push(255);
    };
    assert!(problem(acquire(&[Act::Spoil(no_relay_information)]).await.0).contains("option 82"));
    let no_bootfile = |reply: &mut Vec<u8>| reply[255] = 66;
    assert!(problem(acquire(&[Act::Answer, Act::Spoil(no_bootfile)]).await.0).contains("option 67"));
}
