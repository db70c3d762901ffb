//! Rights of one area change nothing of another, and users without policies are administrators until there is a policy.

use model::Rejection;
use proto::auth::v1::auth_command::{DeletePolicy, EndSession};
use proto::auth::v1::{ApiToken, Grant, LoginSession};
use proto::bss::v1::bss_command::{Rollback, Step, Together, step};
use proto::cloud_init::v1::cloud_init_command::Change as CloudInitChange;
use proto::cloud_init::v1::{CloudInitCommand, Group as CloudInitGroup};
use proto::smd::v1::SmdCommand;
use proto::smd::v1::smd_command::{AddGroupMember, Change, PatchComponents};
use state::bounds::SESSION_GROUPS_MAX;
use state::{RowKind, State};

use crate::auth_support::{
    ID, api_token, create_token, grant, granted, login, open, policy, put, put_role, revoke, texts,
};
use crate::create_components::{component, create};
use crate::support::Log;
use crate::{cloud_init_groups, groups};

const A: &str = "x0c0s0b0n0";
const B: &str = "x0c0s1b0n0";
const ADA: &str = "user/ada";

fn denied(permission: &str) -> Rejection {
    Rejection::Denied {
        permission: permission.into(),
    }
}

/// Two nodes and a group that has none; `user/ada` may write boot data everywhere.
fn world() -> Log {
    let mut log = Log::latest();
    log.ok(create(vec![component(A), component(B)]));
    log.ok(groups::create(groups::group("admins", &[])));
    log.ok(put_role("boots", &["bss.write"]));
    log.ok(put_role("inventory", &["smd.write"]));
    log.ok(put(policy("boot", "boots", &[ADA])));
    log
}

fn by_boot() -> Grant {
    grant("bss.write", &["boot"])
}

fn together(steps: Vec<step::Change>) -> Together {
    let step = |change| Step { change: Some(change) };
    Together {
        steps: steps.into_iter().map(step).collect(),
    }
}

/// What `NodeSpec.groups` of the boot service becomes.
fn joins(label: &str, id: &str) -> step::Change {
    step::Change::Smd(SmdCommand {
        change: Some(Change::AddGroupMember(AddGroupMember {
            label: label.into(),
            ids: texts(&[id]),
            ..AddGroupMember::default()
        })),
    })
}

fn patches(id: &str) -> step::Change {
    step::Change::Smd(SmdCommand {
        change: Some(Change::PatchComponents(PatchComponents {
            ids: texts(&[id]),
            role: Some("Service".into()),
            ..PatchComponents::default()
        })),
    })
}

fn puts_group(name: &str) -> step::Change {
    let group = CloudInitGroup {
        name: name.into(),
        ..CloudInitGroup::default()
    };
    step::Change::CloudInit(CloudInitCommand {
        change: Some(CloudInitChange::PutGroup(cloud_init_groups::put(group))),
    })
}

/// Whoever may write boot data could otherwise make any node a member of any group, and so change what others are given.
#[test]
fn a_boot_right_makes_no_members_of_groups() {
    let mut log = world();
    let join = || together(vec![joins("admins", A)]);
    assert_eq!(
        granted(&mut log, ADA, by_boot(), join()),
        Err(denied("smd.write"))
    );
    let group = log.state.smd.group("admins").unwrap();
    assert!(
        group
            .members
            .as_ref()
            .is_none_or(|members| members.ids.is_empty())
    );
    // in a part it is not enough: members decide what others are given
    log.ok(put(proto::auth::v1::Policy {
        hosts: texts(&[A]),
        ..policy("nodes", "inventory", &[ADA])
    }));
    assert_eq!(
        granted(&mut log, ADA, by_boot(), join()),
        Err(denied("smd.write"))
    );
    log.ok(put(policy("all", "inventory", &[ADA])));
    granted(&mut log, ADA, by_boot(), join()).unwrap();
}

/// Each area by what is given of it: boot data everywhere, components of one node.
#[test]
fn every_area_has_a_part_of_its_own() {
    let mut log = world();
    log.ok(put(proto::auth::v1::Policy {
        hosts: texts(&[A]),
        ..policy("nodes", "inventory", &[ADA])
    }));
    granted(&mut log, ADA, by_boot(), together(vec![patches(A)])).unwrap();
    let both = together(vec![patches(A), patches(B)]);
    assert_eq!(granted(&mut log, ADA, by_boot(), both), Err(denied("smd.write")));
}

