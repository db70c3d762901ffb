//! What a change would do: the same as it does, but for the state that it is asked of.

use model::Rejection;
use proto::auth::v1::auth_command::DeleteRole;
use proto::cloud_init::v1::InstanceInfo;
use proto::cloud_init::v1::cloud_init_command::PutInstanceInfo;
use proto::raft::v1::Header;
use proto::raft::v1::entry::Command;
use proto::smd::v1::smd_command::{ComponentNid, SetNids};
use state::Object;

use crate::auth_support::{policy, put, put_role};
use crate::create_components::{component, create, with_nid};
use crate::support::{IntoCommand, Log};
use crate::{groups, profiles, subnets};

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
    assert_eq!((outcome, events), (Ok(applied.outcome), applied.events));
}

/// Two changes of one request are tried out one after the other.
#[test]
fn a_trial_goes_on_from_the_one_before() {
    let log = Log::latest();
    let mut copy = log.state.clone();
    let first = create(vec![with_nid(NODE, 7)]).into_command();
    assert!(copy.try_out(&header(&log), &first).0.is_ok());
    let second = create(vec![with_nid(OTHER, 7)]).into_command();
    let (outcome, events) = copy.try_out(&header(&log), &second);
    assert!(outcome.is_err_and(|no| no.to_string().contains(NODE)));
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
        assert!(outcome.is_ok(), "{slot}: {outcome:?}");
        assert!(matches!(events[0].object(), Some(Object::Component(_))));
    }
}

/// An info with which a node is called `login`.
fn login(node: &str) -> PutInstanceInfo {
    PutInstanceInfo {
        info: Some(InstanceInfo {
            id: node.into(),
            local_hostname: "login".into(),
            ..InstanceInfo::default()
        }),
        ..PutInstanceInfo::default()
    }
}

/// Whoever makes several objects learns from it what waits for what. In the log it is not: members of older versions write the same
/// outcome, byte by byte.
#[test]
fn a_trial_alone_says_because_of_which_object_it_is_refused() {
    let mut log = Log::latest();
    log.ok(create(vec![with_nid(NODE, 7), with_nid(OTHER, 8)]));
    log.ok(groups::create(groups::exclusive("blue", "colour", &[NODE])));
    log.ok(profiles::put(profiles::profile("test", &[NODE])));
    log.ok(subnets::put(subnets::subnet("10.1.0.0/16")));
    log.ok(login(NODE));
    log.ok(put_role("own", &["smd.read"]));
    log.ok(put(policy("p", "own", &["user/ada"])));
    let absent = "x0c0s9b0n0";
    let nid = ComponentNid {
        id: OTHER.into(),
        nid: 7,
    };
    let nids = SetNids {
        components: vec![nid],
        ..SetNids::default()
    };
    let refused: [(Command, &str, &str); 8] = [
        (
            create(vec![with_nid(absent, 7)]).into_command(),
            "component",
            NODE,
        ),
        (nids.into_command(), "component", NODE),
        (
            groups::create(groups::group("g", &[absent])).into_command(),
            "component",
            absent,
        ),
        (
            groups::create(groups::exclusive("red", "colour", &[NODE])).into_command(),
            "group",
            "blue",
        ),
        (
            profiles::put(profiles::profile("other", &[NODE])).into_command(),
            "profile",
            "test",
        ),
        (
            subnets::put(subnets::subnet("10.0.0.0/8")).into_command(),
            "subnet",
            "10.1.0.0/16",
        ),
        (login(OTHER).into_command(), "instance-info", NODE),
        (DeleteRole { name: "own".into() }.into_command(), "policy", "p"),
    ];
    for (command, kind, id) in refused {
        let (outcome, events) = log.state.clone().try_out(&header(&log), &command);
        let told = outcome.unwrap_err();
        let plain = log.refused(command);
        assert_eq!((told.to_string(), events.len()), (plain.to_string(), 0));
        assert!(!matches!(plain, Rejection::OfAnother { .. }), "{plain:?}");
        assert_eq!(told, plain.of_another(kind, id));
    }
}
