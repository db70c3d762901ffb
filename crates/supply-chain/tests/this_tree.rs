//! What is built here, held to deny.toml and to deploy/advisories.toml; the papers of the executable as it is.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as expected"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;
use supply_chain::advisories::Advisories;
use supply_chain::cargo::{self, TARGET};
use supply_chain::day::Day;
use supply_chain::deny::Rules;
use supply_chain::lock_file::LockFile;
use supply_chain::papers;
use supply_chain::sbom::Build;
use supply_chain::tree::{Of, Tree};

/// The product, and the fuzz targets, which have a lock file of their own.
const WORKSPACES: &[&str] = &[".", "fuzz"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn lock(workspace: &str) -> LockFile {
    LockFile::read(&root().join(workspace).join("Cargo.lock")).unwrap()
}

fn rules() -> Rules {
    Rules::read(&root().join("deny.toml")).unwrap()
}

fn advisories() -> Advisories {
    Advisories::read(&root().join("deploy/advisories.toml")).unwrap()
}

fn nothing() -> Vec<String> {
    Vec::new()
}

/// What is built with all tests; of the fuzz targets too, although nothing of them is compiled for it.
fn everything(workspace: &str) -> Tree {
    Tree::of_building(&root().join(workspace), TARGET, Of::Everything).unwrap()
}

#[test]
fn nothing_that_is_banned_is_built() {
    for workspace in WORKSPACES {
        let tree = everything(workspace);
        assert!(
            tree.packages().any(|id| id.name == "aws-lc-rs"),
            "{workspace}: the tree was not read"
        );
        assert_eq!(rules().banned(&tree), nothing(), "{workspace}");
        for (name, versions) in tree.duplicates() {
            eprintln!(
                "warning: {workspace}: {name} is built as {}",
                versions.join(" and ")
            );
        }
    }
}

#[test]
fn every_package_comes_from_crates_io_with_its_digest() {
    for workspace in WORKSPACES {
        let lock = lock(workspace);
        assert!(
            lock.packages().count() > 100,
            "{workspace}: the lock file was not read"
        );
        assert_eq!(rules().foreign(&lock), nothing(), "{workspace}");
    }
}

#[test]
fn every_licence_is_accepted_and_no_more_than_that() {
    for workspace in WORKSPACES {
        let tree = everything(workspace);
        let manifests = cargo::manifests(&root().join(workspace), TARGET).unwrap();
        assert_eq!(
            rules().unlicensed(&tree, &manifests).unwrap(),
            nothing(),
            "{workspace}"
        );
        if *workspace == "." {
            let rules = rules();
            let needless = rules.needless_licences(&tree, &manifests).unwrap();
            assert_eq!(needless, Vec::<&str>::new());
        }
    }
}

#[test]
fn nothing_that_is_known_to_be_vulnerable_is_built() {
    let (advisories, today) = (advisories(), Day::today());
    assert!(advisories.count() >= 30, "{} advisories", advisories.count());
    for workspace in WORKSPACES {
        assert_eq!(
            advisories.problems(&lock(workspace), today),
            nothing(),
            "{workspace}"
        );
    }
    let locks: Vec<LockFile> = WORKSPACES.iter().map(|workspace| lock(workspace)).collect();
    let locks: Vec<&LockFile> = locks.iter().collect();
    assert_eq!(advisories.needless(&locks), nothing());
}

/// The list works on the lock file that is: an entry about a version that is built makes the test above fail.
#[test]
fn an_advisory_about_what_is_built_is_found() {
    let lock = lock(".");
    let built = lock.packages().find(|package| package.name == "h2").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("advisories.toml");
    let entry = format!(
        "[[advisory]]\nid = \"CVE-2099-0001\"\ncrate = \"h2\"\naffected = [\"<={}\"]\nwhy = \"made up\"\n",
        built.version
    );
    std::fs::write(&path, entry).unwrap();
    let found = Advisories::read(&path).unwrap().problems(&lock, Day::today());
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with(&format!("h2 {}: CVE-2099-0001: made up", built.version)));
}

/// What runs must all be in the bill, with what a scanner needs of it; what tests need must not.
#[test]
fn the_bill_has_every_package_of_the_executable() {
    let build = Build::look(&root(), TARGET).unwrap();
    let bill: Value = serde_json::from_str(&build.sbom().unwrap()).unwrap();
    let components = bill["components"].as_array().unwrap();
    let listed: BTreeSet<String> = components
        .iter()
        .map(|component| {
            format!(
                "{} {}",
                component["name"].as_str().unwrap(),
                component["version"].as_str().unwrap()
            )
        })
        .collect();
    let running = Tree::of_running(&root(), TARGET, "chamois").unwrap();
    for id in running.packages().filter(|id| id.name != "chamois") {
        assert!(listed.contains(&id.to_string()), "{id} is not in the bill");
    }
    for tested in ["proptest", "chaos-tests", "supply-chain", "ring"] {
        assert!(
            !components.iter().any(|component| component["name"] == tested),
            "{tested}"
        );
    }
    assert_eq!(
        bill["metadata"]["component"]["version"],
        env!("CARGO_PKG_VERSION")
    );
}

#[test]
fn every_component_has_what_a_scanner_needs() {
    let build = Build::look(&root(), TARGET).unwrap();
    let bill: Value = serde_json::from_str(&build.sbom().unwrap()).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut refs = BTreeSet::from([text(&bill["metadata"]["component"]["bom-ref"])]);
    for component in bill["components"].as_array().unwrap() {
        assert_eq!(component["type"], "library");
        let purl = text(&component["purl"]);
        assert!(
            ["required", "excluded"].contains(&text(&component["scope"]).as_str()),
            "{purl}"
        );
        assert!(
            !text(&component["licenses"][0]["expression"]).is_empty(),
            "{purl}"
        );
        if purl.starts_with("pkg:cargo/") {
            let digest = text(&component["hashes"][0]["content"]);
            assert!(
                digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()),
                "{purl}"
            );
        } else {
            assert!(purl.starts_with("pkg:generic/chamois/"), "{purl}");
        }
        assert!(refs.insert(text(&component["bom-ref"])), "{purl} is there twice");
    }
    for dependency in bill["dependencies"].as_array().unwrap() {
        let needs = dependency["dependsOn"].as_array().unwrap();
        for named in needs.iter().chain([&dependency["ref"]]) {
            assert!(refs.contains(named.as_str().unwrap()), "{named} is no component");
        }
    }
}

/// Two hosts that build the same lock file ship the same papers.
#[test]
fn the_papers_are_the_same_every_time() {
    let write = || {
        let folder = tempfile::tempdir().unwrap();
        let paths = papers::write(
            &Build::look(&root(), TARGET).unwrap(),
            &folder.path().join("papers"),
        )
        .unwrap();
        paths
            .iter()
            .map(|path| std::fs::read_to_string(path).unwrap())
            .collect::<Vec<_>>()
    };
    let papers = write();
    assert_eq!(papers, write());
    let [bill, texts] = &papers[..] else {
        panic!("{} papers", papers.len())
    };
    assert!(!bill.contains("timestamp") && !bill.contains("serialNumber"));
    for word in [
        "Mozilla Public License",
        "aws-lc-sys",
        "Permission is hereby granted",
        "zstd-sys",
    ] {
        assert!(texts.contains(word), "{word}");
    }
    let root = root().canonicalize().unwrap();
    assert!(
        !bill.contains(root.to_str().unwrap()),
        "a path of this host is in the bill"
    );
    assert!(
        !texts.contains(root.to_str().unwrap()),
        "a path of this host is in the texts"
    );
}
