//! What somebody who acts by policies may change: looked at object by object, on the state before the entry.

use model::Rejection;
use proto::auth::v1::auth_command::{DeleteApiToken, DeletePolicy, EndSession};
use proto::auth::v1::{Grant, Policy};
use proto::bss::v1::bss_command::{Rollback, Step, Together, step};
use proto::bss::v1::{BootConfiguration, BootParametersEntry, bss_command};
use proto::raft::v1::{Header, outcome};
use proto::smd::v1::SmdCommand;
use proto::smd::v1::smd_command::{
    AddGroupMember, Change, DeleteComponents, PatchComponents, RemoveGroupMember,
};
use state::RowKind;
use state::auth::Part;

use crate::auth_support::{
    HOUR_MS, ID, api_token, create_token, grant, granted, later, login, open, policy, put, put_role, revoke,
    texts,
};
use crate::boot_configurations::{configuration, put as put_configuration};
use crate::create_components::{component, create};
use crate::support::{IntoCommand, Log, START_MS};
use crate::{cloud_init_groups, ethernet_interfaces, groups, partitions, profiles, reservations};

const A: &str = "x0c0s0b0n0";
const B: &str = "x0c0s1b0n0";
const ADA: &str = "user/ada";

type Done = Result<outcome::Applied, Rejection>;

/// Two nodes, of which the first is in group `compute`; `user/ada` is an operator there.
fn world() -> Log {
    let mut log = Log::latest();
    log.ok(create(vec![component(A), component(B)]));
    log.ok(groups::create(groups::group("compute", &[A])));
    log.ok(put(of_compute()));
    log
}

fn of_compute() -> Policy {
    Policy {
        groups: texts(&["compute"]),
        ..policy("part", "operator", &[ADA])
    }
}

fn patch(ids: &[&str], role: &str) -> PatchComponents {
    PatchComponents {
        ids: texts(ids),
        role: Some(role.into()),
        ..PatchComponents::default()
    }
}

fn ada(log: &mut Log, command: impl IntoCommand) -> Done {
    granted(log, ADA, grant("smd.write", &["part"]), command)
}

fn ada_boots(log: &mut Log, command: impl IntoCommand) -> Done {
    granted(log, ADA, grant("bss.write", &["part"]), command)
}

fn denied(permission: &str) -> Done {
    Err(Rejection::Denied {
        permission: permission.into(),
    })
}

fn role_of(log: &Log, id: &str) -> String {
    let component = log.state.smd.component(&id.parse().unwrap());
    component.unwrap().role.clone()
}

fn replace(keys: &[&str], params: &str) -> bss_command::Replace {
    bss_command::Replace {
        keys: texts(keys),
        values: Some(BootParametersEntry {
            params: params.into(),
            ..BootParametersEntry::default()
        }),
    }
}

#[test]
fn a_change_in_the_part_is_made() {
    let mut log = world();
    assert_eq!(ada(&mut log, patch(&[A], "Service")).unwrap().updated, [A]);
    assert_eq!(role_of(&log, A), "Service");
    let stored = log.state.smd.component(&A.parse().unwrap()).unwrap();
    let meta = stored.meta.clone().unwrap();
    assert_eq!(meta.modified.unwrap().principal, ADA);
}

/// `Log::apply_entry` checks that a refusal touches no object.
#[test]
fn one_object_outside_refuses_all_of_a_bulk_change() {
    let mut log = world();
    let before = role_of(&log, A);
    assert_eq!(ada(&mut log, patch(&[A, B], "Service")), denied("smd.write"));
    assert_eq!(role_of(&log, A), before);
    assert_eq!(
        ada_boots(&mut log, replace(&[A, "Default"], "quiet")),
        denied("bss.write")
    );
    ada_boots(&mut log, replace(&[A], "quiet")).unwrap();
}

