//! Exactly once.

use model::Rejection;
use proto::cluster::v1::cluster_command::SetFeatureLevel;
use proto::raft::v1::{ClientSession, Entry};
use proto::smd::v1::smd_command::DeleteComponents;
use state::bounds::{CLIENTS_MAX, NEW_SESSION_AGE_MS, OUTCOMES_PER_CLIENT_MAX, SESSION_LAPSE_MS};
use state::{RowKind, State, rejection};

use crate::create_components::{component, create};
use crate::support::{Log, START_MS, entry, session};

fn create_node(log: &Log, slot: u64, session: ClientSession) -> Entry {
    entry(
        log.next_index(),
        log.now_ms,
        session,
        create(vec![component(&format!("x0c0s{slot}b0n0"))]),
    )
}

fn refusal(log: &mut Log, entry: &Entry) -> Rejection {
    let outcome = log.apply_entry(entry).outcome;
    rejection(&outcome).unwrap_or_else(|| panic!("not refused: {outcome:?}"))
}

fn nodes(log: &Log) -> usize {
    log.state.smd.components().count()
}

/// The answer was lost, the client repeats, perhaps through another member: the log holds the request twice.
#[test]
fn a_repeat_changes_nothing_and_gets_the_same_outcome() {
    let mut log = Log::new();
    let request = create_node(&log, 0, session(1, 1, 0));
    let first = log.apply_entry(&request);
    log.apply_entry(&entry(
        2,
        log.now_ms,
        session(2, 1, 0),
        DeleteComponents {
            all: true,
            ids: vec![],
            ..Default::default()
        },
    ));
    let second = log.apply_entry(&request);
    assert!(!first.replayed && second.replayed);
    assert_eq!(second.outcome, first.outcome);
    assert_eq!(nodes(&log), 0, "the node is not created again");
    assert_eq!(
        second.changed.iter().map(|key| key.kind()).collect::<Vec<_>>(),
        [RowKind::Header]
    );
}

/// A "no" is an outcome too: what was refused must not be applied when it is repeated.
#[test]
fn a_rejection_is_remembered() {
    let mut log = Log::new();
    let delete = entry(
        1,
        log.now_ms,
        session(1, 1, 0),
        DeleteComponents {
            all: true,
            ids: vec![],
            ..Default::default()
        },
    );
    let first = log.apply_entry(&delete);
    let create = create_node(&log, 0, session(2, 1, 0));
    log.apply_entry(&create);
    assert_eq!(log.apply_entry(&delete).outcome, first.outcome);
    assert_eq!(nodes(&log), 1);
}

#[test]
fn requests_of_one_client_may_overtake_each_other() {
    let mut log = Log::new();
    for (slot, seq) in [(0, 3), (1, 1), (2, 2)] {
        let request = create_node(&log, slot, session(1, seq, 1));
        log.apply_entry(&request);
    }
    assert_eq!(nodes(&log), 3);
}

#[test]
fn clients_and_numbers_are_told_apart() {
    let mut log = Log::new();
    for (slot, session) in [
        (0, session(1, 1, 0)),
        (1, session(1, 2, 0)),
        (2, session(2, 1, 0)),
    ] {
        let request = create_node(&log, slot, session);
        assert!(!log.apply_entry(&request).replayed);
    }
    assert_eq!(nodes(&log), 3);
}

/// An acknowledged request has no stored outcome any more: whether it was applied cannot be told, so it never is.
#[test]
fn what_was_acknowledged_is_never_run_again() {
    let mut log = Log::new();
    let first = create_node(&log, 0, session(1, 1, 0));
    log.apply_entry(&first);
    let second = create_node(&log, 1, session(1, 2, 2));
    log.apply_entry(&second);
    log.apply_entry(&entry(
        3,
        log.now_ms,
        session(2, 1, 0),
        DeleteComponents {
            all: true,
            ids: vec![],
            ..Default::default()
        },
    ));
    assert_eq!(refusal(&mut log, &first), Rejection::SessionExpired);
    assert!(log.apply_entry(&second).replayed, "the other one is still known");
    assert_eq!(nodes(&log), 0);
    // A late message with an older acknowledgement does not bring the window back.
    let third = create_node(&log, 2, session(1, 3, 1));
    log.apply_entry(&third);
    assert_eq!(refusal(&mut log, &first), Rejection::SessionExpired);
}

