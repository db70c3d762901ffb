//! Holders over real UDP on loopback, with the claim's wires in the test's hand instead of a helper.

use super::*;
use crate::advert::{Advert, ClusterTag};
use crate::client::Wanted;
use crate::responders::Responder;
use std::sync::atomic::Ordering;
use tokio::sync::watch;

const BOUND: Duration = Duration::from_secs(20);

/// The other ends of a [`ClaimPort`]: a helper that the test plays.
struct FakeHelper {
    wanted: watch::Receiver<Wanted>,
    state: watch::Sender<ClaimState>,
}

impl FakeHelper {
    fn new() -> (FakeHelper, ClaimPort) {
        let (wanted_tx, wanted) = watch::channel(Wanted::default());
        let (state, state_rx) = watch::channel(ClaimState::Idle);
        (
            FakeHelper { wanted, state },
            ClaimPort {
                wanted: wanted_tx,
                state: state_rx,
            },
        )
    }

    async fn wait_wanted(&mut self, wanted: bool) {
        timeout(BOUND, self.wanted.wait_for(|now| now.claim == wanted))
            .await
            .expect("in time")
            .unwrap();
    }

    fn confirm(&self, life: Duration) {
        self.state.send_replace(ClaimState::Held {
            until: Instant::now() + life,
        });
    }

    fn lose(&self) {
        self.state.send_replace(ClaimState::Lost {
            reason: "the test says so".into(),
        });
    }

    /// Grants whatever is wanted, in the background.
    fn obliging() -> ClaimPort {
        let (mut helper, port) = FakeHelper::new();
        tokio::spawn(async move {
            while helper.wanted.changed().await.is_ok() {
                if helper.wanted.borrow_and_update().claim {
                    helper.confirm(Duration::from_secs(600));
                } else {
                    helper.state.send_replace(ClaimState::Idle);
                }
            }
        });
        port
    }
}

async fn sockets(count: usize) -> (Vec<UdpSocket>, BTreeMap<u64, SocketAddr>) {
    let mut sockets = Vec::new();
    let mut peers = BTreeMap::new();
    for id in 1..=count as u64 {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        peers.insert(id, socket.local_addr().unwrap());
        sockets.push(socket);
    }
    (sockets, peers)
}

fn config(member: u64, peers: &BTreeMap<u64, SocketAddr>) -> HolderConfig {
    HolderConfig {
        cluster: "test".into(),
        network: "boot".into(),
        member,
        peers: peers.clone(),
        key: AdvertKey::new(&[7; 32]),
        timing: Timing::default(),
        initial_sequence: 1_000_000 * member,
        service: "lo=10.97.0.1".parse().unwrap(),
        answers: Answers::when(|| true),
    }
}

