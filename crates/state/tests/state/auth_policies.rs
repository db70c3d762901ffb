//! Roles and policies as objects: what is stored, what is refused, and whom they give what.

use model::Rejection;
use proto::auth::v1::auth_command::{DeletePolicy, DeleteRole, PutAuthSecret};
use proto::auth::v1::{Policy, Role};
use state::auth::{policies_for, shipped_roles};
use state::bounds::{
    POLICIES_MAX, POLICY_NODE_SETS_MAX, POLICY_PRINCIPALS_MAX, POLICY_SELECTORS_MAX, ROLES_MAX,
};
use state::{Object, RowKind};

use crate::auth_support::{policy, put, put_role, sealed, texts};
use crate::support::{Log, START_MS};

fn delete(name: &str) -> DeletePolicy {
    DeletePolicy { name: name.into() }
}

fn delete_role(name: &str) -> DeleteRole {
    DeleteRole { name: name.into() }
}

#[test]
fn put_is_normalised_and_bounded() {
    let mut log = Log::latest();
    let given = Policy {
        description: "the night shift".into(),
        principals: texts(&["user/bob", "group/ops", "node/X01c0s0b0n0", "user/bob"]),
        hosts: texts(&["X01000C0,x3", "x[2,1]c0"]),
        groups: texts(&["Login", "compute"]),
        partitions: texts(&["P01", "p2"]),
        kinds: texts(&["component", "boot_configuration", "component"]),
        expires_at_ms: START_MS + 1,
        ..policy("night", "operator", &[])
    };
    assert_eq!(log.ok(put(given.clone())).created, ["night"]);
    let stored = Policy {
        principals: texts(&["group/ops", "node/x1c0s0b0n0", "user/bob"]),
        hosts: texts(&["x1000c0", "x3", "x[1-2]c0"]),
        groups: texts(&["compute", "login"]),
        partitions: texts(&["p1", "p2"]),
        kinds: texts(&["boot_configuration", "component"]),
        meta: log.created(),
        ..given
    };
    assert_eq!(log.state.auth.policy("night").as_deref(), Some(&stored));
    let replaced = log.apply(put(policy("night", "viewer", &["user/bob"])));
    let object = replaced.events[0].after().unwrap();
    assert!(matches!(object, Object::Policy(policy) if policy.hosts.is_empty()));
    assert_eq!((object.kind(), object.id().as_str()), (RowKind::Policy, "night"));
    assert_eq!(object.modified(), Some(log.last_change()));
    assert!(log.state.auth.has_policies());
    assert_eq!(log.ok(delete("night")).deleted, ["night"]);
    assert!(log.state.auth.has_policies(), "it stays so");
    assert!(matches!(log.refused(delete("night")), Rejection::NotFound { .. }));
}

#[test]
fn what_says_nothing_or_too_much_is_refused_by_its_field() {
    let mut log = Log::latest();
    let base = || policy("p", "viewer", &["user/ada"]);
    let many = |text: &str, count: usize| vec![text.to_owned(); count];
    for (field, wrong) in [
        ("name", policy("a b", "viewer", &["user/ada"])),
        ("role", policy("p", "", &["user/ada"])),
        ("role", policy("p", "Viewer", &["user/ada"])),
        ("principals", policy("p", "viewer", &[])),
        ("principals", policy("p", "viewer", &["token/admin"])),
        (
            "principals",
            Policy {
                principals: many("user/a", POLICY_PRINCIPALS_MAX + 1),
                ..base()
            },
        ),
        (
            "hosts",
            Policy {
                hosts: texts(&["x[3-1]"]),
                ..base()
            },
        ),
        (
            "hosts",
            Policy {
                hosts: many("x1", POLICY_SELECTORS_MAX + 1),
                ..base()
            },
        ),
        (
            "groups",
            Policy {
                groups: texts(&["a b"]),
                ..base()
            },
        ),
        (
            "partitions",
            Policy {
                partitions: texts(&["blue"]),
                ..base()
            },
        ),
        (
            "kinds",
            Policy {
                kinds: texts(&["Component"]),
                ..base()
            },
        ),
        (
            "description",
            Policy {
                description: "a\nb".into(),
                ..base()
            },
        ),
        (
            "expires_at_ms",
            Policy {
                expires_at_ms: START_MS,
                ..base()
            },
        ),
    ] {
        assert_eq!(log.invalid(put(wrong.clone())).0, field, "{wrong:?}");
    }
    assert_eq!(log.state.auth.policies().count(), 0);
}

#[test]
fn there_are_so_many_policies_nodesets_and_roles() {
    let mut log = Log::latest();
    let numbered = |n: usize| policy(&format!("p{n}"), "viewer", &["user/ada"]);
    log.fill((0..POLICIES_MAX).map(|n| put(numbered(n))));
    assert!(matches!(
        log.refused(put(numbered(POLICIES_MAX))),
        Rejection::Conflict { .. }
    ));
    log.ok(put(numbered(0)));
    let with_hosts = |n: usize, count: usize| Policy {
        hosts: (0..count).map(|host| format!("x{host}")).collect(),
        ..numbered(n)
    };
    let full = POLICY_NODE_SETS_MAX / POLICY_SELECTORS_MAX;
    log.fill((0..full).map(|n| put(with_hosts(n, POLICY_SELECTORS_MAX))));
    assert_eq!(log.invalid(put(with_hosts(full, 1))).0, "hosts");
    log.ok(put(with_hosts(0, 1)));
    let role = |n: usize| put_role(&format!("r{n}"), &["smd.read"]);
    log.fill((0..ROLES_MAX).map(role));
    assert!(matches!(log.refused(role(ROLES_MAX)), Rejection::Conflict { .. }));
}

