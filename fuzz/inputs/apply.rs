//! A log: entries, each behind two bytes of length, applied one after the other.

use proto::raft::v1::{ClientSession, Entry, Header};
use state::cluster::FEATURE_LEVEL_KNOWN;
use state::{RowKey, RowKind, State};

/// Entries of one log: what comes after them is not read.
const ENTRIES_MAX: u64 = 32;
/// Log time of the first entry, 2025-11-25; each comes a minute after the one before.
const START_MS: u64 = 1_764_056_144_123;
const STEP_MS: u64 = 60_000;

/// One input; panics where `apply` breaks a rule of its own.
pub(crate) fn run(input: &[u8]) {
    let mut state = State::at_level(FEATURE_LEVEL_KNOWN);
    let mut rest = input;
    let mut index = 0;
    while let [high, low, more @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(more.len());
        let (bytes, after) = more.split_at(length);
        rest = after;
        let Ok(entry) = state::decode_exact(bytes) else {
            continue;
        };
        index += 1;
        apply(&mut state, index, &with_header(entry, index));
        if index == ENTRIES_MAX {
            return;
        }
    }
}

/// An entry with a session of its own is left as it is; one without is a new request, as a leader would have stamped it.
fn with_header(entry: Entry, index: u64) -> Entry {
    let given = entry.header.clone().unwrap_or_default();
    if given.session.is_some() {
        return entry;
    }
    let now_ms = START_MS + index * STEP_MS;
    let session = ClientSession {
        client_id: vec![7; 16],
        seq: index,
        ack_below: index,
        opened_at_ms: now_ms,
    };
    let header = Header {
        session: Some(session),
        proposed_at_ms: now_ms,
        random: vec![index as u8; 16],
        ..given
    };
    Entry {
        header: Some(header),
        ..entry
    }
}

/// The rules: the same entry gives the same outcome and state; a "no" and a repeat touch nothing but bookkeeping; events are
/// of rows that changed; the rows alone are the state again.
fn apply(state: &mut State, index: u64, entry: &Entry) {
    let before = state.clone();
    let mut twin = state.clone();
    let applied = state.apply(index, entry);
    let again = twin.apply(index, entry);
    assert_eq!(
        applied.outcome, again.outcome,
        "two members, two outcomes: {entry:?}"
    );
    assert_eq!(
        state.digest(),
        twin.digest(),
        "two members, two states: {entry:?}"
    );
    assert_eq!(before.applied_index() + 1, state.applied_index());
    assert!(applied.changed.is_sorted());
    let is_bookkeeping = |key: &RowKey| matches!(key.kind(), RowKind::Header | RowKind::Session);
    if state::rejection(&applied.outcome).is_some() || applied.replayed {
        assert!(
            applied.changed.iter().all(is_bookkeeping),
            "a no changed something: {applied:?}"
        );
        assert!(applied.events.is_empty(), "a no was told: {applied:?}");
    }
    for key in before
        .rows()
        .chain(state.rows())
        .map(|row| RowKey::of(&row).expect("a row has a key"))
    {
        let is_same = before.row(&key) == state.row(&key);
        assert!(
            is_same || applied.changed.contains(&key),
            "{key:?} changed and was not reported: {applied:?}"
        );
    }
    for event in &applied.events {
        assert!(
            applied.changed.contains(event.key()),
            "{event:?} is of no changed row"
        );
    }
    let restored = State::from_rows(state.rows()).expect("what apply writes can be read");
    assert_eq!(
        restored.digest(),
        state.digest(),
        "the rows are another state after {entry:?}"
    );
}
