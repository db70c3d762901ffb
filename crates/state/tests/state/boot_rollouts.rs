//! Rollouts: who gets what is new, when the next step begins, what stops it.

use model::Rejection;
use proto::bss::v1::boot_phase::Phase;
use proto::bss::v1::boot_rollout::State as Stage;
use proto::bss::v1::boot_rollout_node::Outcome;
use proto::bss::v1::bss_command::control_boot_rollout::Action;
use proto::bss::v1::bss_command::{
    AdvanceBootRollout, BootSeen, ControlBootRollout, Create, DeleteBootRollout, PutBootConfiguration,
    RecordBootPhases, StartBootRollout,
};
use proto::bss::v1::{
    BootConfiguration, BootParametersEntry, BootPhase, BootRecord, BootRollout, RolloutStep,
};
use proto::raft::v1::outcome;
use proto::smd::v1::component::Arch;
use proto::smd::v1::smd_command::CreateComponents;
use proto::smd::v1::{Component, component};
use state::choose;

use crate::boot_records::command as phone_home;
use crate::ethernet_interfaces;
use crate::support::Log;

const DEADLINE_S: u32 = 600;

fn node(place: u32) -> String {
    format!("x0c0s{place}b0n0")
}

fn configuration(kernel: &str) -> PutBootConfiguration {
    PutBootConfiguration {
        configuration: Some(BootConfiguration {
            name: "compute".into(),
            is_default: true,
            kernel: kernel.into(),
            params: "old".into(),
            ..BootConfiguration::default()
        }),
        ..PutBootConfiguration::default()
    }
}

pub fn rollout() -> BootRollout {
    BootRollout {
        name: "new".into(),
        configuration: "compute".into(),
        kernel: "http://s/new".into(),
        params: "new".into(),
        hosts: vec!["x0".into()],
        steps: vec![
            RolloutStep { nodes: 1, percent: 0 },
            RolloutStep {
                nodes: 0,
                percent: 50,
            },
        ],
        failures_max: 1,
        boot_deadline_s: DEADLINE_S,
        ..BootRollout::default()
    }
}

pub fn start(rollout: BootRollout) -> StartBootRollout {
    StartBootRollout {
        rollout: Some(rollout),
    }
}

fn advance() -> AdvanceBootRollout {
    AdvanceBootRollout { name: "new".into() }
}

fn control(action: Action) -> ControlBootRollout {
    ControlBootRollout {
        name: "new".into(),
        action: action.into(),
        if_revision: None,
    }
}

/// Six nodes and the rollout of two steps before all: 1, 3, 6 nodes.
fn begun() -> Log {
    let mut log = Log::latest();
    let components = (0..6).map(|place| Component {
        id: node(place),
        state: component::State::On.into(),
        ..Component::default()
    });
    log.ok(CreateComponents {
        components: components.collect(),
        ..CreateComponents::default()
    });
    log.ok(configuration("http://s/old"));
    log.ok(start(rollout()));
    log
}

fn stored(log: &Log) -> BootRollout {
    log.state.bss.boot_rollout("new").unwrap().as_ref().clone()
}

/// Places of the nodes that would be given the new kernel.
fn given(log: &Log) -> Vec<u32> {
    let gets_new = |place: &u32| {
        let component = log.state.smd.component(&node(*place).parse().unwrap()).unwrap();
        let node = log
            .state
            .boot_node(&component.id, Some(&component), Arch::Unspecified);
        let choice = choose(log.state.boot_matches(&node, None)).unwrap();
        choice.booted().kernel() == "http://s/new"
    };
    (0..6).filter(gets_new).collect()
}

/// Places of the nodes with this outcome.
fn with(log: &Log, outcome: Outcome) -> Vec<u32> {
    let nodes = log.state.bss.rollout_nodes("new");
    nodes
        .filter(|node| node.outcome() == outcome)
        .map(|node| node.place)
        .collect()
}

/// The node at `place` fetches its script, made of what the state says now.
fn script(log: &mut Log, place: u32, boot: &str) -> outcome::Applied {
    let revision = log.state.applied_index();
    let seen = BootPhase {
        phase: Phase::Script.into(),
        at_ms: log.now_ms,
        revision,
        told: true,
        ..BootPhase::default()
    };
    log.ok(RecordBootPhases {
        boots: vec![BootSeen {
            node: node(place),
            boot_id: boot.into(),
            phases: vec![seen],
        }],
    })
}