#[test]
fn a_role_is_stored_sorted_beside_the_shipped_ones() {
    let mut log = Log::latest();
    log.ok(put_role("reader", &["smd.read", "bss.read", "smd.read"]));
    let stored = Role {
        name: "reader".into(),
        permissions: texts(&["bss.read", "smd.read"]),
        meta: log.created(),
        ..Role::default()
    };
    assert_eq!(log.state.auth.role("reader").as_deref(), Some(&stored));
    let names: Vec<String> = log.state.auth.roles().map(|role| role.name.clone()).collect();
    let expected = [
        "viewer",
        "operator",
        "boot-admin",
        "security-admin",
        "admin",
        "service",
        "node",
        "reader",
    ];
    assert_eq!(names, expected);
    assert_eq!(log.ok(put_role("reader", &["*.read"])).updated, ["reader"]);
    for (field, wrong) in [
        ("name", put_role("Reader", &["smd.read"])),
        ("permissions", put_role("reader", &[])),
        ("permissions", put_role("reader", &["smd"])),
    ] {
        assert_eq!(log.invalid(wrong).0, field);
    }
}

/// Whoever could make `viewer` mean everything would have everything.
#[test]
fn a_shipped_role_cannot_be_replaced() {
    let mut log = Log::latest();
    for role in shipped_roles() {
        assert_eq!(log.invalid(put_role(&role.name, &["*.*"])).0, "name");
        assert_eq!(log.invalid(delete_role(&role.name)).0, "name");
        assert_eq!(log.state.auth.role(&role.name).as_ref(), Some(role));
    }
    assert_eq!(log.state.objects().count(), 0, "they are not stored");
}

/// A role of that name that somebody makes later would give what nobody decided.
#[test]
fn a_role_in_use_is_not_deleted() {
    let mut log = Log::latest();
    log.ok(put_role("reader", &["smd.read"]));
    log.ok(put(policy("p", "reader", &["user/ada"])));
    let Rejection::Conflict { detail } = log.refused(delete_role("reader")) else {
        panic!("deleted")
    };
    assert!(detail.contains("policy p"), "{detail}");
    log.ok(delete("p"));
    assert_eq!(log.ok(delete_role("reader")).deleted, ["reader"]);
    assert!(matches!(
        log.refused(delete_role("reader")),
        Rejection::NotFound { .. }
    ));
}

#[test]
fn policies_are_found_by_principal_group_and_permission() {
    let mut log = Log::latest();
    for policy in [
        policy("d-ada", "operator", &["user/ada"]),
        policy("c-ops", "viewer", &["group/ops"]),
        policy("b-all", "viewer", &["user/*"]),
        policy("a-services", "service", &["service/*"]),
        policy("e-nothing", "missing", &["user/ada"]),
        Policy {
            expires_at_ms: START_MS + 10,
            ..policy("f-soon-over", "admin", &["user/ada"])
        },
    ] {
        log.ok(put(policy));
    }
    let names = |principal: &str, groups: &[&str], permission: &str, now_ms: u64| -> Vec<String> {
        let found = policies_for(&log.state.auth, principal, &texts(groups), permission, now_ms);
        found.into_iter().map(|policy| policy.name.clone()).collect()
    };
    let over = START_MS + 10;
    assert_eq!(
        names("user/ada", &["ops"], "smd.read", over),
        ["b-all", "c-ops", "d-ada"]
    );
    assert_eq!(names("user/ada", &[], "smd.write", over), ["d-ada"]);
    assert_eq!(names("user/ada", &[], "auth.write", over - 1), ["f-soon-over"]);
    assert_eq!(names("user/bob", &[], "smd.read", over), ["b-all"]);
    assert_eq!(names("service/ada", &[], "smd.write", over), ["a-services"]);
    assert_eq!(names("node/x0c0s0b0n0", &["ops"], "smd.read", over), ["c-ops"]);
    for nobody in ["token/ada", "member/1", "group/ops", "ada", ""] {
        assert_eq!(names(nobody, &[], "smd.read", over), [""; 0], "{nobody}");
    }
}

/// Members make one at the same time; a second one would break every login in progress.
#[test]
fn the_first_login_key_counts() {
    let mut log = Log::latest();
    let put = |name: &str, byte: u8| {
        let mut secret = sealed(name);
        secret.ciphertext = vec![byte; 8];
        PutAuthSecret { secret: Some(secret) }
    };
    assert_eq!(log.ok(put("login-key", 1)).created, ["login-key"]);
    assert_eq!(log.ok(put("login-key", 2)).unchanged, ["login-key"]);
    assert_eq!(log.state.cluster.secret("login-key").unwrap().ciphertext, [1; 8]);
    assert_eq!(log.invalid(put("advert-key", 1)).0, "secret.name");
    assert_eq!(log.invalid(PutAuthSecret { secret: None }).0, "secret");
}
