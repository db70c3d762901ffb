//! The server over real UDP sockets on loopback, through a relay that does not listen on port 547 (RFC 8357).

use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dhcp::{Limits, Loaders, Responder, UEFI_LOADER};
use dhcp6::{Count, Counters, Network, Server, Socket};
use model::MacAddr;
use proto::bss::v1::boot_phase::Phase;
use raft::Store;
use timeline::{Pace, Reporter, Timeline};
use tokio::net::UdpSocket;

use crate::testing::{
    BMC, NODE, NODE_OF_IPV4, NODE_ON_TWO, RawMessage, STRANGER, add_address, duid_ll, ia_addresses, network,
    relayed, vendor_class, world,
};

/// Longest wait for something that must happen.
const PATIENCE: Duration = Duration::from_secs(10);
const INTERFACE_ID: &[u8] = &[0xff, 0, b'7'];
/// Where `NODE`'s address stands in an answer: behind the relay's part, the identifiers, the preference or rapid commit.
const ADDRESS: [u8; 16] = [0xfd, 0, 0, 0x97, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1];
/// That of `NODE_ON_TWO`.
const OTHER_ADDRESS: [u8; 16] = [0xfd, 0, 0, 0x97, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 2];

struct Running {
    address: SocketAddr,
    counters: Arc<Counters>,
    relay: UdpSocket,
}

/// Whose turn it is, in the test's hand.
#[derive(Clone)]
struct Turns(Arc<Mutex<Responder>>);

impl Turns {
    fn new(turn: Responder) -> Turns {
        Turns(Arc::new(Mutex::new(turn)))
    }

    fn set(&self, turn: Responder) {
        *self.0.lock().unwrap() = turn;
    }
}

/// A holder that is not heard, as on loopback, and long dead on a network.
const UNHEARD: Responder = Responder::Other {
    member: None,
    heard: None,
};

impl Running {
    async fn start(store: Store) -> Running {
        Running::start_with(store, Turns::new(Responder::Own), Timeline::default()).await
    }

    async fn start_with(store: Store, turns: Turns, timeline: Timeline) -> Running {
        Running::start_limited(store, turns, timeline, Limits::default()).await
    }

    async fn start_limited(store: Store, turns: Turns, timeline: Timeline, limits: Limits) -> Running {
        // relays are on loopback here
        let relays = ["fd00:98::/64", "::1/128"].map(|text| text.parse().unwrap());
        let network = Network {
            relayed_prefixes: relays.to_vec(),
            limits,
            ..network()
        };
        let turn = move || *turns.0.lock().unwrap();
        let server = Server::new(store, network, Loaders::new([UEFI_LOADER]), turn, timeline);
        let loopback = SocketAddrV6::new(Ipv6Addr::LOCALHOST, 0, 0, 0);
        let socket = Socket::on_address(loopback).unwrap();
        let (address, counters) = (socket.local_addr().unwrap(), server.counters());
        tokio::spawn(async move { server.run(socket, std::future::pending()).await });
        let relay = UdpSocket::bind(loopback).await.unwrap();
        Running {
            address,
            counters,
            relay,
        }
    }

    async fn send(&self, packet: &[u8]) {
        self.relay.send_to(packet, self.address).await.unwrap();
    }

    async fn receive(&self) -> Vec<u8> {
        let mut answer = vec![0; 2048];
        let received = tokio::time::timeout(PATIENCE, self.relay.recv_from(&mut answer));
        let (len, from) = received.await.unwrap().unwrap();
        assert_eq!(from, self.address);
        answer.truncate(len);
        answer
    }

    async fn ask(&self, packet: &[u8]) -> Vec<u8> {
        self.send(packet).await;
        self.receive().await
    }

