//! Who may start jobs, and change what BMCs are called and how they are logged in to: by policies that hold for a part of the system.

use model::Rejection;
use proto::auth::v1::{Grant, Policy};
use proto::firmware::v1::FirmwareUpdate;
use proto::job::v1::Job;
use proto::job::v1::job::{State as Stage, Work};
use proto::job::v1::job_command::CreateJob;
use proto::raft::v1::outcome;
use proto::smd::v1::smd_command::DeleteRedfishEndpoints;

use crate::auth_support::{grant, granted, policy, put, put_role, sealed, texts};
use crate::bmcs::{ADDRESS, seen};
use crate::discoveries::blade;
use crate::jobs::{self, cancel, create, power, scan};
use crate::redfish_endpoints::{post, stored};
use crate::support::{IntoCommand, Log};
use crate::{bmc_credentials, bmcs, firmware, xname_rules};

type Outcome = Result<outcome::Applied, Rejection>;

/// Two blades; the operator and the one for credentials have the first, an operator has all.
fn with_parts() -> Log {
    let mut log = Log::latest();
    log.ok(post(vec![blade(0), blade(1)]));
    let here = |policy: Policy| Policy {
        hosts: texts(&["x0c0s0b0"]),
        ..policy
    };
    log.ok(put(here(policy("part", "operator", &["user/ada"]))));
    log.ok(put(here(policy("keys", "security-admin", &["user/kim"]))));
    log.ok(put(policy("all", "operator", &["user/bob"])));
    log
}

fn ada(log: &mut Log, permission: &str, command: impl IntoCommand) -> Outcome {
    granted(log, "user/ada", grant(permission, &["part"]), command)
}

fn bob(log: &mut Log, permission: &str, command: impl IntoCommand) -> Outcome {
    granted(log, "user/bob", grant(permission, &["all"]), command)
}

fn kim(log: &mut Log, command: impl IntoCommand) -> Outcome {
    granted(log, "user/kim", grant("bmc-credential.write", &["keys"]), command)
}

fn denied(outcome: Outcome) -> String {
    match outcome {
        Err(Rejection::Denied { permission }) => permission,
        other => panic!("not denied: {other:?}"),
    }
}

#[test]
fn a_job_needs_the_right_for_each_of_its_targets() {
    let mut log = with_parts();
    let id = ada(&mut log, "power.write", power(&["x0c0s0b0n0"]))
        .unwrap()
        .value;
    let beyond = power(&["x0c0s0b0n0", "x0c0s1b0n0"]);
    assert_eq!(denied(ada(&mut log, "power.write", beyond)), "power.write");
    let nowhere = power(&["10.1.0.7:443"]);
    assert_eq!(denied(ada(&mut log, "power.write", nowhere)), "power.write");
    assert_eq!(log.state.jobs.iter().count(), 1, "what is denied leaves nothing");
    bob(&mut log, "power.write", power(&["x0c0s0b0n0", "x0c0s1b0n0"])).unwrap();
    ada(&mut log, "discovery.write", cancel(&id)).unwrap();
    assert_eq!(jobs::stored(&log.state, &id).state(), Stage::Cancelled);
}

#[test]
fn what_a_scan_finds_is_nobodys_part() {
    let mut log = with_parts();
    assert_eq!(
        denied(ada(&mut log, "discovery.write", scan())),
        "discovery.write"
    );
    bob(&mut log, "discovery.write", scan()).unwrap();
}

/// Else the right to look for BMCs would switch nodes off.
#[test]
fn a_job_needs_the_right_for_what_it_does() {
    let mut log = with_parts();
    let update = create(Work::FirmwareUpdate(FirmwareUpdate::default()), &["x0c0s0b0"]);
    assert_eq!(denied(bob(&mut log, "discovery.write", update)), "firmware.write");
    log.ok(put_role("finder", &["discovery.write"]));
    log.ok(put(policy("finders", "finder", &["user/eve"])));
    let eve = |log: &mut Log, command: CreateJob| {
        granted(log, "user/eve", grant("discovery.write", &["finders"]), command)
    };
    assert_eq!(denied(eve(&mut log, power(&["x0c0s0b0n0"]))), "power.write");
    let id = bob(&mut log, "power.write", power(&["x0c0s0b0n0"]))
        .unwrap()
        .value;
    let by_eve = granted(
        &mut log,
        "user/eve",
        grant("discovery.write", &["finders"]),
        cancel(&id),
    );
    assert_eq!(denied(by_eve), "power.write");
}

