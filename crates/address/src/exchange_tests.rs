//! Two members' exchanges over real UDP on loopback.

use super::*;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

const BOUND: Duration = Duration::from_secs(10);

fn connection(port: u16) -> Connection {
    Connection {
        client: SocketAddrV4::new(Ipv4Addr::new(10, 97, 2, 1), port),
        port: 80,
    }
}

/// Two members of one network.
async fn pair() -> [Exchange; 2] {
    let sockets = [
        UdpSocket::bind("127.0.0.1:0").await.unwrap(),
        UdpSocket::bind("127.0.0.1:0").await.unwrap(),
    ];
    for socket in &sockets {
        socket.writable().await.unwrap(); // until then nothing can be sent without waiting
    }
    let addresses = [&sockets[0], &sockets[1]].map(|socket| socket.local_addr().unwrap());
    let mut member = 0;
    sockets.map(|socket| {
        member += 1;
        let peer = 3 - member;
        let voice = Voice {
            cluster: ClusterTag::of("test"),
            network: "boot".into(),
            member,
            peers: BTreeMap::from([(peer, addresses[usize::try_from(peer).unwrap() - 1])]),
            key: AdvertKey::new(&[7; 32]),
        };
        Exchange::new(voice, socket, 1000 * member, Arc::default())
    })
}

async fn hear(at: &mut Exchange) -> Option<HeardAdvert> {
    tokio::time::timeout(BOUND, at.hear()).await.expect("in time")
}

/// Each has heard the other: from here on both believe.
async fn acquainted() -> [Exchange; 2] {
    let [mut one, mut two] = pair().await;
    one.advertise(true, false);
    hear(&mut two).await;
    two.advertise(false, false);
    hear(&mut one).await;
    one.advertise(true, false);
    let advert = hear(&mut two).await;
    assert_eq!(
        advert,
        Some(HeardAdvert {
            from: 1,
            holds: true,
            answers: false
        })
    );
    [one, two]
}

#[tokio::test]
async fn a_successor_knows_the_open_connections_of_the_holder() {
    let [mut holder, mut other] = acquainted().await;
    let many: BTreeMap<_, _> = (0..1000).map(|port| (connection(port), true)).collect();
    holder.tell(&many);
    for _ in 0..1000_usize.div_ceil(CONNECTIONS_PER_DATAGRAM_MAX) {
        assert_eq!(hear(&mut other).await, None);
    }
    let mut known = other.take_known();
    known.sort();
    assert_eq!(known, many.into_keys().collect::<Vec<_>>());
}

/// What says nothing about this life of the sender is not noted, be it authentic.
#[tokio::test]
async fn replayed_and_unanswered_news_are_not_noted() {
    let [mut holder, mut other] = pair().await;
    let one = BTreeMap::from([(connection(1), true)]);
    holder.tell(&one);
    hear(&mut other).await;
    assert_eq!(other.take_known(), [], "nothing proves that it is new");

    let [holder, mut other] = acquainted().await;
    let mut news = ClientNews {
        head: Head {
            cluster: holder.voice.cluster,
            network: "boot".into(),
            from: 1,
            to: 2,
            sequence: 2000,
            heard: 2000,
        },
        open: vec![connection(1)],
        ended: vec![],
    };
    let (key, to) = (&holder.voice.key, holder.voice.peers[&2]);
    for expected in [1, 0] {
        holder.send(&news.encode(key), to);
        hear(&mut other).await;
        assert_eq!(other.take_known().len(), expected, "the second is a replay");
    }
    news.head.sequence += 1;
    news.head.network = "bmc".into();
    holder.send(&news.encode(key), to);
    hear(&mut other).await;
    let counters = &other.counters; // stale: an introduction and a replay
    let counted = [&counters.stale, &counters.misdirected, &counters.forged];
    assert_eq!(counted.map(|counter| counter.load(Ordering::Relaxed)), [2, 1, 0]);
    holder.send(&news.encode(&AdvertKey::new(&[8; 32])), to);
    hear(&mut other).await;
    assert_eq!(other.counters.forged.load(Ordering::Relaxed), 1);
    assert_eq!(other.take_known(), []);
}
