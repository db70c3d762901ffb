//! The whole product in one file, and a new cluster from it.

use crate::grown::{Grown, run};

/// A restored cluster has the content, another id, and never meets a revision of the old one.
#[test]
fn a_new_cluster_is_made_from_a_file_and_the_recovery_kit() {
    let mut old = Grown::init();
    assert_eq!(old.ask(&["group", "create", "kept"]).0, 0);
    let file = old.dir.path().join("prod.snap");
    let file = file.to_str().unwrap();
    let saved = old.ask(&["snapshot", "save", file]);
    assert_eq!(saved.0, 0, "{saved:?}");
    assert_eq!(
        old.ask(&["snapshot", "save", file]).0,
        4,
        "nothing is overwritten"
    );
    let before = old.status().unwrap();
    old.kill(1);

    let inspected = run(&["snapshot", "inspect", file, "-o", "json"]);
    let inspected: serde_json::Value = serde_json::from_str(&inspected.1).unwrap();
    assert_eq!(
        (&inspected["cluster"], &inspected["rows"]["Group"]),
        (&"test".into(), &1.into())
    );

    let mut new = Grown {
        dir: tempfile::tempdir().unwrap(),
        net: lab::claim_loopback_net().unwrap(),
        running: std::collections::BTreeMap::new(),
    };
    let host = new.host_args(1);
    let host: Vec<&str> = host.iter().map(String::as_str).collect();
    let without = run(&[&["snapshot", "restore", file][..], &host].concat());
    assert!(
        without.0 == 1 && without.2.contains("--recovery-kit"),
        "{without:?}"
    );
    let another = Grown::init();
    let foreign = another.folder(1).join("recovery-kit.toml");
    let refused = run(&[
        &[
            "snapshot",
            "restore",
            file,
            "--recovery-kit",
            foreign.to_str().unwrap(),
        ][..],
        &host,
    ]
    .concat());
    assert!(
        refused.0 == 1 && refused.2.contains("does not open with it"),
        "{refused:?}"
    );
    assert!(!new.folder(1).exists(), "nothing is left behind");

    let kit = old.folder(1).join("recovery-kit.toml");
    let restored = run(&[
        &[
            "snapshot",
            "restore",
            file,
            "--recovery-kit",
            kit.to_str().unwrap(),
        ][..],
        &host,
    ]
    .concat());
    assert_eq!(restored.0, 0, "{restored:?}");
    new.start(1);
    new.until("the restored member to lead", |new| {
        new.status().is_some_and(|status| status["leaderId"] == 2)
    });
    assert_eq!(new.groups(), ["kept"]);
    let after = new.status().unwrap();
    assert_ne!(after["clusterId"], before["clusterId"]);
    assert!(after["appliedIndex"].as_u64().unwrap() >= 1 << 32);
    assert_eq!(new.join(2, &[]), 3, "ids go on where the old cluster's ended");
}

/// A file that rots is found before anything is made from it.
#[test]
fn a_damaged_file_is_found() {
    let cluster = Grown::init();
    let file = cluster.dir.path().join("prod.snap");
    assert_eq!(cluster.ask(&["snapshot", "save", file.to_str().unwrap()]).0, 0);
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let inspected = run(&["snapshot", "inspect", file.to_str().unwrap()]);
    assert!(
        inspected.0 == 1 && inspected.2.contains("damaged"),
        "{inspected:?}"
    );
}
