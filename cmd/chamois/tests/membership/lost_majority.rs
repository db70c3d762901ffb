//! A majority is lost for good.

use crate::grown::{Grown, run};

fn three() -> Grown {
    let mut cluster = Grown::init();
    for slot in [2, 3] {
        cluster.join(slot, &[]);
    }
    cluster.until("three voters", |cluster| cluster.voters() == [1, 2, 3]);
    cluster
}

/// Explicit and loud; what the survivor has is kept, and the lost ones' disks can do no harm.
#[test]
fn one_member_goes_on_alone_when_told_so() {
    let mut cluster = three();
    assert_eq!(cluster.ask(&["group", "create", "kept"]).0, 0);
    let old = cluster.status().unwrap();
    for slot in [1, 2] {
        cluster.kill(slot);
    }
    let alone = cluster.ask(&["group", "create", "refused"]);
    assert_eq!(
        alone.0, 6,
        "without a majority nothing is acknowledged: {alone:?}"
    );
    let config = cluster.config(3);
    let config = config.to_str().unwrap();
    let running = run(&["recover", "--config", config, "--accept-lost-writes"]);
    assert_ne!(running.0, 0, "the member runs still: {running:?}");
    cluster.kill(3);
    assert_eq!(run(&["recover", "--config", config]).0, 2, "it must be said");
    let recovered = run(&["recover", "--config", config, "--accept-lost-writes"]);
    assert!(recovered.0 == 0 && recovered.1.contains("NEVER"), "{recovered:?}");
    cluster.start(3);
    cluster.until("the survivor to lead", |cluster| {
        cluster.status().is_some_and(|status| status["leaderId"] == 3)
    });
    assert_eq!(cluster.groups(), ["kept"]);
    assert_ne!(cluster.status().unwrap()["clusterId"], old["clusterId"]);
    assert!(cluster.data(3).with_extension("before-recovery").is_dir());
    // a lost one comes back with its old disk: it is a stranger
    cluster.start(1);
    let old_member = format!("{}:7441", cluster.net.member_address(1));
    let refused = cluster.ask_at(&old_member, &["group", "create", "in-the-old-cluster"]);
    assert_eq!(refused.0, 6, "alone it has no majority: {refused:?}");
    cluster.kill(1);
    assert_eq!(cluster.join(4, &[]), 4);
    assert_eq!(cluster.join(5, &[]), 5);
    cluster.until("three voters again", |cluster| cluster.voters() == [3, 4, 5]);
}