fn home(log: &mut Log, place: u32, boot: &str) {
    log.now_ms += 1000;
    log.ok(phone_home(BootRecord {
        node: node(place),
        boot_id: boot.into(),
        ..BootRecord::default()
    }));
}

fn boots(log: &mut Log, place: u32, boot: &str) {
    script(log, place, boot);
    home(log, place, boot);
}

#[test]
fn the_nodes_of_a_step_get_what_is_new_and_no_others() {
    let log = begun();
    assert_eq!(given(&log), [0]);
    assert_eq!(stored(&log).waves.len(), 1);
}

#[test]
fn a_step_follows_when_every_node_of_the_one_before_is_up_and_the_last_changes_the_configuration() {
    let mut log = begun();
    assert_eq!(log.ok(advance()).unchanged, ["new"], "nobody has booted yet");
    boots(&mut log, 0, "b0");
    log.ok(advance());
    assert_eq!(given(&log), [0, 1, 2]);
    boots(&mut log, 1, "b1");
    log.ok(advance());
    assert_eq!(given(&log), [0, 1, 2], "one of two is up");
    boots(&mut log, 2, "b2");
    log.ok(advance());
    assert_eq!(given(&log), [0, 1, 2, 3, 4, 5]);
    for place in 3..6 {
        boots(&mut log, place, "b3");
    }
    log.ok(advance());
    let after = stored(&log);
    assert_eq!(
        (after.state(), after.booted, after.failed),
        (Stage::Completed, 6, 0)
    );
    let base = log.state.bss.configuration("compute").unwrap();
    assert_eq!(
        (base.kernel.as_str(), base.params.as_str(), base.is_default),
        ("http://s/new", "new", true)
    );
}

/// The MAC of node 0.
const MAC: &str = "02:00:00:00:00:01";

/// Node 0 with an interface, and the configuration that is to be rolled out.
fn begin_with_a_mac(log: &mut Log) {
    log.ok(CreateComponents {
        components: vec![Component {
            id: node(0),
            state: component::State::On.into(),
            ..Component::default()
        }],
        ..CreateComponents::default()
    });
    log.ok(ethernet_interfaces::create(MAC, &node(0), &[]));
    log.ok(configuration("http://s/old"));
}

/// An entry of BSS v1.
fn entry(key: String, kernel: &str) -> Create {
    Create {
        keys: vec![key],
        values: Some(BootParametersEntry {
            kernel: kernel.into(),
            params: "v1".into(),
            ..BootParametersEntry::default()
        }),
    }
}

/// Who takes part is who boots the configuration, by the script's own decision: the entry of the xname comes before that of a MAC,
/// and without a kernel it leaves the configuration its place.
#[test]
fn who_takes_part_is_decided_as_for_scripts() {
    let mut log = Log::latest();
    begin_with_a_mac(&mut log);
    log.ok(entry(MAC.into(), "http://v1/k"));
    let (field, problem) = log.invalid(start(rollout()));
    assert_eq!(field, "group", "the entry of the MAC wins: {problem}");
    log.ok(entry(node(0), ""));
    log.ok(start(rollout()));
    assert_eq!(stored(&log).nodes, 1);
}

/// What members of 0.10.0 and of today must find alike while both are there: theirs was the order of texts.
#[test]
fn until_all_members_are_new_participants_are_found_as_before() {
    let mut log = Log::at_level(7);
    begin_with_a_mac(&mut log);
    for (key, kernel) in [(MAC.to_owned(), "http://v1/k"), (node(0), "")] {
        log.ok(entry(key, kernel));
    }
    let (field, problem) = log.invalid(start(rollout()));
    assert_eq!(field, "group", "the entry of the MAC wins still: {problem}");
}

/// Only a boot with what is new counts.
#[test]
fn a_boot_that_began_before_the_step_says_nothing() {
    let mut log = Log::latest();
    log.ok(CreateComponents {
        components: vec![Component {
            id: node(0),
            state: component::State::On.into(),
            ..Component::default()
        }],
        ..CreateComponents::default()
    });
    log.ok(configuration("http://s/old"));
    script(&mut log, 0, "before");
    log.ok(start(rollout()));
    home(&mut log, 0, "before");
    log.ok(advance());
    assert_eq!(stored(&log).booted, 0);
    boots(&mut log, 0, "after");
    log.ok(advance());
    assert_eq!(stored(&log).state(), Stage::Completed);
}

