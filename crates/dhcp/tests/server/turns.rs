//! Clients that another member should answer, and does not: they say so by `secs`, or by asking again.

use dhcp::{Count, Responder};
use model::MacAddr;

use super::{Turns, a_living_holder};
use crate::running::{Running, relayed, with_info};
use crate::testing::{self, RawPacket};

/// A DHCPDISCOVER of an attempt of its own, whose client has been trying for so long.
fn trying_for(secs: u16, mac: MacAddr) -> Vec<u8> {
    let raw = RawPacket {
        mac,
        xid: 0x7000 + u32::from(secs),
        ..relayed(1)
    };
    let mut packet = with_info(raw).bytes();
    packet[8..10].copy_from_slice(&secs.to_be_bytes());
    packet
}

/// Firmware repeats itself after 4 s with another xid: without `secs` no repetition is seen.
#[tokio::test]
async fn who_has_tried_for_four_seconds_is_answered_by_a_member_whose_turn_it_is_not() {
    let server = Turns::new(a_living_holder()).server().await;
    let in_vain = [4, 5, 8, 255];
    for secs in in_vain {
        server.send(&trying_for(secs, testing::NODE)).await;
        assert_eq!(server.receive().await[16..20], [127, 97, 2, 1], "{secs} s");
    }
    server.counted(Count::Offers, in_vain.len() as u64).await;
    server.counted(Count::NotHolder, 0).await;
}

/// The last two are no seconds: some clients write them in the wrong order of bytes.
#[tokio::test]
async fn who_has_just_begun_is_left_to_the_member_whose_turn_it_is() {
    let server = Turns::new(a_living_holder()).server().await;
    for secs in [0, 1, 2, 3, 0x0100, 0x0400] {
        server
            .ignores(&trying_for(secs, testing::NODE), Count::NotHolder)
            .await;
    }
    server.assert_silent();
    server.counted(Count::Offers, 0).await;
}

/// Members share the clients: each hears the broadcasts of all, and answers its own at once.
#[tokio::test]
async fn another_members_client_is_answered_when_it_asks_again() {
    let others = testing::NODE_ON_TWO;
    let turn = move |client: MacAddr| match client == others {
        true => a_living_holder(),
        false => Responder::Own,
    };
    let server = Running::start_sharing(testing::world(127, 97).await, turn).await;
    let own = with_info(relayed(1));
    assert_eq!(server.ask(&own).await[16..20], [127, 97, 2, 1]);

    let first = with_info(RawPacket {
        mac: others,
        ..relayed(1)
    });
    let another_attempt = RawPacket {
        xid: 7,
        ..first.clone()
    };
    for discover in [&first, &another_attempt] {
        server.ignores(&discover.bytes(), Count::NotHolder).await;
    }
    server.ignores(&trying_for(3, others), Count::NotHolder).await;
    server.assert_silent();
    for discover in [first.bytes(), another_attempt.bytes(), trying_for(4, others)] {
        server.send(&discover).await;
        assert_eq!(server.receive().await[16..20], [127, 97, 2, 2]);
    }
    server.counted(Count::Offers, 4).await;
}