#[test]
fn a_rollback_of_cloud_init_needs_a_right_of_cloud_init() {
    let mut log = world();
    let with = |content: &str| CloudInitGroup {
        description: content.into(),
        ..cloud_init_groups::group("compute")
    };
    let first = log.next_index();
    log.ok(cloud_init_groups::put(with("one")));
    log.ok(cloud_init_groups::put(with("two")));
    let back = || Rollback {
        kind: RowKind::CloudInitGroup as u32,
        id: "compute".into(),
        revision: first,
        if_revision: None,
    };
    assert_eq!(
        granted(&mut log, ADA, by_boot(), back()),
        Err(denied("cloud-init.write"))
    );
    assert_eq!(
        granted(&mut log, ADA, by_boot(), together(vec![puts_group("compute")])),
        Err(denied("cloud-init.write"))
    );
    log.ok(put(policy("ci", "boot-admin", &[ADA])));
    granted(&mut log, ADA, by_boot(), back()).unwrap();
}

/// A token that was made for boot data changes nothing else by it, whatever its principal is given.
#[test]
fn a_token_is_no_wider_in_another_area() {
    let mut log = world();
    log.ok(put(policy("all", "admin", &[ADA])));
    log.ok(create_token(ApiToken {
        permissions: texts(&["bss.*"]),
        ..api_token(ID, ADA)
    }));
    let join = || together(vec![joins("admins", A)]);
    let by_api_token = Grant {
        token_id: ID.into(),
        issued_at_ms: 0,
        ..by_boot()
    };
    let narrow = |scope: &str| Grant {
        scope: Some(scope.into()),
        ..by_boot()
    };
    for shown in [by_api_token, narrow("bss.write"), narrow("bss.* smd.read")] {
        assert_eq!(
            granted(&mut log, ADA, shown.clone(), join()),
            Err(denied("smd.write")),
            "{shown:?}"
        );
    }
    assert_eq!(
        granted(&mut log, ADA, narrow("smd.write"), join()),
        Err(denied("bss.write")),
        "nor is it good for what it does not name itself"
    );
    granted(&mut log, ADA, narrow("bss.write smd.*"), join()).unwrap();
}

/// The groups of the author count in the other area, too.
#[test]
fn groups_give_rights_in_other_areas() {
    let mut log = world();
    log.ok(put(policy("ops", "inventory", &["group/ops"])));
    let join = || together(vec![joins("admins", A)]);
    let with = |groups: &[&str]| Grant {
        groups: texts(groups),
        ..by_boot()
    };
    assert_eq!(
        granted(&mut log, ADA, with(&["staff"]), join()),
        Err(denied("smd.write"))
    );
    granted(&mut log, ADA, with(&["ops", "staff"]), join()).unwrap();
    let many: Vec<String> = (0..=SESSION_GROUPS_MAX).map(|n| format!("g{n:03}")).collect();
    let too_many = Grant {
        groups: many,
        ..by_boot()
    };
    let refused = granted(&mut log, ADA, too_many, join()).unwrap_err().to_string();
    assert!(refused.starts_with("header.grant.groups: "), "{refused}");
}

/// What access tokens are made of, a token for machines as well as a login.
#[test]
fn an_access_token_of_an_api_token_writes() {
    let mut log = world();
    log.ok(create_token(ApiToken {
        permissions: texts(&["bss.*"]),
        ..api_token(ID, ADA)
    }));
    log.ok(put(policy("patches", "inventory", &[ADA])));
    let of = |permission: &str, policy: &str| Grant {
        session_id: ID.into(),
        ..grant(permission, &[policy])
    };
    let patch = || together(vec![patches(A)]);
    // it is the principal's, but not the token's
    assert_eq!(
        granted(&mut log, ADA, of("smd.write", "patches"), patch()),
        Err(denied("smd.write"))
    );
    log.ok(create_token(ApiToken {
        permissions: texts(&["bss.*", "smd.write"]),
        ..api_token("1111111111111111", ADA)
    }));
    let by_other = Grant {
        session_id: "1111111111111111".into(),
        ..grant("smd.write", &["patches"])
    };
    granted(&mut log, ADA, by_other.clone(), patch()).unwrap();
    log.ok(revoke("session/1111111111111111", 0));
    assert_eq!(
        granted(&mut log, ADA, by_other, patch()),
        Err(denied("smd.write"))
    );
    // another's
    log.ok(create_token(api_token("2222222222222222", "user/bob")));
    let anothers = Grant {
        session_id: "2222222222222222".into(),
        ..grant("smd.write", &["patches"])
    };
    assert_eq!(
        granted(&mut log, ADA, anothers, patch()),
        Err(denied("smd.write"))
    );
}

