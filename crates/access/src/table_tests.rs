use proptest::prelude::*;
use raft::Store;
use state::auth::policies_for;

use super::*;
use crate::testing::{in_groups, permissions, policy, principal, put, put_role, texts};

/// Names of the policies that give somebody a permission.
fn given(store: &Store, who: &Principal, permission: &str, now_ms: u64) -> Vec<String> {
    let permissions = permissions();
    let table = Table::of(&store.state(), permissions);
    let place = permissions.binary_search(&permission.to_owned()).unwrap();
    let ids = table.policies_for(who, place, now_ms);
    let policies = table.policies(&ids);
    policies.iter().map(|policy| policy.name.clone()).collect()
}

#[tokio::test]
async fn a_policy_gives_its_role_to_whom_it_names() {
    let store = Store::in_memory();
    put(&store, policy("b-own", "viewer", &["user/ada"])).await;
    put(&store, policy("a-all", "viewer", &["user/*"])).await;
    put(&store, policy("c-group", "operator", &["group/ops"])).await;
    put(&store, policy("d-service", "service", &["service/*"])).await;
    put(&store, policy("e-node", "viewer", &["node/x0c0s0b0n0"])).await;
    for (name, groups, permission, expected) in [
        (
            "user/ada",
            &["ops"][..],
            "smd.read",
            &["a-all", "b-own", "c-group"][..],
        ),
        ("user/ada", &[], "smd.read", &["a-all", "b-own"]),
        ("user/ada", &["ops"], "smd.write", &["c-group"]),
        ("user/ada", &["group/ops"], "smd.write", &[]),
        ("user/bob", &[], "smd.read", &["a-all"]),
        ("service/sync", &[], "smd.write", &["d-service"]),
        ("node/x0c0s0b0n0", &[], "smd.read", &["e-node"]),
        ("node/x0c0s0b0n1", &[], "smd.read", &[]),
        ("token/ada", &[], "smd.read", &[]),
        ("users/ada", &[], "smd.read", &[]),
    ] {
        let given = given(&store, &principal(name, groups), permission, 0);
        assert_eq!(given, expected, "{name} {groups:?} {permission}");
    }
}

/// A role may come later than its policies, and change under them.
#[tokio::test]
async fn a_role_that_is_not_there_gives_nothing() {
    let store = Store::in_memory();
    put(&store, policy("a", "mine", &["user/ada"])).await;
    let ada = principal("user/ada", &[]);
    assert!(given(&store, &ada, "smd.read", 0).is_empty());
    put_role(&store, "mine", &["smd.read"]).await;
    assert_eq!(given(&store, &ada, "smd.read", 0), ["a"]);
    assert!(given(&store, &ada, "smd.write", 0).is_empty());
}

#[tokio::test]
async fn what_has_ended_gives_nothing() {
    let store = Store::in_memory();
    let end_ms = store.cluster_time_ms() + 60_000;
    let mut ending = policy("a", "viewer", &["user/ada"]);
    ending.expires_at_ms = end_ms;
    put(&store, ending).await;
    let ada = principal("user/ada", &[]);
    assert_eq!(given(&store, &ada, "smd.read", end_ms - 1), ["a"]);
    assert!(given(&store, &ada, "smd.read", end_ms).is_empty());
    let table = Table::of(&store.state(), permissions());
    assert_eq!((table.standing(end_ms - 1), table.standing(end_ms)), (1, 0));
}

/// An entry of the log names 32 at most; those that give most must be among them.
#[tokio::test]
async fn of_too_many_policies_those_that_hold_everywhere_come_first() {
    let store = Store::in_memory();
    for n in 0..GRANT_POLICIES_MAX + 8 {
        let small = policy(&format!("a{n:03}"), "viewer", &["user/ada"]);
        put(&store, in_groups(small, &["g"])).await;
    }
    put(&store, policy("z", "viewer", &["user/ada"])).await;
    let given = given(&store, &principal("user/ada", &[]), "smd.read", 0);
    assert_eq!(given.len(), GRANT_POLICIES_MAX);
    assert_eq!(given.last().unwrap(), "z");
    assert!(given.is_sorted());
}

#[tokio::test]
async fn a_grant_says_what_it_was_given_for() {
    let store = Store::in_memory();
    put(&store, policy("a", "operator", &["group/ops"])).await;
    put(&store, policy("b", "viewer", &["group/hpc"])).await;
    let permissions = permissions();
    let table = Table::of(&store.state(), permissions);
    let who = Principal {
        token_id: "t1".into(),
        session_id: "s1".into(),
        issued_at_ms: 7,
        permissions: Some(texts(&["smd.*", "bss.write"])),
        ..principal("user/ada", &["hpc", "ops", "staff"])
    };
    let place = permissions.binary_search(&"smd.write".to_owned()).unwrap();
    let grant = table.grant(&who, "smd.write", &table.policies_for(&who, place, 0));
    let expected = Grant {
        permission: "smd.write".into(),
        policies: texts(&["a"]),
        groups: texts(&["hpc", "ops"]),
        token_id: "t1".into(),
        session_id: "s1".into(),
        issued_at_ms: 7,
        certificate_sha256: Vec::new(),
        scope: Some("smd.* bss.write".into()),
    };
    assert_eq!(grant, expected);
}

const PRINCIPALS: [&str; 7] = [
    "user/a",
    "user/b",
    "user/*",
    "service/a",
    "service/*",
    "group/a",
    "group/b",
];
const ROLES: [&str; 5] = ["viewer", "operator", "security-admin", "admin", "nowhere"];

fn some_policies() -> impl Strategy<Value = Vec<Policy>> {
    let principals = prop::sample::subsequence(PRINCIPALS.to_vec(), 1..4);
    let one = (principals, prop::sample::select(&ROLES[..]), 0..3_u64);
    prop::collection::vec(one, 0..8).prop_map(|all| {
        let policies = all.into_iter().enumerate();
        policies
            .map(|(n, (principals, role, end))| Policy {
                expires_at_ms: end * 1_000_000_000_000_000,
                ..policy(&format!("p{n}"), role, &principals)
            })
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// `apply` judges by the policies themselves: what a member gives by its table must be given there, too, and the other way
    /// round.
    #[test]
    fn table_and_state_agree(
        policies in some_policies(),
        who in prop::sample::select(vec!["user/a", "user/c", "service/a", "node/x0c0s0b0n0", "token/a"]),
        groups in prop::sample::subsequence(vec!["a", "b", "c"], 0..3),
        is_late in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let store = Store::in_memory();
        runtime.block_on(async {
            for policy in policies {
                put(&store, policy).await;
            }
        });
        let (who, now_ms) = (principal(who, &groups), if is_late { 1_500_000_000_000_000 } else { 0 });
        let state = store.state();
        for permission in permissions() {
            let expected = policies_for(&state.auth, &who.name, &who.groups, permission, now_ms);
            let expected: Vec<String> = expected.iter().map(|policy| policy.name.clone()).collect();
            prop_assert_eq!(given(&store, &who, permission, now_ms), expected, "{}", permission);
        }
    }
}