#[test]
fn more_failures_than_are_allowed_stop_it_and_every_node_gets_the_old() {
    let mut log = begun();
    script(&mut log, 0, "b0");
    log.now_ms += u64::from(DEADLINE_S) * 1000;
    assert_eq!(
        log.ok(advance()).updated,
        ["new"],
        "that it has its script is new"
    );
    assert_eq!(log.ok(advance()).unchanged, ["new"], "it is not late yet");
    log.now_ms += 1;
    log.ok(advance());
    assert_eq!(with(&log, Outcome::Failed), [0]);
    assert_eq!(given(&log), [0, 1, 2], "one failure is allowed");
    script(&mut log, 1, "b1");
    log.now_ms += u64::from(DEADLINE_S) * 1000 + 1;
    log.ok(advance());
    let after = stored(&log);
    assert_eq!(after.state(), Stage::Stopped);
    assert!(
        after.reason.starts_with("2 nodes failed, 1 are allowed"),
        "{}",
        after.reason
    );
    assert_eq!(given(&log), [] as [u32; 0]);
    let base = log.state.bss.configuration("compute").unwrap();
    assert_eq!(base.kernel, "http://s/old");
}

/// A node that is late with one boot may come home with the next before anybody looked.
#[test]
fn a_boot_that_came_home_decides() {
    let mut log = begun();
    script(&mut log, 0, "b0");
    log.now_ms += u64::from(DEADLINE_S) * 1000 + 1;
    boots(&mut log, 0, "b1");
    log.ok(advance());
    assert_eq!(with(&log, Outcome::Booted), [0]);
}

#[test]
fn a_configuration_that_somebody_else_changes_stops_it() {
    let mut log = begun();
    log.ok(configuration("http://s/other"));
    log.ok(advance());
    let after = stored(&log);
    assert_eq!(after.state(), Stage::Stopped);
    assert!(after.reason.contains("meanwhile"), "{}", after.reason);
}

#[test]
fn it_can_be_paused_resumed_and_stopped() {
    let mut log = begun();
    log.ok(control(Action::Pause));
    boots(&mut log, 0, "b0");
    log.ok(advance());
    assert_eq!((given(&log), stored(&log).booted), (vec![0], 1), "no step begins");
    assert_eq!(log.ok(control(Action::Pause)).unchanged, ["new"]);
    log.ok(control(Action::Resume));
    log.ok(advance());
    assert_eq!(given(&log), [0, 1, 2]);
    log.ok(control(Action::Stop));
    assert_eq!(given(&log), [] as [u32; 0]);
    assert_eq!(stored(&log).reason, "stopped by user/admin");
    assert!(matches!(
        log.refused(control(Action::Resume)),
        Rejection::Conflict { .. }
    ));
}

#[test]
fn one_configuration_has_one_rollout_and_what_goes_on_is_not_forgotten() {
    let mut log = begun();
    let other = BootRollout {
        name: "other".into(),
        ..rollout()
    };
    assert_eq!(log.invalid(start(other.clone())).0, "configuration");
    assert!(matches!(
        log.refused(start(rollout())),
        Rejection::AlreadyExists { .. }
    ));
    let delete = DeleteBootRollout {
        name: "new".into(),
        if_revision: None,
    };
    assert!(matches!(log.refused(delete.clone()), Rejection::Conflict { .. }));
    log.ok(control(Action::Stop));
    log.ok(start(other));
    log.ok(delete);
    assert!(log.state.bss.boot_rollout("new").is_none());
    assert_eq!(given(&log), [0], "the other's");
}

#[test]
fn what_makes_no_sense_is_refused_by_its_field() {
    type Change = fn(&mut BootRollout);
    let cases: [(&str, Change); 9] = [
        ("name", |rollout| rollout.name.clear()),
        ("name", |rollout| rollout.name = "a/b".into()),
        ("group", |rollout| rollout.hosts.clear()),
        ("hosts", |rollout| rollout.group = "compute".into()),
        ("hosts", |rollout| rollout.hosts = vec!["nonsense".into()]),
        ("group", |rollout| rollout.hosts = vec!["x9".into()]),
        ("steps", |rollout| rollout.steps = vec![RolloutStep::default()]),
        ("steps", |rollout| {
            rollout.steps = vec![RolloutStep {
                nodes: 0,
                percent: 101,
            }]
        }),
        ("boot_deadline_s", |rollout| rollout.boot_deadline_s = 86_401),
    ];
    let mut log = begun();
    log.ok(control(Action::Stop));
    for (field, change) in cases {
        let mut wrong = rollout();
        change(&mut wrong);
        assert_eq!(log.invalid(start(wrong.clone())).0, field, "{wrong:?}");
    }
    let newline = BootRollout {
        params: "a\nreboot".into(),
        ..rollout()
    };
    assert_eq!(log.invalid(start(newline)).0, "params");
    let unknown = BootRollout {
        configuration: "none".into(),
        ..rollout()
    };
    assert!(matches!(log.refused(start(unknown)), Rejection::NotFound { .. }));
}