/// The member that took the request may not have heard of it yet.
#[test]
fn a_policy_deleted_earlier_in_the_log_gives_nothing() {
    let mut log = world();
    log.ok(DeletePolicy { name: "part".into() });
    assert_eq!(ada(&mut log, patch(&[A], "Service")), denied("smd.write"));
    // one of the same name counts as it is now
    let elsewhere = Policy {
        groups: vec![],
        hosts: texts(&[B]),
        ..of_compute()
    };
    log.ok(put(elsewhere));
    assert_eq!(ada(&mut log, patch(&[A], "Service")), denied("smd.write"));
    ada(&mut log, patch(&[B], "Service")).unwrap();
}

#[test]
fn a_grant_gives_what_its_policies_give_and_to_whom_they_give_it() {
    let mut log = world();
    log.ok(put_role("patcher", &["smd.write"]));
    log.ok(put(policy("ops", "patcher", &["group/ops"])));
    let of = |permission: &str, policies: &[&str], groups: &[&str]| Grant {
        groups: texts(groups),
        ..grant(permission, policies)
    };
    let mut try_it = |who: &str, grant: Grant| {
        let done = granted(&mut log, who, grant, patch(&[A], "Service"));
        done.map(|_| ())
    };
    let no = |permission: &str| denied(permission).map(|_| ());
    assert_eq!(
        try_it("user/bob", of("smd.write", &["part"], &[])),
        no("smd.write")
    );
    assert_eq!(try_it(ADA, of("dhcp.write", &["part"], &[])), no("dhcp.write"));
    assert_eq!(try_it(ADA, of("smd.write", &[], &[])), no("smd.write"));
    assert_eq!(try_it(ADA, of("smd.write", &["none"], &[])), no("smd.write"));
    assert_eq!(
        try_it("user/bob", of("smd.write", &["ops"], &[])),
        no("smd.write")
    );
    assert_eq!(
        try_it("user/bob", of("bss.write", &["ops"], &["ops"])),
        no("bss.write")
    );
    assert_eq!(
        try_it("user/bob", of("smd.write", &["none", "ops"], &["ops"])),
        Ok(())
    );
    let many = vec!["part"; 33];
    let refused = try_it(ADA, of("smd.write", &many, &[])).unwrap_err().to_string();
    assert!(refused.starts_with("header.grant.policies: "), "{refused}");
}

#[test]
fn a_revoked_token_gives_nothing() {
    let by_certificate = || Grant {
        token_id: String::new(),
        certificate_sha256: vec![0xab; 32],
        ..grant("smd.write", &["part"])
    };
    let by_token = || grant("smd.write", &["part"]);
    for (id, before_ms, token, certificate) in [
        ("jti/t1".to_owned(), 0, false, true),
        ("jti/t2".to_owned(), 0, true, true),
        (format!("certificate/{}", "AB".repeat(32)), 0, true, false),
        ("principal/user/ada".to_owned(), START_MS + 1, false, false),
        ("principal/user/ada".to_owned(), START_MS, true, true),
        ("principal/user/bob".to_owned(), START_MS + 1, true, true),
    ] {
        let mut log = world();
        log.ok(revoke(&id, before_ms));
        let done = granted(&mut log, ADA, by_token(), patch(&[A], "Service"));
        assert_eq!(done.is_ok(), token, "{id} before {before_ms}: {done:?}");
        let done = granted(&mut log, ADA, by_certificate(), patch(&[A], "Management"));
        assert_eq!(done.is_ok(), certificate, "{id} before {before_ms}: {done:?}");
    }
}

