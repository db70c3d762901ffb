//! Recovery kits: the one of a rotation restores what is saved from then on, and the one before what was saved before.

use crate::grown::{Grown, run};

fn restore(file: &str, kit: &str) -> (Grown, (i32, String, String)) {
    let new = Grown {
        dir: tempfile::tempdir().unwrap(),
        net: lab::claim_loopback_net().unwrap(),
        running: std::collections::BTreeMap::new(),
    };
    let host = new.host_args(1);
    let host: Vec<&str> = host.iter().map(String::as_str).collect();
    let restored = run(&[&["snapshot", "restore", file, "--recovery-kit", kit][..], &host].concat());
    (new, restored)
}

#[test]
fn each_kit_restores_the_snapshots_of_its_time() {
    let old = Grown::init();
    let path = |name: &str| old.dir.path().join(name).display().to_string();
    let first_kit = old.folder(1).join("recovery-kit.toml").display().to_string();
    let (second_kit, third_kit) = (path("kit-2.toml"), path("kit-3.toml"));
    let (before, after) = (path("before.snap"), path("after.snap"));
    assert_eq!(old.ask(&["snapshot", "save", &before]).0, 0);
    for (kit, next) in [(&first_kit, &second_kit), (&second_kit, &third_kit)] {
        let rotated = old.ask(&["secrets", "rotate-kek", "--recovery-kit", kit, "--out", next]);
        assert_eq!(rotated.0, 0, "{rotated:?}");
        assert!(rotated.1.contains("kit of their time"), "{rotated:?}");
        old.until("everything to be sealed anew", |old| {
            let (_, status, _) = old.ask(&["secrets", "status", "-o", "json"]);
            let status: serde_json::Value = serde_json::from_str(&status).unwrap_or_default();
            status["activeId"] != "" && status["retiringId"] == ""
        });
        let again = old.ask(&["secrets", "rotate-kek", "--recovery-kit", kit, "--out", next]);
        assert!(again.0 == 0 && again.1.contains("seals already"), "{again:?}");
    }
    assert_eq!(old.ask(&["snapshot", "save", &after]).0, 0);
    let inspected = run(&["snapshot", "inspect", &after]);
    assert!(inspected.1.contains("secrets open with key"), "{inspected:?}");
    for (file, kit) in [(&after, &first_kit), (&before, &third_kit)] {
        let (new, refused) = restore(file, kit);
        assert!(
            refused.0 == 1 && refused.2.contains("does not open with it"),
            "{refused:?}"
        );
        assert!(!new.folder(1).exists());
    }
    // the second kit has the first key still
    for (file, kit) in [
        (&after, &third_kit),
        (&before, &first_kit),
        (&before, &second_kit),
    ] {
        let (mut new, restored) = restore(file, kit);
        assert_eq!(restored.0, 0, "{restored:?}");
        new.start(1);
        new.until("the restored member to lead", |new| {
            new.status().is_some_and(|status| status["leaderId"] == 2)
        });
        assert_eq!(new.join(2, &[]), 3, "the CA's key opens");
    }
}
