//! A repeat is told from another request under the same number, and keys are kept for a day.

use model::Rejection;
use proto::raft::v1::{ClientSession, Entry};
use state::bounds::{IDEMPOTENCY_KEY_LAPSE_MS, IDEMPOTENCY_KEYS_MAX, SESSION_LAPSE_MS};
use state::{State, rejection};

use crate::create_components::{component, create};
use crate::support::{Log, entry, session};

/// A request to create the node in `slot`, with a digest of its own if `digest` is not 0.
fn request(log: &Log, slot: u64, session: ClientSession, digest: u8) -> Entry {
    let node = component(&format!("x0c0s{slot}b0n0"));
    let mut request = entry(log.next_index(), log.now_ms, session, create(vec![node]));
    let header = request.header.as_mut().unwrap();
    header.request_digest = if digest == 0 { Vec::new() } else { vec![digest; 16] };
    request
}

fn keyed(mut request: Entry) -> Entry {
    request.header.as_mut().unwrap().keyed = true;
    request
}

fn at(log: &Log, mut request: Entry) -> Entry {
    request.header.as_mut().unwrap().proposed_at_ms = log.now_ms;
    request
}

fn refusal(log: &mut Log, entry: &Entry) -> Option<Rejection> {
    rejection(&log.apply_entry(entry).outcome)
}

fn nodes(log: &Log) -> usize {
    log.state.smd.components().count()
}

/// A client that mixes up its numbers must not be told that something was done which never was.
#[test]
fn another_request_under_a_number_is_refused_and_the_first_is_still_known() {
    let mut log = Log::new();
    let first = request(&log, 0, session(1, 1, 1), 7);
    let done = log.apply_entry(&first);
    let other = request(&log, 1, session(1, 1, 1), 8);
    assert_eq!(refusal(&mut log, &other), Some(Rejection::RequestDiffers));
    assert_eq!(nodes(&log), 1);
    let again = log.apply_entry(&first);
    assert!(again.replayed);
    assert_eq!(again.outcome, done.outcome);
}

/// A member's own retries have no digest, nor have those of a version that knew none.
#[test]
fn a_request_without_a_digest_is_believed() {
    for (one, other) in [(0, 7), (7, 0), (0, 0), (7, 7)] {
        let mut log = Log::new();
        let first = request(&log, 0, session(1, 1, 1), one);
        log.apply_entry(&first);
        let again = request(&log, 0, session(1, 1, 1), other);
        assert!(log.apply_entry(&again).replayed, "{one} {other}");
    }
}

#[test]
fn a_digest_of_another_length_is_refused() {
    let mut log = Log::new();
    let mut request = request(&log, 0, session(1, 1, 1), 7);
    request.header.as_mut().unwrap().request_digest.push(7);
    let refused = refusal(&mut log, &request);
    assert!(
        matches!(&refused, Some(Rejection::Invalid { field, .. }) if field == "header.request_digest"),
        "{refused:?}"
    );
}

/// Nobody repeats a request with a key after a day, and a session is over after an hour.
#[test]
fn a_key_is_kept_for_a_day() {
    let mut log = Log::new();
    let of_key = keyed(request(&log, 0, session(1, 1, 1), 7));
    log.apply_entry(&of_key);
    log.apply_entry(&request(&log, 1, session(2, 1, 1), 7));
    log.now_ms += SESSION_LAPSE_MS;
    let tick = request(&log, 2, session(3, 1, 1), 0);
    let mut tick = tick;
    tick.header
        .as_mut()
        .unwrap()
        .session
        .as_mut()
        .unwrap()
        .opened_at_ms = log.now_ms;
    log.apply_entry(&tick);
    log.now_ms += IDEMPOTENCY_KEY_LAPSE_MS - SESSION_LAPSE_MS - 1;
    let late = at(&log, of_key.clone());
    assert!(
        log.apply_entry(&late).replayed,
        "a moment before the end of its day"
    );
    log.now_ms += 1;
    let too_late = at(&log, of_key.clone());
    assert_eq!(
        refusal(&mut log, &too_late),
        Some(Rejection::SessionExpired),
        "it says when it was opened"
    );
    let mut anew = at(&log, of_key);
    anew.header
        .as_mut()
        .unwrap()
        .session
        .as_mut()
        .unwrap()
        .opened_at_ms = log.now_ms;
    assert!(!log.apply_entry(&anew).replayed, "the key means nothing any more");
    assert_eq!(nodes(&log), 3);
}

/// Whoever sends a key with every request must not take the sessions of members and clients away.
#[test]
fn keys_are_bounded_and_counted_apart() {
    let mut state = State::new();
    let log = Log::new();
    let with_id = |n: u64, mut request: Entry| {
        let mut id = vec![1; 16];
        id[..8].copy_from_slice(&n.to_be_bytes());
        request
            .header
            .as_mut()
            .unwrap()
            .session
            .as_mut()
            .unwrap()
            .client_id = id;
        request
    };
    let one = keyed(request(&log, 0, session(1, 1, 1), 7));
    let max = IDEMPOTENCY_KEYS_MAX as u64;
    for n in 1..=max {
        let applied = state.apply(n, &with_id(n, one.clone()));
        assert!(
            !matches!(rejection(&applied.outcome), Some(Rejection::Conflict { .. })),
            "{n}"
        );
    }
    let refused = state.apply(max + 1, &with_id(max + 1, one.clone()));
    let refused = rejection(&refused.outcome);
    assert!(matches!(refused, Some(Rejection::Conflict { .. })), "{refused:?}");
    let known = state.apply(max + 2, &with_id(max, one));
    assert!(known.replayed, "those that are known are answered");
    let client = state.apply(max + 3, &request(&log, 9, session(2, 1, 1), 0));
    assert_eq!(rejection(&client.outcome), None, "a session is no key");
}
