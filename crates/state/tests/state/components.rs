//! State, lookup and removal of components.

use model::{NodeState, Rejection, Xname};
use proto::smd::v1::Component;
use proto::smd::v1::component::{Flag, State};
use proto::smd::v1::smd_command::{CreateComponents, DeleteComponents, PatchState};

use crate::create_components::{component, create, with_nid};
use crate::support::Log;

const NODE: &str = "x0c0s0b0n0";

fn patch(state: State) -> PatchState {
    PatchState {
        id: NODE.into(),
        state: state.into(),
        ..Default::default()
    }
}

fn log_with_node(state: State) -> Log {
    let mut log = Log::new();
    log.ok(create(vec![Component {
        state: state.into(),
        ..component(NODE)
    }]));
    log
}

fn node(log: &Log) -> Component {
    log.state
        .smd
        .component(&NODE.parse().unwrap())
        .unwrap()
        .as_ref()
        .clone()
}

#[test]
fn a_patch_sets_state_and_flag_and_nothing_else() {
    let mut log = log_with_node(State::On);
    let before = node(&log);
    log.now_ms += 1000;
    let applied = log.ok(PatchState {
        flag: Flag::Alert.into(),
        ..patch(State::Ready)
    });
    assert_eq!(applied.updated, [NODE]);
    let meta = before.meta.clone().map(|meta| proto::http::v1::ObjectMeta {
        modified: Some(log.last_change()),
        ..meta
    });
    let expected = Component {
        state: State::Ready.into(),
        flag: Flag::Alert.into(),
        meta,
        ..before
    };
    assert_eq!(node(&log), expected);
    log.ok(patch(State::Standby));
    assert_eq!(
        node(&log).flag(),
        Flag::Ok,
        "SMD sets the flag to OK when none is given"
    );
}

/// Every pair of states, against the table of `model`, which has its own test against SMD's.
#[test]
fn only_allowed_transitions_change_the_state() {
    for from in NodeState::ALL {
        for to in NodeState::ALL.into_iter().filter(|to| !to.needs_force()) {
            let mut log = log_with_node(State::try_from(from as i32).unwrap());
            let before = node(&log);
            let applied = log.ok(PatchState {
                state: to as i32,
                ..patch(State::On)
            });
            if to.may_follow(from, false) {
                assert_eq!(
                    (applied.updated.len(), node(&log).state),
                    (1, to as i32),
                    "{from} to {to}"
                );
            } else {
                assert_eq!(applied.unchanged, [NODE], "{from} to {to}");
                assert_eq!(node(&log), before, "not even the revision moves");
            }
            log.ok(PatchState {
                state: to as i32,
                force: true,
                ..patch(State::On)
            });
            assert_eq!(node(&log).state, to as i32, "forced");
        }
    }
}

#[test]
fn three_states_need_force_whatever_came_before() {
    for state in [State::Unknown, State::Empty, State::Populated] {
        let mut log = log_with_node(State::Off);
        let (field, problem) = log.invalid(patch(state));
        assert_eq!(field, "state");
        assert!(
            problem.starts_with("operation not allowed and not forced."),
            "SMD's own words: {problem}"
        );
        log.ok(PatchState {
            force: true,
            ..patch(state)
        });
        assert_eq!(node(&log).state(), state);
    }
}

/// SMD's heartbeat tracker says Ready with a Warning when a heartbeat is late; the node may have gone down meanwhile.
#[test]
fn ready_with_a_warning_is_only_for_what_is_ready() {
    let mut log = log_with_node(State::Off);
    for force in [false, true] {
        let late = PatchState {
            flag: Flag::Warning.into(),
            force,
            ..patch(State::Ready)
        };
        assert_eq!(log.ok(late).unchanged, [NODE]);
    }
    log.ok(patch(State::Ready));
    log.ok(PatchState {
        flag: Flag::Warning.into(),
        ..patch(State::Ready)
    });
    assert_eq!(
        (node(&log).state(), node(&log).flag()),
        (State::Ready, Flag::Warning)
    );
}

#[test]
fn a_locked_flag_stays() {
    let mut log = log_with_node(State::On);
    log.ok(PatchState {
        flag: Flag::Locked.into(),
        ..patch(State::On)
    });
    log.ok(PatchState {
        flag: Flag::Alert.into(),
        ..patch(State::Off)
    });
    assert_eq!(
        (node(&log).state(), node(&log).flag()),
        (State::Off, Flag::Locked)
    );
}

/// The HTTP layer makes SMD's 204 of it; the native API tells.
#[test]
fn an_unknown_component_is_not_found() {
    let mut log = Log::new();
    let rejection = log.refused(patch(State::On));
    assert_eq!(
        rejection,
        Rejection::NotFound {
            kind: "component".into(),
            id: NODE.into()
        }
    );
}

