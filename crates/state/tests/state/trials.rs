//! What a change would do: the same as it does, but for the state that it is asked of.

use proto::raft::v1::Header;
use state::{Object, rejection};

use crate::create_components::{component, create, with_nid};
use crate::support::{IntoCommand, Log};

const NODE: &str = "x0c0s0b0n0";
const OTHER: &str = "x0c0s1b0n0";

fn header(log: &Log) -> Header {
    Header {
        principal: "user/admin".into(),
        proposed_at_ms: log.now_ms,
        random: vec![7; 16],
        ..Header::default()
    }
}

#[test]
fn a_trial_says_what_the_change_does_and_leaves_no_trace() {
    let mut log = Log::latest();
    log.ok(create(vec![component(NODE)]));
    let digest = log.state.digest();
    let command = create(vec![component(NODE), component(OTHER)]).into_command();
    let mut copy = log.state.clone();
    let (outcome, events) = copy.try_out(&header(&log), &command);
    assert_eq!(log.state.digest(), digest);
    let applied = log.apply(command);
    assert_eq!((outcome, events), (applied.outcome, applied.events));
}

/// Two changes of one request are tried out one after the other.
#[test]
fn a_trial_goes_on_from_the_one_before() {
    let log = Log::latest();
    let mut copy = log.state.clone();
    let first = create(vec![with_nid(NODE, 7)]).into_command();
    assert_eq!(rejection(&copy.try_out(&header(&log), &first).0), None);
    let second = create(vec![with_nid(OTHER, 7)]).into_command();
    let (outcome, events) = copy.try_out(&header(&log), &second);
    assert!(rejection(&outcome).is_some_and(|no| no.to_string().contains(NODE)));
    assert_eq!(events, []);
    assert_eq!(copy.smd.component_by_nid(7).unwrap().id, NODE);
}

/// A session that is full, lapsed or that of another request says nothing about the change itself.
#[test]
fn a_trial_takes_no_place_in_a_session() {
    let mut log = Log::latest();
    log.ok(create(vec![component(NODE)]));
    let mut copy = log.state.clone();
    for slot in 0..10_000 {
        let command = create(vec![component(&format!("x1c0s{slot}b0n0"))]).into_command();
        let (outcome, events) = copy.try_out(&header(&log), &command);
        assert_eq!(rejection(&outcome), None, "{slot}");
        assert!(matches!(events[0].object(), Some(Object::Component(_))));
    }
}