/// It is looked up in the log's own order, so no member can be too far behind to know.
#[test]
fn an_ended_login_or_a_deleted_token_gives_nothing() {
    let mut log = world();
    log.ok(open(login(ID, ADA)));
    log.ok(create_token(api_token(ID, ADA)));
    let by_login = |id: &str| Grant {
        session_id: id.into(),
        ..grant("smd.write", &["part"])
    };
    let by_api_token = || Grant {
        token_id: ID.into(),
        issued_at_ms: 0,
        ..grant("smd.write", &["part"])
    };
    granted(&mut log, ADA, by_login(ID), patch(&[A], "Service")).unwrap();
    granted(&mut log, ADA, by_api_token(), patch(&[A], "Management")).unwrap();
    let unknown = granted(
        &mut log,
        ADA,
        by_login("1111111111111111"),
        patch(&[A], "Service"),
    );
    assert_eq!(unknown, denied("smd.write"));
    log.ok(EndSession { id: ID.into() });
    assert_eq!(
        granted(&mut log, ADA, by_login(ID), patch(&[A], "Service")),
        denied("smd.write")
    );
    log.ok(DeleteApiToken { id: ID.into() });
    assert_eq!(
        granted(&mut log, ADA, by_api_token(), patch(&[A], "Service")),
        denied("smd.write")
    );
}

/// Of another principal, for less than is asked, or over.
#[test]
fn a_token_gives_no_more_than_it_was_made_for() {
    let mut log = world();
    for (id, principal, permissions, works) in [
        ("0000000000000001", ADA, &["smd.*"][..], true),
        ("0000000000000002", ADA, &["*.read", "bss.*"][..], false),
        ("0000000000000003", "user/bob", &["*.*"][..], false),
    ] {
        let token = create_token(proto::auth::v1::ApiToken {
            permissions: texts(permissions),
            ..api_token(id, principal)
        });
        log.ok(token);
        let by_it = Grant {
            token_id: id.into(),
            issued_at_ms: 0,
            ..grant("smd.write", &["part"])
        };
        assert_eq!(
            granted(&mut log, ADA, by_it.clone(), patch(&[A], "Service")).is_ok(),
            works,
            "{id}"
        );
        let mut then = log.clone();
        then.now_ms = START_MS + 24 * HOUR_MS;
        assert_eq!(
            granted(&mut then, ADA, by_it, patch(&[A], "Management")),
            denied("smd.write")
        );
    }
}

#[test]
fn members_of_a_group_are_those_before_the_entry() {
    let mut log = world();
    log.ok(AddGroupMember {
        label: "compute".into(),
        ids: texts(&[B]),
        ..AddGroupMember::default()
    });
    ada(&mut log, patch(&[A, B], "Service")).unwrap();
    log.ok(RemoveGroupMember {
        label: "compute".into(),
        ids: texts(&[A]),
        ..RemoveGroupMember::default()
    });
    assert_eq!(ada(&mut log, patch(&[A], "Management")), denied("smd.write"));
}

/// Whoever could change who is in his group would give himself rights.
#[test]
fn group_and_partition_objects_are_in_no_part() {
    let mut log = world();
    log.ok(partitions::create(partitions::partition("p1", &[A])));
    let in_p1 = Policy {
        partitions: texts(&["p1"]),
        kinds: vec![],
        ..of_compute()
    };
    log.ok(put(in_p1));
    ada(&mut log, patch(&[A], "Service")).unwrap();
    let add = AddGroupMember {
        label: "compute".into(),
        ids: texts(&[B]),
        ..AddGroupMember::default()
    };
    assert_eq!(ada(&mut log, add), denied("smd.write"));
    assert_eq!(
        ada(&mut log, groups::create(groups::group("mine", &[A]))),
        denied("smd.write")
    );
    let gone = DeleteComponents {
        ids: texts(&[A]),
        ..DeleteComponents::default()
    };
    assert_eq!(
        ada(&mut log, gone),
        denied("smd.write"),
        "it would leave its group"
    );
    // of these kinds everywhere, but not of itself
    let kinds = Policy {
        kinds: texts(&["component", "group", "partition", "policy", "role"]),
        ..policy("part", "admin", &[ADA])
    };
    log.ok(put(kinds));
    ada(&mut log, patch(&[B], "Service")).unwrap();
    assert_eq!(
        ada(&mut log, groups::create(groups::group("mine", &[A]))),
        denied("smd.write")
    );
    let wider = granted(
        &mut log,
        ADA,
        grant("auth.write", &["part"]),
        put(policy("all", "admin", &[ADA])),
    );
    assert_eq!(wider, denied("auth.write"));
}

