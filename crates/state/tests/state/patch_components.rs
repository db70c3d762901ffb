//! Patches of many components and of their NIDs.

use model::Rejection;
use proto::raft::v1::outcome::Applied;
use proto::smd::v1::Component;
use proto::smd::v1::component::{Flag, State};
use proto::smd::v1::smd_command::{ComponentNid, PatchComponents, SetNids};

use crate::create_components::{component, create, with_nid};
use crate::support::Log;

const NODES: [&str; 3] = ["x0c0s0b0n0", "x0c0s1b0n0", "x0c0s2b0n0"];

/// Nodes 0 to 2 in these states, with NIDs 1 to 3.
fn log_with(states: [State; 3]) -> Log {
    let mut log = Log::latest();
    let nodes = NODES.into_iter().zip(states).map(|(id, state)| Component {
        state: state.into(),
        ..component(id)
    });
    log.ok(create(nodes.collect()));
    log
}

fn node(log: &Log, id: &str) -> Component {
    let id = id.parse().unwrap();
    log.state.smd.component(&id).unwrap().as_ref().clone()
}

fn patch(ids: &[&str]) -> PatchComponents {
    PatchComponents {
        ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        ..PatchComponents::default()
    }
}

fn nids(pairs: &[(&str, u64)]) -> SetNids {
    let components = pairs.iter().map(|(id, nid)| ComponentNid {
        id: (*id).to_owned(),
        nid: *nid,
    });
    SetNids {
        components: components.collect(),
        if_revision: None,
    }
}

fn reasons(applied: &Applied) -> Vec<(&str, &str)> {
    applied
        .refused
        .iter()
        .map(|refusal| (refusal.id.as_str(), refusal.reason.as_str()))
        .collect()
}

#[test]
fn each_component_gets_the_state_or_a_reason() {
    let mut log = log_with([State::Off, State::Ready, State::On]);
    let applied = log.ok(PatchComponents {
        state: State::On.into(),
        ..patch(&[NODES[0], NODES[1], NODES[2], "x9c0s0b0n0"])
    });
    assert_eq!(applied.updated, [NODES[0]]);
    assert_eq!(applied.unchanged, [NODES[2]]);
    assert_eq!(
        reasons(&applied),
        [
            (
                NODES[1],
                "it is Ready; On follows Off, On, Standby, Halt or takes force"
            ),
            ("x9c0s0b0n0", "there is no such component"),
        ]
    );
    assert_eq!(node(&log, NODES[0]).state(), State::On);
    assert_eq!(node(&log, NODES[1]).state(), State::Ready);
    let created = node(&log, NODES[2]).meta.unwrap();
    assert_eq!(
        created.created, created.modified,
        "what is unchanged keeps its revision"
    );
}

#[test]
fn force_takes_every_state_from_everywhere_and_only_force_takes_empty() {
    let mut log = log_with([State::Off, State::Ready, State::On]);
    let empty = PatchComponents {
        state: State::Empty.into(),
        ..patch(&NODES)
    };
    assert!(matches!(log.refused(empty.clone()), Rejection::Invalid { field, .. } if field == "state"));
    let forced = log.ok(PatchComponents { force: true, ..empty });
    assert_eq!(forced.updated, NODES);
    assert!(NODES.iter().all(|id| node(&log, id).state() == State::Empty));
}

/// A Locked flag survives changes of the state; a patch of the flag takes it away.
#[test]
fn a_locked_flag_stays_until_the_flag_itself_is_patched() {
    let mut log = log_with([State::On; 3]);
    let lock = PatchComponents {
        flag: Flag::Locked.into(),
        ..patch(&NODES[..1])
    };
    log.ok(lock);
    log.ok(PatchComponents {
        state: State::Ready.into(),
        flag: Flag::Alert.into(),
        ..patch(&NODES)
    });
    assert_eq!(node(&log, NODES[0]).flag(), Flag::Locked);
    assert_eq!(node(&log, NODES[1]).flag(), Flag::Alert);
    log.ok(PatchComponents {
        flag: Flag::Ok.into(),
        ..patch(&NODES)
    });
    assert!(NODES.iter().all(|id| node(&log, id).flag() == Flag::Ok));
    assert_eq!(
        node(&log, NODES[0]).state(),
        State::Ready,
        "a patch of the flag leaves the state"
    );
}