    async fn counted(&self, what: Count, n: u64) {
        let reached = async {
            while self.counters.get(what) < n {
                tokio::task::yield_now().await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, reached).await;
        assert!(
            waited.is_ok(),
            "{} stays at {}",
            what.name(),
            self.counters.get(what)
        );
        assert_eq!(self.counters.get(what), n, "{}", what.name());
    }

    /// The packet gets no answer and is counted as `why`.
    async fn ignores(&self, packet: &[u8], why: Count) {
        let before = self.counters.get(why);
        self.send(packet).await;
        self.counted(why, before + 1).await;
    }

    /// Nothing is waiting for the relay. The counter of the last packet was awaited, so nothing is under way either.
    fn assert_silent(&self) {
        let nothing = self.relay.try_recv(&mut [0; 2048]);
        assert_eq!(nothing.unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    }
}

/// Through the relay, which asks to be answered on its own port.
fn through_relay(message: &[u8]) -> Vec<u8> {
    relayed(
        message,
        0,
        "fd00:97::7",
        "fe80::7",
        &[(18, INTERFACE_ID), (135, &[0, 0])],
    )
}

fn solicit(mac: MacAddr) -> RawMessage {
    RawMessage::new(1).options(&[(1, &duid_ll(mac)), (3, &ia_addresses(1, &[]))])
}

fn asked(mac: MacAddr) -> Vec<u8> {
    through_relay(&solicit(mac).bytes())
}

fn has(message: &[u8], part: &[u8]) -> bool {
    message.windows(part.len()).any(|window| window == part)
}

#[tokio::test]
async fn a_node_gets_its_address_through_a_relay_on_a_port_of_its_own() {
    let server = Running::start(world().await).await;
    let advertise = server.ask(&asked(NODE)).await;
    assert_eq!(advertise[..2], [13, 0]);
    assert_eq!(advertise[34..41], [&[0, 18, 0, 3][..], INTERFACE_ID].concat());
    assert_eq!(
        advertise[51..55],
        [2, 0x12, 0x34, 0x56],
        "ADVERTISE, behind the relay's options"
    );
    assert!(has(&advertise, &ADDRESS));
    let rapid = server
        .ask(&through_relay(&solicit(NODE).options(&[(14, &[])]).bytes()))
        .await;
    assert_eq!(rapid[51], 7, "REPLY");
    for (what, n) in [
        (Count::Received, 2),
        (Count::Relayed, 2),
        (Count::Solicits, 2),
        (Count::Advertises, 1),
        (Count::Replies, 1),
    ] {
        server.counted(what, n).await;
    }
}

#[tokio::test]
async fn strangers_hear_nothing_and_rubbish_ends_nothing() {
    let server = Running::start(world().await).await;
    server.ignores(&asked(STRANGER), Count::UnknownMac).await;
    server.ignores(&[], Count::TooShort).await;
    server
        .ignores(&[[1, 2, 3, 4].as_slice(), &[0; 3000]].concat(), Count::TooLong)
        .await;
    server.ignores(&solicit(NODE).bytes(), Count::NotMulticast).await;
    let cut = asked(NODE);
    server
        .ignores(&cut[..cut.len() - 1], Count::TruncatedOption)
        .await;
    server.assert_silent();
    assert!(has(&server.ask(&asked(NODE)).await, &ADDRESS));
    server.counted(Count::Panicked, 0).await;
}

/// So many packets are more than a client sends in the seconds that this takes.
#[tokio::test]
async fn a_client_that_asks_without_end_is_dropped_and_others_are_answered() {
    const PACKETS: u64 = 30;
    let limits = Limits {
        packets_per_s: 1,
        packets_burst: 3,
        strangers_per_s: 0,
    };
    let turns = Turns::new(Responder::Own);
    let server = Running::start_limited(world().await, turns, Timeline::default(), limits).await;
    for _ in 0..PACKETS {
        server.send(&asked(NODE)).await;
    }
    server.counted(Count::Received, PACKETS).await;
    server.send(&asked(NODE_ON_TWO)).await;
    let mut answered = 0;
    while !has(&server.receive().await, &OTHER_ADDRESS) {
        answered += 1;
    }
    assert!(answered >= u64::from(limits.packets_burst), "{answered}");
    let dropped = server.counters.get(Count::TooManyPackets);
    assert!(dropped > 0);
    assert_eq!(answered + dropped, PACKETS, "each is counted once");
}

/// That a node has no address is said by a majority or by nobody.
#[tokio::test]
async fn without_a_majority_known_addresses_are_given_and_nothing_is_refused() {
    let whole = world().await;
    let state = whole.state().as_ref().clone();
    let server = Running::start(Store::in_memory_without_majority(state)).await;
    server.ignores(&asked(NODE_OF_IPV4), Count::NoMajority).await;
    server.assert_silent();
    assert!(has(&server.ask(&asked(NODE)).await, &ADDRESS));
    let rebind = |addresses: &[&str]| {
        let raw = RawMessage::new(6).options(&[(1, &duid_ll(NODE)), (3, &ia_addresses(1, addresses))]);
        through_relay(&raw.bytes())
    };
    let kept = server.ask(&rebind(&["fd00:97::2:1", "fd00:97::99"])).await;
    assert!(has(&kept, &ADDRESS), "what this member has it says");
    assert!(
        !has(&kept, &[0x97, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x99]),
        "and no more"
    );
    server.counted(Count::Refusals, 0).await;
}

#[tokio::test]
async fn a_refusal_is_sent_when_the_majority_confirms_it() {
    let store = world().await;
    let server = Running::start(store.clone()).await;
    let refused = server.ask(&asked(NODE_OF_IPV4)).await;
    assert!(has(&refused, b"no address is reserved here"));
    server.counted(Count::Refusals, 1).await;
    add_address(&store, NODE_OF_IPV4, "fd00:97::2:3").await;
    let granted = server.ask(&asked(NODE_OF_IPV4)).await;
    assert!(!has(&granted, b"no address is reserved here"));
    server.counted(Count::Advertises, 1).await;
}

#[tokio::test]
async fn a_member_whose_turn_it_is_not_answers_the_repetition_only() {
    let heard = Some(tokio::time::Instant::now() + Duration::from_secs(600));
    let turns = Turns::new(Responder::Other { member: None, heard });
    let server = Running::start_with(world().await, turns.clone(), Timeline::default()).await;
    server.ignores(&asked(NODE), Count::NotHolder).await;
    let other = RawMessage {
        xid: [9, 9, 9],
        ..solicit(NODE)
    };
    server
        .ignores(&through_relay(&other.bytes()), Count::NotHolder)
        .await;
    server.assert_silent();
    assert!(
        has(&server.ask(&asked(NODE)).await, &ADDRESS),
        "nobody has answered it"
    );
    turns.set(Responder::StandIn);
    let third = RawMessage {
        xid: [8, 8, 8],
        ..solicit(NODE)
    };
    server.ask(&through_relay(&third.bytes())).await;
    server.counted(Count::StoodIn, 1).await;
}

/// What came between the death of the holder and the takeover needs no repetition.
#[tokio::test]
async fn what_waited_is_answered_when_the_turn_comes() {
    let turns = Turns::new(UNHEARD);
    let server = Running::start_with(world().await, turns.clone(), Timeline::default()).await;
    server.send(&asked(NODE)).await;
    server.ignores(&asked(STRANGER), Count::UnknownMac).await;
    server.assert_silent();
    turns.set(Responder::Own);
    assert!(has(&server.receive().await, &ADDRESS));
    server.counted(Count::StoodIn, 1).await;
}

/// An operating system asks for its address for as long as it runs; that is no boot.
#[tokio::test]
async fn what_firmware_and_ipxe_are_told_are_phases_of_a_boot() {
    let store = world().await;
    let (timeline, reporter) = Reporter::new(store.clone(), 3, Pace::default());
    let server = Running::start_with(store.clone(), Turns::new(Responder::Own), timeline).await;
    let class = vendor_class(343, b"PXEClient:Arch:00007:UNDI:003016");
    let pxe: [(u16, &[u8]); 2] = [(16, &class), (61, &[0, 7])];
    for (mac, options) in [(NODE, &pxe[..]), (BMC, &pxe), (NODE, &[])] {
        server
            .ask(&through_relay(&solicit(mac).options(options).bytes()))
            .await;
    }
    let rapid = solicit(NODE).options(&[(15, b"\0\x04iPXE"), (14, &[])]);
    server.ask(&through_relay(&rapid.bytes())).await;
    reporter.run(async {}).await;
    let records = store.state().bss.boot_records(&"x1000c0s0b0n0".parse().unwrap());
    let seen: Vec<Phase> = records[0].phases.iter().map(|seen| seen.phase()).collect();
    assert_eq!(seen, [Phase::Offered, Phase::Acknowledged]);
    let bmc = store.state().bss.boot_records(&"x1000c0s0b0".parse().unwrap());
    assert!(bmc.is_empty());
}