/// A reservation keeps others from a node, and nobody would see it.
#[test]
fn a_change_without_events_is_refused_to_a_part() {
    let mut log = world();
    assert_eq!(
        ada(&mut log, reservations::reserve(&[A], 15)),
        denied("smd.write")
    );
    log.ok(put(policy("part", "operator", &[ADA])));
    ada(&mut log, reservations::reserve(&[A], 15)).unwrap();
}

#[test]
fn expired_policies_give_nothing() {
    let mut log = world();
    let soon_over = Policy {
        expires_at_ms: START_MS + 10,
        ..of_compute()
    };
    log.ok(put(soon_over));
    log.now_ms = START_MS + 9;
    ada(&mut log, patch(&[A], "Service")).unwrap();
    log.now_ms = START_MS + 10;
    assert_eq!(ada(&mut log, patch(&[A], "Management")), denied("smd.write"));
}

#[test]
fn rollback_and_together_are_judged_too() {
    let mut log = world();
    let first = log.next_index();
    log.ok(replace(&[A, B], "one"));
    log.ok(replace(&[A, B], "two"));
    let back = |id: &str| Rollback {
        kind: RowKind::BootParameters as u32,
        id: id.into(),
        revision: first,
        if_revision: None,
    };
    assert_eq!(ada_boots(&mut log, back(B)), denied("bss.write"));
    ada_boots(&mut log, back(A)).unwrap();
    assert_eq!(log.state.bss.entry(A).unwrap().params, "one");
    assert_eq!(log.state.bss.entry(B).unwrap().params, "two");
    let step = |id: &str, role: &str| Step {
        change: Some(step::Change::Smd(SmdCommand {
            change: Some(Change::PatchComponents(patch(&[id], role))),
        })),
    };
    let both = Together {
        steps: vec![step(A, "Service"), step(B, "Service")],
    };
    assert_eq!(ada(&mut log, both), denied("smd.write"));
    let one = Together {
        steps: vec![step(A, "Service"), step(A, "Management")],
    };
    ada(&mut log, one).unwrap();
    assert_eq!(role_of(&log, A), "Management");
}

#[test]
fn validate_only_is_judged_alike() {
    let log = world();
    let header = Header {
        principal: ADA.into(),
        proposed_at_ms: log.now_ms,
        random: vec![7; 16],
        grant: Some(grant("smd.write", &["part"])),
        ..Header::default()
    };
    let trial = |ids: &[&str]| {
        let command = patch(ids, "Service").into_command();
        let (outcome, events) = log.state.clone().try_out(&header, &command);
        (outcome.err(), events.len())
    };
    assert_eq!(trial(&[A]), (None, 1));
    assert_eq!(trial(&[A, B]), (denied("smd.write").err(), 0));
}