#[test]
fn the_window_is_bounded_and_acknowledging_opens_it() {
    let mut log = Log::new();
    let max = OUTCOMES_PER_CLIENT_MAX as u64;
    let mut state = State::new();
    for seq in 1..=max {
        let request = create_node(&log, 0, session(1, seq, 0));
        assert_eq!(rejection(&state.apply(seq, &request).outcome), None);
    }
    let full = create_node(&log, 1, session(1, max + 1, 0));
    let refused = rejection(&state.apply(max + 1, &full).outcome).unwrap();
    assert!(
        matches!(&refused, Rejection::Invalid { field, .. } if field == "session.ack_below"),
        "{refused}"
    );
    let acknowledging = create_node(&log, 1, session(1, max + 1, 2));
    assert_eq!(
        rejection(&state.apply(max + 2, &acknowledging).outcome),
        None,
        "what was refused may be sent again"
    );
    log.state = state;
    assert_eq!(nodes(&log), 2);
}

/// Outcomes of bulk requests are large; a thousand of them per client would fill the memory of every member.
#[test]
fn the_window_is_bounded_in_bytes_too() {
    let mut state = State::new();
    let ids: Vec<_> = (0..60_000)
        .map(|n| component(&format!("x{}c0s{}b0n0", n / 100, n % 100)))
        .collect();
    let bulk = create(ids);
    let mut refused = None;
    for seq in 1..=12 {
        let request = entry(seq, START_MS, session(1, seq, 0), bulk.clone());
        refused = rejection(&state.apply(seq, &request).outcome).or(refused);
    }
    assert!(
        matches!(&refused, Some(Rejection::Invalid { field, .. }) if field == "session.ack_below"),
        "{refused:?}"
    );
}

/// A stranger who opens sessions cannot push those of others out: that would let their repeats run twice.
#[test]
fn a_client_too_many_is_refused_and_nobody_is_forgotten() {
    let mut state = State::new();
    let client = |number: u64| {
        let client_id = [number.to_be_bytes(), [0; 8]].concat();
        entry(
            number,
            START_MS,
            ClientSession {
                client_id,
                ..session(0, 1, 0)
            },
            SetFeatureLevel { level: 1 },
        )
    };
    let max = CLIENTS_MAX as u64;
    for number in 1..=max {
        assert_eq!(rejection(&state.apply(number, &client(number)).outcome), None);
    }
    let refused = rejection(&state.apply(max + 1, &client(max + 1)).outcome).unwrap();
    assert!(
        matches!(&refused, Rejection::Invalid { field, .. } if field == "session.client_id"),
        "{refused}"
    );
    assert!(state.apply(max + 2, &client(1)).replayed);
}

#[test]
fn an_idle_client_lapses_and_its_repeats_are_refused() {
    let mut log = Log::new();
    let first = create_node(&log, 0, session(1, 1, 0));
    log.apply_entry(&first);
    log.now_ms += SESSION_LAPSE_MS - 1;
    let other = create_node(
        &log,
        1,
        ClientSession {
            opened_at_ms: log.now_ms,
            ..session(2, 1, 0)
        },
    );
    log.apply_entry(&other);
    assert!(log.apply_entry(&first).replayed, "a millisecond is left");
    log.now_ms += 1;
    let other = create_node(&log, 2, session(2, 2, 0));
    let applied = log.apply_entry(&other);
    let lapsed = applied
        .changed
        .iter()
        .filter(|key| key.kind() == RowKind::Session)
        .count();
    assert_eq!(lapsed, 2, "client 1 left, client 2 was used");
    assert_eq!(refusal(&mut log, &first), Rejection::SessionExpired);
    assert_eq!(nodes(&log), 3);
}

/// Use keeps a session alive, a repeat does not.
#[test]
fn a_client_that_works_does_not_lapse() {
    let mut log = Log::new();
    for seq in 1..=4 {
        let request = create_node(&log, seq, session(1, seq, 0));
        log.apply_entry(&request);
        log.now_ms += SESSION_LAPSE_MS / 2;
    }
    assert_eq!(nodes(&log), 4);
}

/// A log whose members all know of the shorter time.
fn at_level_two() -> Log {
    let mut log = Log::new();
    log.ok(SetFeatureLevel { level: 2 });
    log
}

/// Members that know no other rule are among them: all go by the old one.
#[test]
fn below_level_two_an_unknown_client_is_new_for_an_hour() {
    let mut log = Log::new();
    log.now_ms += SESSION_LAPSE_MS - 1;
    let new = create_node(&log, 0, session(1, 1, 0));
    assert_eq!(rejection(&log.apply_entry(&new).outcome), None);
    log.now_ms += 1;
    let old = create_node(&log, 1, session(2, 1, 0));
    assert_eq!(refusal(&mut log, &old), Rejection::SessionExpired);
}