#[test]
fn what_is_not_given_stays_and_what_is_given_empty_goes() {
    let mut log = log_with([State::On; 3]);
    log.ok(PatchComponents {
        enabled: Some(false),
        software_status: Some("Drained".into()),
        role: Some("service".into()),
        sub_role: Some("worker".into()),
        ..patch(&NODES[..1])
    });
    let patched = node(&log, NODES[0]);
    assert_eq!(
        (
            patched.enabled,
            patched.software_status.as_str(),
            patched.role.as_str(),
            patched.sub_role.as_str()
        ),
        (Some(false), "Drained", "Service", "Worker"),
        "known roles get their spelling"
    );
    assert_eq!((patched.state(), patched.nid), (State::On, Some(1)));
    log.ok(PatchComponents {
        role: Some("Own".into()),
        sub_role: Some(String::new()),
        ..patch(&NODES[..1])
    });
    let patched = node(&log, NODES[0]);
    assert_eq!((patched.role.as_str(), patched.sub_role.as_str()), ("Own", ""));
    assert_eq!(patched.software_status, "Drained");
}

#[test]
fn wrong_patches_name_their_field_and_change_nothing() {
    let mut log = log_with([State::On; 3]);
    let cases = [
        (patch(&NODES), "patch"),
        (
            PatchComponents {
                enabled: Some(true),
                ..patch(&[])
            },
            "ids",
        ),
        (
            PatchComponents {
                enabled: Some(true),
                ..patch(&["nonsense"])
            },
            "ids",
        ),
        (
            PatchComponents {
                state: 99,
                ..patch(&NODES)
            },
            "state",
        ),
        (
            PatchComponents {
                flag: 99,
                ..patch(&NODES)
            },
            "flag",
        ),
        (
            PatchComponents {
                role: Some("a\nb".into()),
                ..patch(&NODES)
            },
            "role",
        ),
        (
            PatchComponents {
                sub_role: Some("x".repeat(300)),
                ..patch(&NODES)
            },
            "sub_role",
        ),
        (
            PatchComponents {
                software_status: Some("\0".into()),
                ..patch(&NODES)
            },
            "software_status",
        ),
    ];
    for (wrong, expected) in cases {
        let refused = log.refused(wrong.clone());
        assert!(
            matches!(&refused, Rejection::Invalid { field, .. } if field == expected),
            "{wrong:?}: {refused}"
        );
    }
}

/// One unknown name among many must not stop the others; a request that means nothing at all is told so.
#[test]
fn unknown_components_are_told_and_nothing_but_unknown_ones_is_not_found() {
    let mut log = log_with([State::On; 3]);
    let all_unknown = PatchComponents {
        enabled: Some(false),
        ..patch(&["x9c0s0b0n0", "x9c0s1b0n0"])
    };
    assert!(matches!(log.refused(all_unknown), Rejection::NotFound { .. }));
    let one = PatchComponents {
        enabled: Some(false),
        ..patch(&["x9c0s0b0n0"])
    };
    assert!(matches!(log.refused(one), Rejection::NotFound { id, .. } if id == "x9c0s0b0n0"));
    assert!(matches!(
        log.refused(nids(&[("x9c0s0b0n0", 9)])),
        Rejection::NotFound { .. }
    ));
}

#[test]
fn another_revision_refuses_the_whole_patch() {
    let mut log = log_with([State::On; 3]);
    let revision = node(&log, NODES[0]).meta.unwrap().modified.unwrap().revision;
    let at = |if_revision| PatchComponents {
        enabled: Some(false),
        if_revision: Some(if_revision),
        ..patch(&NODES[..1])
    };
    assert_eq!(
        log.refused(at(revision + 1)),
        Rejection::RevisionMismatch {
            id: NODES[0].into(),
            expected: revision + 1,
            actual: revision
        }
    );
    log.ok(at(revision));
    let stale = SetNids {
        if_revision: Some(revision),
        ..nids(&[(NODES[0], 9)])
    };
    assert!(matches!(log.refused(stale), Rejection::RevisionMismatch { .. }));
}

