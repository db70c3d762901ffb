use raft::Store;

use super::*;
use crate::testing::{group, in_groups, on_hosts, policy, put, texts};

fn question(permission: &str, object: Object) -> Question {
    Question {
        principal: "user/ada".into(),
        groups: texts(&["ops"]),
        permission: permission.into(),
        object,
        kind: None,
    }
}

fn component(id: &str) -> Object {
    Object::Component(id.into())
}

/// Policy, whether it gives, and why.
fn told(store: &Store, question: &Question) -> Vec<(String, bool, String)> {
    let explained = explain(&store.state(), question, store.cluster_time_ms());
    let gives = explained.considered.iter().any(|one| one.gives);
    assert_eq!(explained.allowed, gives);
    let considered = explained.considered.into_iter();
    considered
        .map(|one| (one.policy, one.gives, one.reason))
        .collect()
}

fn reason(policy: &str, gives: bool, reason: &str) -> (String, bool, String) {
    (policy.to_owned(), gives, reason.to_owned())
}

#[tokio::test]
async fn every_policy_that_has_to_do_with_it_says_its_reason() {
    let store = Store::in_memory();
    group(&store, "gpu", &["x0c0s0b0n0"]).await;
    put(
        &store,
        in_groups(policy("a-gpu", "operator", &["group/ops"]), &["gpu"]),
    )
    .await;
    put(&store, policy("b-view", "viewer", &["user/*"])).await;
    put(&store, policy("c-other", "operator", &["user/bob"])).await;
    put(&store, policy("d-none", "nowhere", &["user/ada"])).await;
    put(&store, policy("e-unrelated", "viewer", &["user/bob"])).await;
    let others = [
        reason("b-view", false, "the role viewer does not give bss.write"),
        reason(
            "c-other",
            false,
            "it names neither user/ada nor one of the groups",
        ),
        reason("d-none", false, "there is no role nowhere"),
    ];
    let inside = told(&store, &question("bss.write", component("x0c0s0b0n0")));
    let gives = reason("a-gpu", true, "its role operator gives bss.write in groups gpu");
    assert_eq!(inside, [&[gives][..], &others[..]].concat());
    let outside = told(&store, &question("bss.write", component("x0c0s0b0n1")));
    assert_eq!(outside[0], reason("a-gpu", false, "it holds in groups gpu"));
    let read = told(&store, &question("smd.read", component("x0c0s0b0n1")));
    assert_eq!(
        read[1],
        reason("b-view", true, "its role viewer gives smd.read everywhere")
    );
    assert_eq!(read.len(), 5, "{read:?}");
}

#[tokio::test]
async fn an_end_a_kind_and_a_place_can_be_the_reason() {
    let store = Store::in_memory();
    let mut given = on_hosts(policy("a", "operator", &["user/ada"]), &["x1000c0", "x1000c1"]);
    given.kinds = texts(&["boot_configuration"]);
    given.expires_at_ms = store.cluster_time_ms() + 60_000;
    let end_ms = given.expires_at_ms;
    put(&store, given).await;
    let mut asked = question("bss.write", component("x1000c0s0b0n0"));
    asked.kind = Some(RowKind::BootConfiguration);
    let inside =
        "its role operator gives bss.write in hosts x1000c0, x1000c1, for objects of kind boot_configuration";
    assert_eq!(told(&store, &asked), [reason("a", true, inside)]);
    let outside = "it holds in hosts x1000c0, x1000c1, for objects of kind boot_configuration";
    asked.kind = Some(RowKind::BootParameters);
    assert_eq!(told(&store, &asked), [reason("a", false, outside)]);
    asked.object = Object::Anything;
    assert_eq!(told(&store, &asked), [reason("a", false, outside)]);
    let late = explain(&store.state(), &asked, end_ms);
    let ended = format!("it ended at {}", state::time_text(end_ms));
    assert_eq!((late.allowed, &late.considered[0].reason), (false, &ended));
}

/// Whoever could change the group that he was given would give himself rights.
#[tokio::test]
async fn groups_roles_and_policies_are_in_no_part() {
    let store = Store::in_memory();
    put(&store, in_groups(policy("a", "admin", &["user/ada"]), &["gpu"])).await;
    for kind in NEVER_IN_A_PART {
        let mut asked = question("smd.write", Object::Group("gpu".into()));
        asked.kind = Some(kind);
        let expected = format!("objects of kind {} are in no part of the system", kind.name());
        assert_eq!(told(&store, &asked), [reason("a", false, &expected)]);
    }
    let asked = question("cloud-init.write", Object::Group("gpu".into()));
    assert!(told(&store, &asked)[0].1, "what cloud-init has under its name");
    let asked = question("cloud-init.write", Object::Group("cpu".into()));
    assert!(!told(&store, &asked)[0].1);
    put(&store, policy("b", "admin", &["user/ada"])).await;
    let mut asked = question("auth.admin", Object::Anything);
    asked.kind = Some(RowKind::Policy);
    assert!(told(&store, &asked)[1].1, "everything has them");
}

#[tokio::test]
async fn a_long_list_of_places_is_counted() {
    let store = Store::in_memory();
    let hosts: Vec<String> = (1000..1010).map(|n| format!("x{n}")).collect();
    let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
    put(&store, on_hosts(policy("a", "viewer", &["user/ada"]), &hosts)).await;
    let told = told(&store, &question("smd.read", component("x0c0s0b0n0")));
    assert_eq!(
        told[0].2,
        "it holds in hosts x1000, x1001, x1002, x1003 and 6 more"
    );
}
