//! Changes that stand or fall together.

use model::Rejection;
use proto::bss::v1::bss_command::{Step, Together, step};
use proto::cloud_init::v1::cloud_init_command::PutInstanceInfo;
use proto::cloud_init::v1::{CloudInitCommand, InstanceInfo, cloud_init_command};
use proto::smd::v1::component::State;
use proto::smd::v1::smd_command::{AddGroupMember, Change, CreateComponents, PatchComponents};
use proto::smd::v1::{Component, SmdCommand};
use state::bounds::STEPS_TOGETHER_MAX;
use state::cluster::FEATURE_LEVEL_BOOT;

use crate::support::Log;

const NODE: &str = "x0c0s0b0n0";

fn smd(change: Change) -> Step {
    Step {
        change: Some(step::Change::Smd(SmdCommand { change: Some(change) })),
    }
}

fn create() -> Step {
    smd(Change::CreateComponents(CreateComponents {
        components: vec![Component {
            id: NODE.to_owned(),
            state: State::On.into(),
            ..Component::default()
        }],
        ..CreateComponents::default()
    }))
}

fn named(hostname: &str) -> Step {
    let put = PutInstanceInfo {
        info: Some(InstanceInfo {
            id: NODE.to_owned(),
            local_hostname: hostname.to_owned(),
            ..InstanceInfo::default()
        }),
        ..PutInstanceInfo::default()
    };
    Step {
        change: Some(step::Change::CloudInit(CloudInitCommand {
            change: Some(cloud_init_command::Change::PutInstanceInfo(put)),
        })),
    }
}

fn together(steps: Vec<Step>) -> Together {
    Together { steps }
}

/// Later steps see what earlier ones did; all of it has one revision.
#[test]
fn steps_are_made_in_order_and_at_one_revision() {
    let mut log = Log::latest();
    let patch = PatchComponents {
        ids: vec![NODE.to_owned()],
        role: Some("Service".to_owned()),
        ..PatchComponents::default()
    };
    let steps = vec![create(), smd(Change::PatchComponents(patch)), named("login1")];
    let index = log.next_index();
    let applied = log.apply(together(steps));
    let kinds: Vec<_> = applied.events.iter().map(|event| event.key().kind()).collect();
    assert_eq!(kinds.len(), 2, "one event for each object: {kinds:?}");
    let component = log.state.smd.component(&NODE.parse().unwrap()).unwrap();
    let meta = component.meta.clone().unwrap();
    assert_eq!(
        (component.role.as_str(), meta.modified.unwrap().revision),
        ("Service", index)
    );
    assert_eq!(log.state.hostname(&NODE.parse().unwrap()), "login1");
}

/// `Log::apply_entry` checks that a refusal leaves no trace.
#[test]
fn what_is_refused_at_the_end_takes_back_all() {
    let mut log = Log::latest();
    let join = AddGroupMember {
        label: "rack".to_owned(),
        ids: vec![NODE.to_owned()],
        if_revision: None,
    };
    let steps = vec![create(), named("login1"), smd(Change::AddGroupMember(join))];
    assert!(matches!(log.refused(together(steps)), Rejection::NotFound { .. }));
    assert!(log.state.smd.component(&NODE.parse().unwrap()).is_none());
    assert!(
        log.state
            .cloud_init
            .instance_info(&NODE.parse().unwrap())
            .is_none()
    );
}

/// A bulk patch leaves out what it cannot do and says so; here that is not good enough.
#[test]
fn a_step_that_leaves_something_out_refuses_all() {
    let mut log = Log::latest();
    let patch = PatchComponents {
        ids: vec![NODE.to_owned(), "x0c0s9b0n0".to_owned()],
        enabled: Some(false),
        ..PatchComponents::default()
    };
    let refused = log.refused(together(vec![create(), smd(Change::PatchComponents(patch))]));
    let Rejection::Conflict { detail } = refused else {
        panic!("{refused}");
    };
    assert!(detail.contains("x0c0s9b0n0"), "{detail}");
}

#[test]
fn nothing_and_too_much_are_refused() {
    let mut log = Log::latest();
    assert_eq!(log.invalid(together(vec![])).0, "command");
    assert_eq!(log.invalid(together(vec![Step::default()])).0, "command");
    let many = vec![create(); STEPS_TOGETHER_MAX + 1];
    assert_eq!(log.invalid(together(many)).0, "steps");
}

/// Members of an earlier release would stop at it.
#[test]
fn members_of_an_earlier_release_are_waited_for() {
    let mut log = Log::new();
    let refused = log.refused(together(vec![create()]));
    let needs = |rejection: &Rejection| matches!(rejection, Rejection::FeatureLevel { needed, .. } if *needed == FEATURE_LEVEL_BOOT);
    assert!(needs(&refused), "{refused}");
}