/// A job changes what its author may change, so nobody makes one in another one's name.
#[test]
fn a_job_has_the_right_of_who_asked_for_it() {
    let mut log = with_parts();
    let forged = CreateJob {
        job: Some(Job {
            principal: "user/admin".into(),
            grant: Some(grant("power.write", &["all"])),
            ..jobs::job(Work::PowerTransition(Default::default()))
        }),
        targets: texts(&["x0c0s0b0n0"]),
    };
    let id = ada(&mut log, "power.write", forged.clone()).unwrap().value;
    let job = jobs::stored(&log.state, &id);
    assert_eq!(job.principal, "user/ada");
    assert_eq!(job.grant, Some(grant("power.write", &["part"])));
    let id = log.ok(forged).value;
    let job = jobs::stored(&log.state, &id);
    assert_eq!(
        (job.principal.as_str(), job.grant),
        ("user/admin", Some(grant("power.write", &["all"]))),
        "a member that goes on with a job starts the next one for its author"
    );
}

#[test]
fn what_was_found_is_of_the_component_it_is_called() {
    let mut log = with_parts();
    let found = |xname: &str| bmcs::put(vec![seen(ADDRESS, "ab", xname)]);
    assert_eq!(
        denied(ada(&mut log, "discovery.write", found(""))),
        "discovery.write"
    );
    ada(&mut log, "discovery.write", found("x0c0s0b0")).unwrap();
    let read = |bmc: &str| firmware::put(vec![firmware::inventory(bmc)]);
    ada(&mut log, "discovery.write", read("x0c0s0b0")).unwrap();
    denied(ada(&mut log, "discovery.write", read("x0c0s1b0")));
    denied(ada(
        &mut log,
        "discovery.write",
        xname_rules::put(xname_rules::rule("a", None)),
    ));
    bob(
        &mut log,
        "discovery.write",
        xname_rules::put(xname_rules::rule("a", None)),
    )
    .unwrap();
}

/// The endpoint's user follows, though it is SMD's, which nobody has given him.
#[test]
fn credentials_have_a_right_of_their_own() {
    let mut log = with_parts();
    kim(&mut log, bmc_credentials::put("bmc:x0c0s0b0", "admin")).unwrap();
    assert_eq!(stored(&log, "x0c0s0b0").user, "admin");
    for beyond in ["bmc:x0c0s1b0", "default", "group:compute", "address:10.1.0.7"] {
        let outcome = kim(&mut log, bmc_credentials::put(beyond, "admin"));
        assert_eq!(denied(outcome), "bmc-credential.write", "{beyond}");
    }
    assert_eq!(
        denied(bob(
            &mut log,
            "discovery.write",
            bmc_credentials::put("default", "admin")
        )),
        "bmc-credential.write"
    );
    kim(&mut log, bmc_credentials::delete("bmc:x0c0s0b0")).unwrap();
}

/// Nobody sees a password, so its command says whose it is.
#[test]
fn a_next_password_needs_the_right_for_its_bmc() {
    let mut log = with_parts();
    denied(kim(&mut log, bmc_credentials::put_next("x0c0s1b0")));
    kim(&mut log, bmc_credentials::put_next("x0c0s0b0")).unwrap();
    kim(&mut log, bmc_credentials::keep("x0c0s0b0")).unwrap();
    kim(&mut log, bmc_credentials::put_next("x0c0s0b0")).unwrap();
    kim(&mut log, bmc_credentials::forget("x0c0s0b0")).unwrap();
    let by_bob = bob(&mut log, "smd.write", bmc_credentials::put_next("x0c0s0b0"));
    assert_eq!(denied(by_bob), "bmc-credential.write");
    assert!(log.state.cluster.secret("bmc-next/x0c0s0b0").is_none());
}

#[test]
fn a_narrow_token_for_credentials_is_enough_for_them() {
    let mut log = with_parts();
    let narrow = Grant {
        scope: Some("bmc-credential.write".into()),
        ..grant("bmc-credential.write", &["keys"])
    };
    let put = bmc_credentials::put("bmc:x0c0s0b0", "root");
    granted(&mut log, "user/kim", narrow.clone(), put).unwrap();
    let secret = log.state.cluster.secret("bmc/x0c0s0b0");
    assert_eq!(secret.unwrap().as_ref(), &sealed("bmc/x0c0s0b0"));
    let keep = bmc_credentials::put_next("x0c0s0b0");
    granted(&mut log, "user/kim", narrow, keep).unwrap();
}

/// What an endpoint was known by goes with it, and is no change of the author's.
#[test]
fn who_deletes_an_endpoint_needs_no_right_for_its_credential() {
    let mut log = with_parts();
    log.ok(bmc_credentials::put("bmc:x0c0s0b0", "root"));
    log.ok(firmware::put(vec![firmware::inventory("x0c0s0b0")]));
    log.ok(put_role("inventory", &["smd.write"]));
    log.ok(put(policy("inventory", "inventory", &["user/eve"])));
    let delete = DeleteRedfishEndpoints {
        ids: texts(&["x0c0s0b0"]),
        ..DeleteRedfishEndpoints::default()
    };
    granted(&mut log, "user/eve", grant("smd.write", &["inventory"]), delete).unwrap();
    assert_eq!(log.state.discovery.credentials().count(), 0);
    assert_eq!(log.state.discovery.firmwares().count(), 0);
    assert!(log.state.cluster.secret("bmc/x0c0s0b0").is_none());
}