/// What is there and is not his, and what is not there at all, must read alike; so must what is said to stand in the way.
#[test]
fn existence_is_not_told() {
    let mut log = world();
    let absent = "x0c0s9b0n0";
    for id in [B, absent] {
        assert_eq!(
            ada(&mut log, patch(&[id], "Service")),
            denied("smd.write"),
            "{id}"
        );
        assert_eq!(
            ada(&mut log, patch(&[A, id], "Service")),
            denied("smd.write"),
            "{id}"
        );
        let gone = DeleteComponents {
            ids: texts(&[id]),
            ..DeleteComponents::default()
        };
        assert_eq!(ada(&mut log, gone), denied("smd.write"), "{id}");
    }
    for id in [B, absent] {
        let add = AddGroupMember {
            label: "compute".into(),
            ids: texts(&[id]),
            ..AddGroupMember::default()
        };
        assert_eq!(ada(&mut log, add), denied("smd.write"), "{id}");
    }
    // what is wrong with the request alone is told
    let wrong = ada(&mut log, patch(&["nonsense"], "Service"));
    assert!(matches!(wrong, Err(Rejection::Invalid { .. })), "{wrong:?}");
    // nor by naming what B owns
    log.ok(ethernet_interfaces::create(
        "02:00:00:00:00:a1",
        B,
        &["10.97.0.17"],
    ));
    let taken = ethernet_interfaces::create("02:00:00:00:00:a2", A, &["10.97.0.17"]);
    let refused = ada(&mut log, taken).unwrap_err().to_string();
    assert!(!refused.contains(B) && !refused.contains("a1"), "{refused}");
    // a place that is his, where nothing is, is told of
    log.ok(put(Policy {
        hosts: texts(&["x0"]),
        ..of_compute()
    }));
    let gone = DeleteComponents {
        ids: texts(&[absent]),
        ..DeleteComponents::default()
    };
    let done = ada(&mut log, gone);
    assert!(!matches!(done, Err(Rejection::Denied { .. })), "{done:?}");
}

/// It would leave somebody else's node, or come to his.
#[test]
fn an_object_is_in_the_part_before_and_after() {
    let mut log = world();
    log.ok(ethernet_interfaces::create("02:00:00:00:00:a1", A, &[]));
    log.ok(ethernet_interfaces::create("02:00:00:00:00:b1", B, &[]));
    let moved = |mac: &str, to: &str| proto::smd::v1::smd_command::PatchEthernetInterface {
        id: mac.into(),
        component_id: Some(to.into()),
        ..Default::default()
    };
    assert_eq!(ada(&mut log, moved("02:00:00:00:00:a1", B)), denied("smd.write"));
    assert_eq!(ada(&mut log, moved("02:00:00:00:00:b1", A)), denied("smd.write"));
}

/// What follows from it elsewhere is not the author's: the address that a node has lost is held.
#[test]
fn consequences_are_not_judged() {
    let mut log = world();
    log.ok(crate::subnets::put(crate::dhcp_leases::with_pool()));
    log.ok(ethernet_interfaces::create(
        "02:00:00:00:00:a1",
        A,
        &["10.97.0.17"],
    ));
    let gone = proto::smd::v1::smd_command::DeleteEthernetInterfaces {
        ids: texts(&["02:00:00:00:00:a1"]),
        ..Default::default()
    };
    ada(&mut log, gone).unwrap();
    let address = "10.97.0.17".parse().unwrap();
    assert!(log.state.dhcp.held(address, log.now_ms).is_some());
}

/// One policy gives components everywhere, another everything in one group: boot parameters elsewhere are given by neither.
#[test]
fn what_two_policies_give_is_not_mixed() {
    let mut log = world();
    let components = Policy {
        kinds: texts(&["component"]),
        ..policy("components", "operator", &[ADA])
    };
    log.ok(put(components));
    let both = |permission: &str| grant(permission, &["components", "part"]);
    granted(&mut log, ADA, both("smd.write"), patch(&[A, B], "Service")).unwrap();
    granted(&mut log, ADA, both("bss.write"), replace(&[A], "quiet")).unwrap();
    let elsewhere = granted(&mut log, ADA, both("bss.write"), replace(&[B], "quiet"));
    assert_eq!(elsewhere, denied("bss.write"));
    let policies: Vec<_> = log.state.auth.policies().cloned().collect();
    let part = Part::of(&policies, &log.state.smd, log.now_ms);
    assert!(part.has_component(B) && !part.is_everything());
    assert!(part.of_kind(RowKind::Component).has_component(B));
    assert!(!part.of_kind(RowKind::BootParameters).has_component(B));
    assert!(part.of_kind(RowKind::BootParameters).has_component(A));
    assert!(part.has_kind(RowKind::Subnet) && part.has_group("compute"));
}

