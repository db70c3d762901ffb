//! Clients that SMD does not know, over real sockets: from the first DHCPDISCOVER to the lease in the log.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use dhcp::{Count, Responder};
use model::MacAddr;
use proto::dhcp::v1::dhcp_lease::State as LeaseState;
use raft::Store;

use crate::UNHEARD;
use crate::running::{PATIENCE, Running, SERVER, option, relayed, with_info};
use crate::testing::{self, RawPacket};

const A: MacAddr = MacAddr([2, 9, 9, 9, 9, 1]);
const B: MacAddr = MacAddr([2, 9, 9, 9, 9, 2]);
const OFFER: u8 = 2;
const ACK: u8 = 5;
const NAK: u8 = 6;

fn x(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 97, 200, last)
}

async fn world() -> Store {
    let store = testing::world(127, 97).await;
    testing::put_subnet(&store, testing::with_pool(127, 97)).await;
    store
}

async fn start(store: &Store) -> Running {
    Running::start_with(store.clone(), || Responder::Own).await
}

fn message(message_type: u8, mac: MacAddr) -> RawPacket {
    with_info(RawPacket {
        mac,
        ..relayed(message_type)
    })
}

fn selecting(mac: MacAddr, address: Ipv4Addr) -> RawPacket {
    message(3, mac).options(&[(54, &SERVER.octets()), (50, &address.octets())])
}

fn renewing(mac: MacAddr, ciaddr: Ipv4Addr) -> RawPacket {
    RawPacket {
        ciaddr,
        ..message(3, mac)
    }
}

fn kind(answer: &[u8]) -> u8 {
    option(answer, 53).unwrap()[0]
}

fn yiaddr(answer: &[u8]) -> Ipv4Addr {
    Ipv4Addr::new(answer[16], answer[17], answer[18], answer[19])
}

fn lease_time(answer: &[u8]) -> u32 {
    u32::from_be_bytes(option(answer, 51).unwrap().try_into().unwrap())
}

/// coresmd refuses the first DHCPREQUEST of every unknown client.
#[tokio::test]
async fn a_stranger_has_its_address_at_the_first_request_and_the_log_has_the_lease() {
    let store = world().await;
    let server = start(&store).await;
    let offer = server.ask(&message(1, A)).await;
    assert_eq!((kind(&offer), store.state().dhcp.leases().count()), (OFFER, 0));
    let address = yiaddr(&offer);
    let ack = server.ask(&selecting(A, address)).await;
    assert_eq!((kind(&ack), yiaddr(&ack)), (ACK, address));
    assert!((295..=300).contains(&lease_time(&ack)), "{}", lease_time(&ack));
    let lease = store.state().dhcp.lease(address).unwrap();
    assert_eq!(
        (lease.mac.clone(), lease.state()),
        (A.to_string(), LeaseState::Bound)
    );
    let again = server.ask(&renewing(A, address)).await;
    assert_eq!((kind(&again), yiaddr(&again)), (ACK, address));
    let same = store.state().dhcp.lease(address).unwrap();
    assert_eq!(same, lease, "more than half is left: nothing is written");
}

#[tokio::test]
async fn a_crowd_of_strangers_has_an_address_each_and_who_finds_none_left_hears_nothing() {
    const POOL: usize = 100;
    let store = world().await;
    let server = start(&store).await;
    let mac = |n: usize| MacAddr([2, 9, 9, 9, 8, u8::try_from(n).unwrap()]);
    let mut addresses = BTreeSet::new();
    for n in 0..POOL {
        addresses.insert(yiaddr(&server.ask(&message(1, mac(n))).await));
    }
    assert_eq!(
        addresses.len(),
        POOL,
        "what was offered a moment ago is offered to nobody else"
    );
    server.ignores(&message(1, A).bytes(), Count::PoolFull).await;
    for (n, address) in addresses.iter().enumerate() {
        // whoever was offered it: the log decides
        server.send(&selecting(mac(n), *address).bytes()).await;
    }
    let mut acknowledged = BTreeSet::new();
    for _ in 0..POOL {
        let ack = server.receive().await;
        assert_eq!(kind(&ack), ACK);
        acknowledged.insert(yiaddr(&ack));
    }
    assert_eq!(acknowledged, addresses);
    server.counted(Count::Panicked, 0).await;
}

/// Two members have offered one address to two clients.
#[tokio::test]
async fn of_two_that_ask_two_members_for_one_address_one_is_refused() {
    let store = world().await;
    let (first, second) = (start(&store).await, start(&store).await);
    for n in 1..=20 {
        let mac = |side| MacAddr([2, 9, 9, 9, side, n]);
        first.send(&selecting(mac(1), x(n)).bytes()).await;
        second.send(&selecting(mac(2), x(n)).bytes()).await;
        let kinds = BTreeSet::from([kind(&first.receive().await), kind(&second.receive().await)]);
        assert_eq!(kinds, BTreeSet::from([ACK, NAK]), "{n}");
    }
    assert_eq!(store.state().dhcp.leases().count(), 20);
}