/// Waits until `count` of `holders` hold, and returns their places.
async fn holding(holders: &[Holder], count: usize) -> Vec<usize> {
    let settled = async {
        loop {
            let held: Vec<usize> = (0..holders.len())
                .filter(|i| holders[*i].held.is_held())
                .collect();
            if held.len() == count {
                return held;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(BOUND, settled).await.expect("holders settle in time")
}

#[tokio::test]
async fn one_of_three_holds_and_another_follows_when_it_is_gone() {
    let (sockets, peers) = sockets(3).await;
    let mut holders: Vec<Holder> = sockets
        .into_iter()
        .zip(1..)
        .map(|(socket, id)| Holder::start(config(id, &peers), socket, FakeHelper::obliging()).unwrap())
        .collect();
    let first = holding(&holders, 1).await[0];
    drop(holders.remove(first));
    holding(&holders, 1).await;
    assert!(
        holders[0].counters().accepted.load(Ordering::Relaxed) > 0,
        "they listen to each other"
    );
}

/// The helper of the survivor never grants the address, so only its standing in can be seen.
#[tokio::test]
async fn a_survivor_stands_in_before_it_has_the_address() {
    let (sockets, peers) = sockets(2).await;
    let mut sockets = sockets.into_iter();
    let first = Holder::start(config(1, &peers), sockets.next().unwrap(), FakeHelper::obliging()).unwrap();
    holding(std::slice::from_ref(&first), 1).await;
    let (_helper, port) = FakeHelper::new();
    let second = Holder::start(config(2, &peers), sockets.next().unwrap(), port).unwrap();
    let held = second.held();
    let started = Instant::now();
    let until = async |what: &str, condition: &dyn Fn() -> bool| {
        let reached = async {
            while !condition() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(BOUND, reached).await.expect(what);
    };
    let later = started + Duration::from_millis(600);
    let is_heard =
        |responder| matches!(responder, Responder::Other { member: Some(1), heard: Some(at) } if at > later);
    until("the holder is heard, and does not stand in", &|| {
        is_heard(held.responder())
    })
    .await;
    // each of them answers half of the clients
    let of = |client: u8| held.responder_of([2, 0, 0, 0, 0, client]);
    let clients = |wanted: fn(Responder) -> bool| (0..=255).filter(|client| wanted(of(*client))).count();
    let shared = clients(|responder| responder == Responder::Own);
    assert!((64..192).contains(&shared), "{shared}");
    assert_eq!(clients(|responder| responder == Responder::StandIn), 0);
    drop(first);
    until("the survivor stands in", &|| {
        held.responder() == Responder::StandIn
    })
    .await;
    assert!(!held.is_held());
    let of_others = clients(|responder| matches!(responder, Responder::Other { .. }));
    assert_eq!(of_others, 0, "it answers the other's clients too");
}

/// A drain hands over without the silence of a death, and the leaver has released before `leave` returns.
#[tokio::test]
async fn a_leaving_holder_has_released_when_it_returns() {
    let (sockets, peers) = sockets(2).await;
    let mut holders: Vec<Holder> = sockets
        .into_iter()
        .zip(1..)
        .map(|(socket, id)| Holder::start(config(id, &peers), socket, FakeHelper::obliging()).unwrap())
        .collect();
    let first = holders.remove(holding(&holders, 1).await[0]);
    let held = first.held();
    first.leave().await;
    assert!(!held.is_held());
    holding(&holders, 1).await;
}

/// "Holding" needs both: the election's word and the helper's.
#[tokio::test]
async fn nothing_is_held_before_the_helper_confirms_and_after_it_stops() {
    let (mut sockets, peers) = sockets(1).await;
    let (mut helper, port) = FakeHelper::new();
    let holder = Holder::start(config(1, &peers), sockets.remove(0), port).unwrap();
    let held = holder.held();
    helper.wait_wanted(true).await;
    assert!(!held.is_held(), "wanted is not held");
    helper.confirm(Duration::from_secs(600));
    timeout(BOUND, held.held()).await.expect("in time").unwrap();
    let mut edge = held.watch();
    helper.lose();
    timeout(BOUND, edge.wait_for(|held| !*held))
        .await
        .expect("told at once")
        .unwrap();
    assert!(!held.is_held());
    helper.wait_wanted(false).await;
    helper.wait_wanted(true).await; // after the bar it tries again
}

/// No renewal, no word from anyone: the end of the claim alone must turn the answer, and the watchers must hear.
#[tokio::test]
async fn a_claim_that_is_not_renewed_ends_and_watchers_are_told() {
    let (mut sockets, peers) = sockets(1).await;
    let (mut helper, port) = FakeHelper::new();
    let holder = Holder::start(config(1, &peers), sockets.remove(0), port).unwrap();
    helper.wait_wanted(true).await;
    helper.confirm(Duration::from_millis(300));
    let held = holder.held();
    timeout(BOUND, held.held()).await.expect("in time").unwrap();
    timeout(BOUND, held.watch().wait_for(|held| !*held))
        .await
        .expect("in time")
        .unwrap();
}

/// Strangers' datagrams are counted by reason and change nothing: the lone member still takes the address.
#[tokio::test]
async fn strangers_are_counted_and_change_nothing() {
    let (mut sockets, mut peers) = sockets(1).await;
    let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    peers.insert(2, stranger.local_addr().unwrap());
    let to = peers[&1];
    let holder = Holder::start(config(1, &peers), sockets.remove(0), FakeHelper::obliging()).unwrap();
    let counters = holder.counters();
    let advert = Advert {
        cluster: ClusterTag::of("test"),
        network: "boot".into(),
        from: 2,
        to: 1,
        sequence: 1,
        heard: 0,
        holds: true,
        answers: true,
    };
    let key = AdvertKey::new(&[7; 32]);
    let sent = [
        vec![0; 2000],
        b"hello".to_vec(),
        advert.encode(&AdvertKey::new(&[8; 32])),
        Advert {
            to: 3,
            ..advert.clone()
        }
        .encode(&key),
        Advert {
            network: "bmc".into(),
            ..advert.clone()
        }
        .encode(&key),
        Advert {
            cluster: ClusterTag::of("other"),
            ..advert.clone()
        }
        .encode(&key),
        advert.encode(&key), // authentic, but recorded from another life
        advert.encode(&key),
    ];
    for bytes in &sent {
        stranger.send_to(bytes, to).await.unwrap();
    }
    let all = || {
        [
            &counters.malformed,
            &counters.forged,
            &counters.misdirected,
            &counters.stale,
        ]
        .map(|c| c.load(Ordering::Relaxed))
    };
    let counted = async {
        while all().iter().sum::<u64>() < sent.len() as u64 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(BOUND, counted).await.expect("all are counted");
    assert_eq!(all(), [2, 1, 3, 2]);
    holding(&[holder], 1).await;
    assert_eq!(counters.accepted.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_name_that_fits_no_advert_is_refused_at_start() {
    let (mut sockets, peers) = sockets(1).await;
    let config = HolderConfig {
        network: "n".repeat(65),
        ..config(1, &peers)
    };
    let error = Holder::start(config, sockets.remove(0), FakeHelper::obliging()).unwrap_err();
    assert!(error.to_string().contains("[[network]]"), "{error}");
}
