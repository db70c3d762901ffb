use raft::Store;
use rpc::Part as _;

use super::*;
use crate::testing::{components, group, in_groups, on_hosts, policy, texts};

fn selected(store: &Store, policies: &[Policy]) -> Selected {
    let policies: Vec<Arc<Policy>> = policies.iter().cloned().map(Arc::new).collect();
    Selected::of(&policies, &store.state().smd, 0)
}

fn viewer(name: &str) -> Policy {
    policy(name, "viewer", &["user/ada"])
}

fn of_kinds(policy: Policy, kinds: &[&str]) -> Policy {
    Policy {
        kinds: texts(kinds),
        ..policy
    }
}

#[tokio::test]
async fn members_and_nodesets_are_in_the_part() {
    let store = Store::in_memory();
    group(&store, "compute", &["x0c0s0b0n0"]).await;
    let part = selected(
        &store,
        &[
            in_groups(viewer("a"), &["compute", "later"]),
            on_hosts(viewer("b"), &["x1000c0"]),
        ],
    );
    for (id, is_in) in [
        ("x0c0s0b0n0", true),
        ("x0c0s0b0n1", false),
        ("x1000c0s7b1n1", true),
        ("x1000c1s0b0n0", false),
        ("", false),
        ("compute", false),
    ] {
        assert_eq!(part.has_component(id), is_in, "{id}");
    }
    assert!(part.has_group("compute") && part.has_group("later") && !part.has_group("storage"));
    assert!(part.has_kind(RowKind::Component as u32) && !part.is_everything());
    assert!(!part.has_kind(999));
}

/// The sets that lists are cut with say what the policies say, of those that were there and of those that came later.
#[tokio::test]
async fn what_was_judged_ahead_is_the_same() {
    let store = Store::in_memory();
    let ids: Vec<String> = (0..200).map(|n| format!("x{}c0s{}b0n0", n % 5, n / 5)).collect();
    components(&store, &ids.iter().map(String::as_str).collect::<Vec<_>>()).await;
    group(&store, "compute", &["x0c0s0b0n0", "x3c0s7b0n0"]).await;
    let policies = [
        in_groups(viewer("a"), &["compute"]),
        on_hosts(viewer("b"), &["x[1-2]c0s[10-19]"]),
    ];
    let parts = Parts::default();
    let part = parts.of(&[0, 1], || selected(&store, &policies));
    let before: Vec<bool> = ids.iter().map(|id| part.has_component(id)).collect();
    assert!(!parts.have_unjudged(), "few questions are not worth it");
    for _ in 0..3 {
        let again: Vec<bool> = ids.iter().map(|id| part.has_component(id)).collect();
        assert_eq!(again, before);
    }
    assert!(parts.have_unjudged());
    parts.judge(&store.state());
    assert!(!parts.have_unjudged());
    let asked = part.asked.load(Ordering::Relaxed);
    let after: Vec<bool> = ids.iter().map(|id| part.has_component(id)).collect();
    assert_eq!(after, before);
    assert_eq!(
        part.asked.load(Ordering::Relaxed),
        asked,
        "nothing was judged again"
    );
    assert!(after.contains(&true) && after.contains(&false));
    assert!(
        part.has_component("x2c0s19b1n1"),
        "it came later, and is in the nodeset"
    );
}

#[tokio::test]
async fn a_part_is_made_once_for_its_policies() {
    let (store, parts) = (Store::in_memory(), Parts::default());
    let made = std::cell::Cell::new(0);
    let part = |ids: &[PolicyId]| {
        parts.of(ids, || {
            made.set(made.get() + 1);
            selected(&store, &[viewer("a")])
        })
    };
    for _ in 0..3 {
        assert!(part(&[0]).is_everything() && part(&[0, 2]).is_everything());
    }
    assert_eq!(made.get(), 2);
    for id in 0..u16::try_from(PARTS_MAX).unwrap() {
        part(&[id, id]);
    }
    assert!(parts.by_policies.load().len() <= PARTS_MAX);
}

/// Boot configurations of one group and components of another must not become both of both.
#[tokio::test]
async fn a_kind_is_shown_only_where_all_that_is_selected_is_selected_of_it() {
    let store = Store::in_memory();
    let kinds = |policies: &[Policy]| {
        let part = selected(&store, policies);
        [RowKind::Component, RowKind::BootConfiguration, RowKind::Subnet]
            .map(|kind| part.has_kind(kind as u32))
    };
    let gpu = || in_groups(viewer("a"), &["gpu"]);
    let (component, boot) = (&["component"][..], &["boot_configuration"][..]);
    assert_eq!(kinds(&[gpu()]), [true, true, true]);
    assert_eq!(kinds(&[of_kinds(gpu(), boot)]), [false, true, false]);
    let cpu = in_groups(viewer("b"), &["cpu"]);
    let elsewhere = [of_kinds(gpu(), component), of_kinds(cpu.clone(), boot)];
    assert_eq!(kinds(&elsewhere), [false, false, false]);
    // one more for less, in the same place, takes nothing away
    assert_eq!(kinds(&[gpu(), of_kinds(gpu(), boot)]), [true, true, true]);
    assert_eq!(kinds(&[gpu(), of_kinds(cpu, boot)]), [false, true, false]);
    let everywhere = of_kinds(viewer("c"), component);
    assert_eq!(kinds(&[everywhere, gpu()]), [true, false, false]);
}