#[test]
fn nids_change_hands_within_one_command() {
    let mut log = log_with([State::On; 3]);
    let applied = log.ok(nids(&[
        (NODES[0], 2),
        (NODES[1], 1),
        (NODES[2], 3),
        ("x9c0s0b0n0", 7),
    ]));
    assert_eq!(applied.updated, [NODES[0], NODES[1]]);
    assert_eq!(applied.unchanged, [NODES[2]]);
    assert_eq!(reasons(&applied), [("x9c0s0b0n0", "there is no such component")]);
    let owner = |log: &Log, nid| {
        log.state
            .smd
            .component_by_nid(nid)
            .map(|component| component.id.clone())
    };
    assert_eq!(owner(&log, 1).as_deref(), Some(NODES[1]));
    assert_eq!(owner(&log, 2).as_deref(), Some(NODES[0]));
    assert_eq!(owner(&log, 7), None);
    log.ok(nids(&[(NODES[0], 40)]));
    assert_eq!(owner(&log, 2), None, "the old one is free");
    let found: Vec<&str> = log
        .state
        .smd
        .components_by_nids(1..=40)
        .map(|c| c.id.as_str())
        .collect();
    assert_eq!(found, [NODES[1], NODES[2], NODES[0]]);
    #[allow(clippy::reversed_empty_ranges, reason = "clients write them")]
    let reversed = log.state.smd.components_by_nids(40..=1);
    assert_eq!(reversed.count(), 0);
}

/// HSM answers 204 to it, too.
#[test]
fn a_component_that_is_named_twice_is_patched_once() {
    let mut log = log_with([State::On; 3]);
    let applied = log.ok(PatchComponents {
        enabled: Some(false),
        ..patch(&[NODES[0], "X0C0S0B0N0", NODES[1]])
    });
    assert_eq!(applied.updated, NODES[..2]);
    let twice = log.refused(nids(&[(NODES[0], 8), (NODES[0], 9)]));
    assert!(
        matches!(&twice, Rejection::Invalid { field, .. } if field == "components"),
        "{twice}"
    );
}

#[test]
fn a_nid_of_someone_else_is_refused_and_names_both() {
    let mut log = log_with([State::On; 3]);
    let taken = log.refused(nids(&[(NODES[0], 7), (NODES[1], 3)]));
    let Rejection::AlreadyExists { kind, id, detail } = taken else {
        panic!("{taken}")
    };
    assert_eq!((kind.as_str(), id.as_str()), ("NID", "3"));
    assert!(detail.contains(NODES[2]) && detail.contains(NODES[1]), "{detail}");
    let twice = log.refused(nids(&[(NODES[0], 7), (NODES[1], 7)]));
    assert!(matches!(&twice, Rejection::AlreadyExists { .. }), "{twice}");
    assert_eq!(node(&log, NODES[0]).nid, Some(1));
}

#[test]
fn what_lies_below_a_place_is_listed_and_its_neighbours_are_not() {
    let mut log = Log::latest();
    let ids = [
        "x1c0s1b0n0",
        "x1c0s1b0",
        "x1c0s10b0n0",
        "x1c0s1b0n1",
        "x2c0s1b0n0",
    ];
    log.ok(create(ids.into_iter().map(component).collect()));
    let below = |place: &str| -> Vec<String> {
        let place = place.parse().unwrap();
        log.state
            .smd
            .components_below(&place)
            .map(|c| c.id.clone())
            .collect()
    };
    assert_eq!(below("x1c0s1"), ["x1c0s1b0", "x1c0s1b0n0", "x1c0s1b0n1"]);
    assert_eq!(below("x1c0s1b0n0"), ["x1c0s1b0n0"]);
    assert_eq!(below("x1").len(), 4);
    assert_eq!(below("s0").len(), 5);
    assert!(below("x3").is_empty());
}

#[test]
fn below_level_three_the_log_has_none_of_it() {
    let mut log = Log::new();
    log.ok(create(vec![with_nid(NODES[0], 1)]));
    let patch = PatchComponents {
        enabled: Some(false),
        ..patch(&NODES[..1])
    };
    assert_eq!(
        log.refused(patch),
        Rejection::FeatureLevel {
            needed: 3,
            current: 1
        }
    );
    assert!(matches!(
        log.refused(nids(&[(NODES[0], 2)])),
        Rejection::FeatureLevel { .. }
    ));
}