/// What is committed holds, nothing is added to it, and nobody is refused.
#[tokio::test]
async fn without_a_majority_leases_are_answered_and_nothing_new_is_given() {
    let store = world().await;
    testing::bind(&store, x(7), A).await;
    let cut_off = Store::in_memory_without_majority(store.state().as_ref().clone());
    let server = start(&cut_off).await;
    let ack = server.ask(&renewing(A, x(7))).await;
    assert_eq!((kind(&ack), yiaddr(&ack)), (ACK, x(7)));
    assert!(lease_time(&ack) <= 300);
    server
        .ignores(&selecting(B, x(8)).bytes(), Count::NoMajority)
        .await;
    server
        .ignores(&selecting(B, x(7)).bytes(), Count::NoMajority)
        .await;
    server
        .ignores(&renewing(A, x(9)).bytes(), Count::NoMajority)
        .await;
    server.assert_silent();
}

#[tokio::test]
async fn an_address_that_was_declined_is_offered_to_nobody() {
    let store = world().await;
    let server = start(&store).await;
    let address = yiaddr(&server.ask(&message(1, A)).await);
    server.ask(&selecting(A, address)).await;
    let decline = message(4, A).options(&[(54, &SERVER.octets()), (50, &address.octets())]);
    server.ignores(&decline.bytes(), Count::LeaseDeclined).await;
    server.assert_silent();
    assert_eq!(
        store.state().dhcp.lease(address).unwrap().state(),
        LeaseState::Declined
    );
    for mac in [A, B] {
        let wish = message(1, mac).options(&[(50, &address.octets())]);
        assert_ne!(yiaddr(&server.ask(&wish).await), address);
    }
}

#[tokio::test]
async fn an_address_that_was_given_back_is_kept_for_its_client() {
    let store = world().await;
    let server = start(&store).await;
    let address = yiaddr(&server.ask(&message(1, A)).await);
    server.ask(&selecting(A, address)).await;
    let release = RawPacket {
        ciaddr: address,
        ..message(7, A).options(&[(54, &SERVER.octets())])
    };
    server.ignores(&release.bytes(), Count::LeaseReleased).await;
    server.assert_silent();
    let wish = message(1, B).options(&[(50, &address.octets())]);
    assert_ne!(
        yiaddr(&server.ask(&wish).await),
        address,
        "its lease has not ended"
    );
    assert_eq!(yiaddr(&server.ask(&message(1, A)).await), address);
}

/// Who chose another server lets the address go, for others at once.
#[tokio::test]
async fn an_offer_ends_when_its_client_chooses_another_server() {
    let store = world().await;
    let server = start(&store).await;
    let address = yiaddr(&server.ask(&message(1, A)).await);
    let wish = message(1, B).options(&[(50, &address.octets())]);
    assert_ne!(yiaddr(&server.ask(&wish).await), address);
    let elsewhere = message(3, A).options(&[(54, &[127, 97, 0, 66]), (50, &address.octets())]);
    server.ignores(&elsewhere.bytes(), Count::OtherServer).await;
    server.assert_silent();
    assert_eq!(yiaddr(&server.ask(&wish).await), address);
}

#[tokio::test]
async fn a_stranger_is_news_and_moves_to_its_reservation_when_smd_knows_it() {
    let store = world().await;
    let server = start(&store).await;
    let address = yiaddr(&server.ask(&message(1, A)).await);
    server.ask(&selecting(A, address)).await;
    let told = async {
        while store.state().dhcp.unknown_client(&A).is_none() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, told).await.unwrap();
    testing::put_interface(&store, A, "x1000c0s0b0n7", vec!["127.97.7.7".into()]).await;
    assert!(store.state().dhcp.unknown_client(&A).is_none());
    assert_eq!(kind(&server.ask(&renewing(A, address)).await), NAK);
    assert_eq!(
        yiaddr(&server.ask(&message(1, A)).await),
        Ipv4Addr::new(127, 97, 7, 7)
    );
}

/// Members that do not answer keep still about strangers, too.
#[tokio::test]
async fn who_does_not_answer_tells_nobody_of_strangers() {
    let store = testing::world(127, 97).await;
    let server = Running::start_with(store.clone(), || UNHEARD).await;
    server.ignores(&message(1, A).bytes(), Count::UnknownMac).await;
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(store.state().dhcp.unknown_clients().count(), 0);
}