fn by_certificate() -> Grant {
    Grant {
        token_id: String::new(),
        certificate_sha256: vec![0xab; 32],
        ..grant("smd.write", &[])
    }
}

/// Two at once: the first policy, and a change of somebody whom the member still took for an administrator.
#[test]
fn the_first_policy_ends_what_users_certificates_were() {
    let mut log = Log::latest();
    log.ok(create(vec![component(A)]));
    let patch = || together(vec![patches(A), joins("admins", A)]);
    log.ok(groups::create(groups::group("admins", &[])));
    granted(&mut log, ADA, by_certificate(), patch()).unwrap();
    for nobody in [
        Grant {
            token_id: "t1".into(),
            ..by_certificate()
        },
        Grant {
            session_id: ID.into(),
            ..by_certificate()
        },
    ] {
        let done = granted(&mut log, ADA, nobody, patch());
        assert_eq!(done, Err(denied("smd.write")), "a token needs a policy always");
    }
    let service = granted(&mut log, "service/x", by_certificate(), patch());
    assert_eq!(service, Err(denied("smd.write")));
    log.ok(put(policy("first", "viewer", &["user/bob"])));
    assert_eq!(
        granted(&mut log, ADA, by_certificate(), patch()),
        Err(denied("smd.write"))
    );
}

/// A revoked certificate is none, before there is a policy, too.
#[test]
fn a_revoked_certificate_is_no_administrators() {
    let mut log = Log::latest();
    log.ok(create(vec![component(A)]));
    log.ok(revoke(&format!("certificate/{}", "ab".repeat(32)), 0));
    let done = granted(&mut log, ADA, by_certificate(), together(vec![patches(A)]));
    assert_eq!(done, Err(denied("smd.write")));
}

/// Or the end of the last one would make administrators of everybody who has a certificate.
#[test]
fn what_the_first_policy_has_ended_stays_ended() {
    let mut log = Log::latest();
    log.ok(create(vec![component(A)]));
    assert!(!log.state.auth.has_policies());
    log.ok(put(policy("first", "viewer", &["user/bob"])));
    log.ok(DeletePolicy { name: "first".into() });
    assert_eq!(log.state.auth.policies().count(), 0);
    assert!(log.state.auth.has_policies());
    let restored = State::from_rows(log.state.rows()).unwrap();
    assert!(restored.auth.has_policies());
    assert_eq!(restored.digest(), log.state.digest());
    let elsewhere = restored.into_another_cluster("0123456789abcdef".into(), 10, 9);
    assert!(elsewhere.auth.has_policies());
    let done = granted(&mut log, ADA, by_certificate(), together(vec![patches(A)]));
    assert_eq!(done, Err(denied("smd.write")));
}

/// Something that is so already is no change, and only of his own is it said.
#[test]
fn in_a_part_what_is_so_already_is_no_refusal() {
    let mut log = Log::latest();
    log.ok(create(vec![component(A), component(B)]));
    log.ok(put(proto::auth::v1::Policy {
        hosts: texts(&[A]),
        ..policy("part", "operator", &[ADA])
    }));
    let patch = |ids: &[&str]| PatchComponents {
        ids: texts(ids),
        role: Some("Service".into()),
        ..PatchComponents::default()
    };
    log.ok(patch(&[A, B]));
    let by = || grant("smd.write", &["part"]);
    let same = granted(&mut log, ADA, by(), patch(&[A])).unwrap();
    assert_eq!((same.unchanged, same.updated), (texts(&[A]), vec![]));
    assert_eq!(
        granted(&mut log, ADA, by(), patch(&[A, B])),
        Err(denied("smd.write"))
    );
    assert_eq!(
        granted(&mut log, ADA, by(), patch(&[B])),
        Err(denied("smd.write"))
    );
}

/// A login's limits count in the log, too.
#[test]
fn a_narrow_login_is_narrow_everywhere() {
    let mut log = world();
    log.ok(put(policy("all", "admin", &[ADA])));
    log.ok(open(LoginSession {
        permissions: texts(&["bss.write"]),
        ..login(ID, ADA)
    }));
    let by_login = || Grant {
        session_id: ID.into(),
        ..by_boot()
    };
    let join = together(vec![joins("admins", A)]);
    assert_eq!(granted(&mut log, ADA, by_login(), join), Err(denied("smd.write")));
    log.ok(EndSession { id: ID.into() });
    let patch = together(vec![patches(A)]);
    assert_eq!(
        granted(&mut log, ADA, by_login(), patch),
        Err(denied("bss.write"))
    );
}