#[test]
fn wrong_patches_name_their_field() {
    let mut log = log_with_node(State::On);
    assert_eq!(
        log.invalid(PatchState {
            id: "node1".into(),
            ..patch(State::On)
        })
        .0,
        "id"
    );
    assert_eq!(
        log.invalid(PatchState {
            state: 0,
            ..patch(State::On)
        })
        .0,
        "state"
    );
    assert_eq!(
        log.invalid(PatchState {
            flag: 17,
            ..patch(State::On)
        })
        .0,
        "flag"
    );
}

/// Two writers read the same revision; the log orders them; the second must lose and change nothing.
#[test]
fn a_stale_revision_is_refused_and_changes_nothing() {
    let mut log = log_with_node(State::On);
    let read = node(&log).meta.unwrap().modified.unwrap().revision;
    let patch = |state| PatchState {
        if_revision: Some(read),
        ..patch(state)
    };
    log.ok(patch(State::Ready));
    let winner = node(&log).meta.unwrap().modified.unwrap().revision;
    let lost = log.refused(patch(State::Standby));
    assert_eq!(
        lost,
        Rejection::RevisionMismatch {
            id: NODE.into(),
            expected: read,
            actual: winner
        }
    );
    assert_eq!(node(&log).state(), State::Ready);
}

#[test]
fn deletion_is_all_or_nothing_and_counts() {
    let mut log = Log::new();
    log.ok(create(vec![
        component(NODE),
        component("x0c0s1b0n0"),
        component("x0c0s2b0n0"),
    ]));
    let ids = |ids: &[&str]| DeleteComponents {
        ids: ids.iter().map(|&id| id.into()).collect(),
        all: false,
        ..Default::default()
    };
    let rejection = log.refused(ids(&[NODE, "x0c0s9b0n0"]));
    assert_eq!(
        rejection,
        Rejection::NotFound {
            kind: "component".into(),
            id: "x0c0s9b0n0".into()
        }
    );
    assert_eq!(
        log.ok(ids(&["X0c0s0b0n00", NODE])).deleted,
        [NODE],
        "one node, named twice"
    );
    assert_eq!(log.state.smd.component_by_nid(1), None);
    let all = DeleteComponents {
        all: true,
        ..Default::default()
    };
    assert_eq!(log.ok(all.clone()).deleted, ["x0c0s1b0n0", "x0c0s2b0n0"]);
    assert!(
        matches!(log.refused(all), Rejection::NotFound { .. }),
        "SMD answers 404: no entries to delete"
    );
    assert_eq!(log.invalid(ids(&[])).0, "ids");
}

/// An outcome is kept with its session and travels between members: it must not grow with the collection.
#[test]
fn deleting_all_counts_all_and_lists_the_first() {
    use state::bounds::IDS_LISTED_MAX;
    let mut log = Log::new();
    let xname = |n: usize| format!("x{}c{}s{}b0n0", n / 512, n / 64 % 8, n % 64);
    let many = IDS_LISTED_MAX + 1;
    log.ok(create((0..many).map(|n| component(&xname(n))).collect()));
    let all = DeleteComponents {
        all: true,
        ..Default::default()
    };
    let applied = log.ok(all);
    assert_eq!(
        (applied.deleted_count, applied.deleted.len()),
        (many as u64, IDS_LISTED_MAX)
    );
    assert_eq!(log.state.smd.components().count(), 0);
}

#[test]
fn components_are_listed_by_xname_and_found_by_nid() {
    let mut log = Log::new();
    log.ok(create(vec![
        with_nid("x1c0s10b0n0", 30),
        with_nid("x1c0s2b0n0", 20),
        component("x1"),
    ]));
    let ids: Vec<_> = log
        .state
        .smd
        .components()
        .map(|component| component.id.as_str())
        .collect();
    assert_eq!(ids, ["x1", "x1c0s10b0n0", "x1c0s2b0n0"]);
    assert_eq!(log.state.smd.component_by_nid(20).unwrap().id, "x1c0s2b0n0");
    assert_eq!(log.state.smd.component_by_nid(1), None);
    assert_eq!(log.state.smd.component(&"x2".parse::<Xname>().unwrap()), None);
}

/// Readers keep a clone while the log moves on.
#[test]
fn a_clone_does_not_see_later_changes() {
    let mut log = log_with_node(State::On);
    let (view, digest) = (log.state.clone(), log.state.digest());
    log.ok(patch(State::Ready));
    log.ok(CreateComponents {
        components: vec![component("x0c0s1b0n0")],
        force: false,
        ..Default::default()
    });
    assert_eq!(view.digest(), digest);
    assert_eq!(
        view.smd.component(&NODE.parse().unwrap()).unwrap().state(),
        State::On
    );
    assert_eq!(view.smd.components().count(), 1);
}