/// Its outcomes may have been dropped with a lapsed session of the same id.
#[test]
fn an_unknown_client_is_new_only_if_it_opened_lately() {
    let mut log = at_level_two();
    log.now_ms += NEW_SESSION_AGE_MS;
    let old = create_node(&log, 0, session(1, 1, 0));
    assert_eq!(refusal(&mut log, &old), Rejection::SessionExpired);
    let new = create_node(
        &log,
        0,
        ClientSession {
            opened_at_ms: START_MS + 1,
            ..session(1, 9, 9)
        },
    );
    assert_eq!(
        rejection(&log.apply_entry(&new).outcome),
        None,
        "any seq may come first"
    );
}

/// The second member that is asked reckons the opening later than the first: the session has lapsed, the request is not new.
#[test]
fn members_that_disagree_on_when_a_session_was_opened_make_no_request_twice() {
    let mut log = at_level_two();
    let first = create_node(&log, 0, session(1, 1, 0));
    log.apply_entry(&first);
    log.now_ms += SESSION_LAPSE_MS;
    let later = create_node(
        &log,
        0,
        ClientSession {
            opened_at_ms: START_MS + NEW_SESSION_AGE_MS,
            ..session(1, 1, 0)
        },
    );
    assert_eq!(refusal(&mut log, &later), Rejection::SessionExpired);
    assert_eq!(nodes(&log), 1);
}

/// A client from the future could outlive its session and then count as new.
#[test]
fn a_client_cannot_choose_when_it_lapses() {
    let mut log = Log::new();
    let ahead = |ms| ClientSession {
        opened_at_ms: START_MS + ms,
        ..session(1, 1, 0)
    };
    let far = create_node(&log, 0, ahead(SESSION_LAPSE_MS + 1));
    assert!(
        matches!(refusal(&mut log, &far), Rejection::Invalid { field, .. } if field == "session.opened_at_ms")
    );
    let near = create_node(&log, 0, ahead(SESSION_LAPSE_MS));
    log.apply_entry(&near);
    log.now_ms += 2 * SESSION_LAPSE_MS - 1;
    let other = create_node(
        &log,
        1,
        ClientSession {
            opened_at_ms: log.now_ms,
            ..session(2, 1, 0)
        },
    );
    log.apply_entry(&other);
    assert!(log.apply_entry(&near).replayed);
    log.now_ms += 1;
    let other = create_node(
        &log,
        2,
        ClientSession {
            opened_at_ms: log.now_ms,
            ..session(2, 2, 0)
        },
    );
    log.apply_entry(&other);
    assert_eq!(refusal(&mut log, &near), Rejection::SessionExpired);
}

#[test]
fn an_entry_that_names_no_request_is_refused_and_leaves_no_session() {
    let mut log = Log::new();
    let good = || session(1, 1, 0);
    let cases = [
        (None, "header.session"),
        (
            Some(ClientSession {
                client_id: vec![1; 15],
                ..good()
            }),
            "session.client_id",
        ),
        (Some(ClientSession { seq: 0, ..good() }), "session.seq"),
        (
            Some(ClientSession {
                ack_below: 2,
                ..good()
            }),
            "session.seq",
        ),
    ];
    for (session, name) in cases {
        let mut request = create_node(&log, 0, good());
        request.header.as_mut().unwrap().session = session;
        let refused = refusal(&mut log, &request);
        assert!(
            matches!(&refused, Rejection::Invalid { field, .. } if field == name),
            "{refused}"
        );
    }
    assert_eq!(log.state.rows().count(), 1, "only the header");
    assert!(matches!(
        refusal(&mut log, &Entry::default()),
        Rejection::Invalid { .. }
    ));
}

#[test]
fn an_entry_without_a_command_or_with_a_hostile_principal_is_refused() {
    let mut log = Log::new();
    let mut empty = create_node(&log, 0, session(1, 1, 0));
    empty.command = None;
    assert!(matches!(refusal(&mut log, &empty), Rejection::Invalid { field, .. } if field == "command"));
    let mut hostile = create_node(&log, 0, session(1, 2, 0));
    hostile.header.as_mut().unwrap().principal = "user/admin\nroot".into();
    assert!(
        matches!(refusal(&mut log, &hostile), Rejection::Invalid { field, .. } if field == "header.principal")
    );
}