/// A kernel that panics makes the node boot again and again: the deadline counts from its first script, not from its last.
#[test]
fn a_node_that_boots_for_ever_fails() {
    let mut log = begun();
    for round in 0..10 {
        script(&mut log, 0, &format!("b{round}"));
        log.ok(advance());
        log.now_ms += 120_000;
    }
    assert_eq!(with(&log, Outcome::Failed), [0]);
}

/// What boots something else now would boot that with the rollout, too, and be taken for a success.
#[test]
fn only_those_take_part_that_boot_the_configuration() {
    let mut log = begun();
    log.ok(control(Action::Stop));
    let own = proto::bss::v1::bss_command::Replace {
        keys: vec![node(1)],
        values: Some(proto::bss::v1::BootParametersEntry {
            kernel: "http://s/own".into(),
            ..Default::default()
        }),
    };
    log.ok(own);
    log.ok(PutBootConfiguration {
        configuration: Some(BootConfiguration {
            name: "special".into(),
            hosts: vec![node(2)],
            kernel: "http://s/special".into(),
            ..BootConfiguration::default()
        }),
        ..PutBootConfiguration::default()
    });
    log.ok(start(rollout()));
    let nodes: Vec<String> = log
        .state
        .bss
        .rollout_nodes("new")
        .map(|node| node.node.clone())
        .collect();
    assert_eq!(nodes, [0, 3, 4, 5].map(node));
}

/// The timeline may lose up to five seconds; the phone-home is acknowledged and says what its script was made of.
#[test]
fn a_phone_home_counts_although_the_script_was_not_told() {
    let mut log = begun();
    let home = |revision| BootRecord {
        node: node(0),
        boot_id: "b0".into(),
        script_revision: revision,
        ..BootRecord::default()
    };
    let begun_at = stored(&log).waves[0].revision;
    log.ok(phone_home(home(begun_at - 1)));
    assert_eq!(log.ok(advance()).unchanged, ["new"], "it booted the old");
    log.ok(phone_home(home(begun_at)));
    log.ok(advance());
    assert_eq!(with(&log, Outcome::Booted), [0]);
}

#[test]
fn nodes_that_never_boot_can_be_skipped() {
    let mut log = begun();
    log.ok(control(Action::Skip));
    assert_eq!(with(&log, Outcome::Skipped), [0]);
    log.ok(advance());
    assert_eq!(given(&log), [0, 1, 2], "the next step has begun");
    log.ok(control(Action::Skip));
    log.ok(advance());
    log.ok(control(Action::Skip));
    log.ok(advance());
    assert_eq!(
        (stored(&log).state(), stored(&log).skipped),
        (Stage::Completed, 6)
    );
}

/// An emergency change must reach every node at once, before the rollout has been looked at.
#[test]
fn a_configuration_that_was_changed_since_is_what_every_node_gets() {
    let mut log = begun();
    assert_eq!(given(&log), [0]);
    log.ok(configuration("http://s/emergency"));
    assert_eq!(given(&log), [] as [u32; 0]);
}

#[test]
fn the_last_step_names_who_started_it() {
    let mut log = begun();
    for _ in 0..3 {
        log.ok(control(Action::Skip));
        log.ok(advance());
    }
    let base = log.state.bss.configuration("compute").unwrap();
    let change = base.meta.as_ref().unwrap().modified.clone().unwrap();
    assert_eq!(change.principal, "rollout new of user/admin");
}

#[test]
fn every_node_can_be_named_at_once() {
    let mut log = begun();
    log.ok(control(Action::Stop));
    log.ok(start(BootRollout {
        hosts: vec!["x*".into()],
        ..rollout()
    }));
    assert_eq!(stored(&log).nodes, 6);
}
