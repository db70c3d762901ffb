//! An address that was another node's: it is given to nobody else before that one's lifetime has ended everywhere.

use dhcp::CLOCK_MARGIN_MS;
use proto::dhcp::v1::dhcp_command::{Change, ConfirmHeldAddresses, DeleteHeldAddress};

use super::*;

const ADDRESS: &str = "fd00:97::2:1";
/// The lease time of the subnet, milliseconds.
const LIFETIME_MS: u64 = 4_000_000;
/// Later than anything ends.
const FAR: u64 = u64::MAX / 2;

/// `NODE`'s address is now another node's.
async fn moved(to: MacAddr) -> Store {
    let store = world().await;
    move_address(&store, NODE, to, ADDRESS).await;
    store
}

/// Every member has heard of all changes; gives the end of the hold.
async fn confirm(store: &Store) -> u64 {
    let through_revision = store.state().applied_index();
    let confirm = ConfirmHeldAddresses { through_revision };
    change_dhcp(store, Change::ConfirmHeldAddresses(confirm)).await;
    let held = store.state().dhcp.held(ADDRESS.parse().unwrap(), 0);
    held.unwrap().ends_at_ms
}

fn told(store: &Store, raw: &RawMessage, now_ms: u64) -> (String, Decision) {
    let arrival = Arrival::multicast(SOURCE.parse().unwrap());
    decided_at(store, &raw.bytes(), arrival, None, now_ms)
}

#[tokio::test]
async fn a_node_whose_address_was_anothers_waits_until_that_ones_lifetime_has_ended() {
    let store = moved(NODE_OF_IPV4).await;
    let questions = [(SOLICIT, "ADVERTISE"), (REQUEST, "REPLY")];
    for (kind, answer) in questions {
        let (text, decision) = told(&store, &message(kind, NODE_OF_IPV4, &[]), FAR);
        assert_eq!(text, format!("NO: {answer} NA7(0/0 NoAddrsAvail)"));
        assert!(matches!(decision, Decision::Refusal(reply, None) if reply.note == Some(Count::AddressHeld)));
    }
    let ends_at_ms = confirm(&store).await;
    assert_eq!(ends_at_ms, store.state().time_ms() + LIFETIME_MS);
    for (kind, answer) in questions {
        let raw = message(kind, NODE_OF_IPV4, &[]);
        let before = told(&store, &raw, ends_at_ms + CLOCK_MARGIN_MS - 1).0;
        assert_eq!(before, format!("NO: {answer} NA7(0/0 NoAddrsAvail)"));
        let (after, decision) = told(&store, &raw, ends_at_ms + CLOCK_MARGIN_MS);
        assert_eq!(after, format!("{answer} {GRANTED}"));
        assert!(matches!(decision, Decision::Reply(reply) if reply.note != Some(Count::AddressHeld)));
    }
}

#[tokio::test]
async fn a_held_address_is_neither_renewed_nor_confirmed() {
    let store = moved(NODE_OF_IPV4).await;
    for kind in [RENEW, REBIND] {
        let text = told(&store, &message(kind, NODE_OF_IPV4, &[ADDRESS]), FAR).0;
        assert_eq!(text, "NO: REPLY NA7(0/0 NoBinding)");
    }
    let text = told(&store, &message(CONFIRM, NODE_OF_IPV4, &[ADDRESS]), FAR).0;
    assert_eq!(text, "NO: REPLY NotOnLink");
    let asking = with_identifiers(INFORMATION_REQUEST, NODE_OF_IPV4);
    assert_eq!(
        told(&store, &asking, FAR).0,
        "REPLY",
        "that is no matter of addresses"
    );
}

#[tokio::test]
async fn a_node_has_its_other_addresses_meanwhile() {
    let store = moved(NODE_ON_TWO).await;
    let others = "NA7(1500/2400 fd00:97::2:2 3000/4000 fd00:9797::2:2 3000/4000)";
    let (text, decision) = told(&store, &message(SOLICIT, NODE_ON_TWO, &[]), FAR);
    assert_eq!(text, format!("ADVERTISE {others}"));
    assert!(matches!(decision, Decision::Reply(reply) if reply.note == Some(Count::AddressHeld)));
}

#[tokio::test]
async fn the_old_owner_is_told_that_its_address_has_ended_and_has_it_again_when_it_comes_back() {
    let store = moved(NODE_OF_IPV4).await;
    let renewing = message(RENEW, NODE, &[ADDRESS]);
    assert_eq!(told(&store, &renewing, FAR).0, "NO: REPLY NA7(0/0 NoBinding)");
    move_address(&store, NODE_OF_IPV4, NODE, ADDRESS).await;
    assert_eq!(told(&store, &renewing, FAR).0, format!("REPLY {GRANTED}"));
}

#[tokio::test]
async fn what_an_administrator_lets_go_of_is_given_at_once() {
    let store = moved(NODE_OF_IPV4).await;
    let let_go = DeleteHeldAddress {
        address: ADDRESS.to_owned(),
    };
    change_dhcp(&store, Change::DeleteHeldAddress(let_go)).await;
    let text = told(&store, &message(REQUEST, NODE_OF_IPV4, &[]), FAR).0;
    assert_eq!(text, format!("REPLY {GRANTED}"));
}