/// Whoever a boot configuration selects, now or later, must be in the part.
#[test]
fn a_boot_configuration_is_in_the_part_if_all_that_it_selects_is() {
    let mut log = world();
    log.ok(put(Policy {
        hosts: texts(&["x[1-2]", B]),
        ..of_compute()
    }));
    let with = |hosts: &[&str], groups: &[&str]| BootConfiguration {
        hosts: texts(hosts),
        groups: texts(groups),
        ..configuration("c")
    };
    for inside in [
        with(&[A], &[]),
        with(&[A, B, "x1c0s0b0n0"], &[]),
        with(&["x[1-2]c*s*b0n0"], &[]),
        with(&["x2"], &["compute"]),
        with(&[], &["compute"]),
    ] {
        let done = ada_boots(&mut log.clone(), put_configuration(inside.clone()));
        assert!(done.is_ok(), "{inside:?}: {done:?}");
    }
    for outside in [
        with(&[A, "x0c0s2b0n0"], &[]),
        with(&["x[1-3]"], &[]),
        with(&["x0c0s0b0"], &[]),
        with(&["x*"], &[]),
        with(&[A], &["io"]),
        BootConfiguration {
            is_default: true,
            ..with(&[A], &[])
        },
        BootConfiguration {
            nids: vec![1],
            ..with(&[A], &[])
        },
        BootConfiguration {
            roles: texts(&["Compute"]),
            ..with(&[A], &[])
        },
        BootConfiguration {
            macs: texts(&["02:00:00:00:00:01"]),
            ..with(&[A], &[])
        },
    ] {
        let done = ada_boots(&mut log.clone(), put_configuration(outside.clone()));
        assert_eq!(done, denied("bss.write"), "{outside:?}");
    }
}

#[test]
fn what_is_kept_under_a_groups_name_and_for_its_nodes_is_in_the_part() {
    let mut log = world();
    log.ok(put(Policy {
        role: "boot-admin".into(),
        ..of_compute()
    }));
    let mut cloud_init = |command: proto::raft::v1::entry::Command| {
        granted(&mut log, ADA, grant("cloud-init.write", &["part"]), command).map(|_| ())
    };
    let no = denied("cloud-init.write").map(|_| ());
    let group = |name: &str| cloud_init_groups::put(cloud_init_groups::group(name)).into_command();
    assert_eq!(cloud_init(group("compute")), Ok(()));
    assert_eq!(cloud_init(group("io")), no);
    let profile = |nodes: &[&str]| profiles::put(profiles::profile("test", nodes)).into_command();
    assert_eq!(cloud_init(profile(&[A])), Ok(()));
    assert_eq!(cloud_init(profile(&[A, B])), no);
}

/// Whoever has a policy for all of it is an administrator of that; time passes, and nothing is looked at object by object.
#[test]
fn everything_is_everything() {
    let mut log = world();
    log.ok(put(policy("all", "admin", &[ADA])));
    let all = |permission: &str| grant(permission, &["all"]);
    log.now_ms += 3 * HOUR_MS;
    later(&mut log, patch(&[A], "Service")).unwrap();
    granted(&mut log, ADA, all("smd.write"), patch(&[A, B], "Management")).unwrap();
    granted(
        &mut log,
        ADA,
        all("smd.write"),
        groups::create(groups::group("mine", &[B])),
    )
    .unwrap();
    granted(
        &mut log,
        ADA,
        all("auth.write"),
        put(policy("more", "viewer", &["user/bob"])),
    )
    .unwrap();
    // and is told why something cannot be
    let taken = granted(
        &mut log,
        ADA,
        all("smd.write"),
        groups::create(groups::group("mine", &[B])),
    );
    assert!(matches!(taken, Err(Rejection::AlreadyExists { .. })), "{taken:?}");
}
