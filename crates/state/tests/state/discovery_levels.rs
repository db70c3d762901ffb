//! Members of an earlier release know nothing of discovery and jobs: as long as there are some, nothing of it is in log or rows.

use model::Rejection;
use proto::auth::v1::Grant;
use proto::cluster::v1::cluster_command::SetFeatureLevel;
use proto::discovery::v1::DiscoveryCommand;
use proto::job::v1::JobCommand;
use proto::raft::v1::entry::Command;
use proto::smd::v1::smd_command::DiscoveredEndpoint;
use state::State;
use state::cluster::FEATURE_LEVEL_DISCOVERY;

use crate::auth_support::{grant, granted, policy, put, put_role, sealed};
use crate::discoveries::blade;
use crate::jobs::{power, scan};
use crate::redfish_endpoints::post;
use crate::support::{IntoCommand, Log};
use crate::{bmc_credentials, bmcs, firmware, xname_rules};

/// Of members of the release before.
fn before() -> Log {
    let mut log = Log::new();
    log.state = State::at_level(FEATURE_LEVEL_DISCOVERY - 1);
    log
}

fn raise(log: &mut Log) {
    log.ok(SetFeatureLevel {
        level: FEATURE_LEVEL_DISCOVERY,
    });
}

fn commands() -> Vec<Command> {
    vec![
        scan().into_command(),
        power(&["x0c0s0b0n0"]).into_command(),
        bmcs::put(vec![bmcs::seen(bmcs::ADDRESS, "ab", "")]).into_command(),
        xname_rules::put(xname_rules::rule("a", None)).into_command(),
        bmc_credentials::put("default", "root").into_command(),
        bmc_credentials::put_next("x0c0s0b0").into_command(),
        firmware::put(vec![firmware::inventory("x0c0s0b0")]).into_command(),
    ]
}

#[test]
fn below_level_7_no_command_is_taken() {
    let mut log = before();
    for command in commands() {
        let refused = log.state.check_level(&command).unwrap_err();
        assert!(needs_discovery(&refused), "{command:?}");
        assert!(needs_discovery(&log.refused(command.clone())), "{command:?}");
    }
    raise(&mut log);
    for command in commands() {
        log.ok(command);
    }
}

fn needs_discovery(rejection: &Rejection) -> bool {
    matches!(rejection, Rejection::FeatureLevel { needed, .. } if *needed == FEATURE_LEVEL_DISCOVERY)
}

/// `apply` judges by the shipped roles: a member of the release before would say no where this one says yes.
#[test]
fn shipped_roles_are_those_of_the_level() {
    let mut log = before();
    let gives = |state: &State, permission: &str| {
        let role = state.auth.role("operator").unwrap();
        let listed = state.auth.roles().find(|role| role.name == "operator");
        assert_eq!(listed, Some(role.clone()));
        state::auth::gives(&role.permissions, permission)
    };
    assert!(gives(&log.state, "smd.write") && !gives(&log.state, "power.write"));
    let restored = State::from_rows(log.state.rows()).unwrap();
    assert!(!gives(&restored, "power.write"));
    raise(&mut log);
    assert!(gives(&log.state, "power.write"));
    let restored = State::from_rows(log.state.rows()).unwrap();
    assert!(gives(&restored, "power.write"));
    log.ok(put(policy("p", "operator", &["user/ada"])));
    let power = power(&["x0c0s0b0n0"]);
    granted(&mut log, "user/ada", grant("power.write", &["p"]), power).unwrap();
}

/// A member of the release before says that a password is the cluster's, so until it is gone all say so.
#[test]
fn a_narrow_token_for_smd_gives_passwords_to_endpoints_from_level_7_on() {
    let mut log = before();
    log.ok(put_role("inventory", &["smd.write"]));
    log.ok(put(policy("inventory", "inventory", &["user/eve"])));
    let narrow = Grant {
        scope: Some("smd.write".into()),
        ..grant("smd.write", &["inventory"])
    };
    let with_password = || {
        post(vec![DiscoveredEndpoint {
            password: Some(sealed("bmc/x0c0s0b0")),
            ..blade(0)
        }])
    };
    let denied = Rejection::Denied {
        permission: "cluster.write".into(),
    };
    let refused = granted(&mut log, "user/eve", narrow.clone(), with_password());
    assert_eq!(refused, Err(denied));
    raise(&mut log);
    granted(&mut log, "user/eve", narrow, with_password()).unwrap();
}

/// SMD's own changes of users and endpoints leave no trace in rows that older members do not have.
#[test]
fn endpoints_alone_make_no_rows_of_discovery() {
    let mut log = before();
    log.ok(post(vec![blade(0)]));
    raise(&mut log);
    log.ok(post(vec![blade(1)]));
    assert_eq!(log.state.discovery.credentials().count(), 0);
    assert_eq!(log.state.discovery.firmwares().count(), 0);
}

#[test]
fn an_empty_command_is_refused() {
    let mut log = Log::latest();
    let job = Command::Job(JobCommand { change: None });
    assert_eq!(log.invalid(job).0, "command");
    let discovery = Command::Discovery(DiscoveryCommand { change: None });
    assert_eq!(log.invalid(discovery).0, "command");
}
