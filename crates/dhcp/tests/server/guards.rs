//! The limits of a client, over a real socket.

use dhcp::{Count, Limits, Mode, Rules};
use model::MacAddr;

use crate::running::{Running, relayed, with_info};
use crate::testing::{self, RawPacket};

const LIMITS: Limits = Limits {
    packets_per_s: 1,
    packets_burst: 10,
    strangers_per_s: 5,
};

/// One client asks without end, and another one has its answer as ever.
#[tokio::test]
async fn a_client_that_asks_without_end_is_not_heard_and_the_next_one_is() {
    let rules = Rules {
        limits: LIMITS,
        ..Rules::default()
    };
    let server = Running::start_guarded(testing::world(127, 97).await, rules).await;
    let discover = with_info(relayed(1));
    for _ in 0..10 {
        server.ask(&discover).await;
    }
    server.ignores(&discover.bytes(), Count::TooManyPackets).await;
    let other = RawPacket {
        mac: testing::NODE_ON_TWO,
        ..discover
    };
    server.ask(&other).await;
}

#[tokio::test]
async fn invented_macs_are_dropped_before_anything_is_looked_up_for_them() {
    let rules = Rules {
        limits: LIMITS,
        ..Rules::default()
    };
    let server = Running::start_guarded(testing::world(127, 97).await, rules).await;
    let stranger = |n: u8| {
        let mac = MacAddr([2, 9, 9, 9, 9, n]);
        RawPacket { mac, ..relayed(1) }.bytes()
    };
    for n in 0..5 {
        server.ignores(&stranger(n), Count::UnknownMac).await;
    }
    server.ignores(&stranger(5), Count::TooManyStrangers).await;
    server.ask(&with_info(relayed(1))).await;
}

/// Nothing leaves, not even to a relay that asks for this server by its name.
#[tokio::test]
async fn an_observer_is_silent_to_everybody() {
    let rules = Rules {
        mode: Mode::Observe,
        ..Rules::default()
    };
    let store = testing::world(127, 97).await;
    testing::put_subnet(&store, testing::with_pool(127, 97)).await;
    let before = store.state().applied_index();
    let server = Running::start_guarded(store.clone(), rules).await;
    for message_type in [1, 3, 4, 7, 8] {
        let raw = with_info(relayed(message_type).options(&[(50, &[127, 97, 3, 3])]));
        server.ignores(&raw.bytes(), Count::Observed).await;
    }
    server.assert_silent();
    assert_eq!(store.state().applied_index(), before);
}
