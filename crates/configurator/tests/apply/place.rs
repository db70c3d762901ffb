//! Files that are created, replaced and removed.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use configurator::apply::ChangeKind;

use super::*;

#[test]
fn files_are_created_with_their_folders_and_nothing_else_is_left() {
    let host = Host::new();
    let applied = host
        .apply(&host.set(), &rendered(7, &[("a", "one"), ("sub/b", "two")]))
        .unwrap();
    assert_eq!((applied.outcome, applied.changes.len()), (Outcome::Replaced, 2));
    assert!(host.read("a").contains("revision 7,") && host.read("sub/b").ends_with("two\n"));
    assert_eq!(host.names(), ["a", "sub"]);
    assert_eq!(mode(&host.path("a")), 0o644);
}

/// A revision that moved on is no reason to touch a file: its reader would be told for nothing.
#[test]
fn the_same_text_of_another_revision_touches_no_file() {
    let host = Host::new();
    host.apply(&host.set(), &rendered(7, &[("a", "one")])).unwrap();
    let before = std::fs::metadata(host.path("a")).unwrap().ino();
    let again = host.apply(&host.set(), &rendered(9, &[("a", "one")])).unwrap();
    assert_eq!((again.outcome, again.reloaded), (Outcome::Unchanged, false));
    assert_eq!(std::fs::metadata(host.path("a")).unwrap().ino(), before);
    assert!(host.read("a").contains("revision 7,"));
    assert_eq!(host.versions(), ["7"]);
}

#[test]
fn only_the_file_that_says_something_else_is_replaced() {
    let host = Host::new();
    host.apply(&host.set(), &rendered(7, &[("a", "one"), ("b", "two")]))
        .unwrap();
    let before = std::fs::metadata(host.path("b")).unwrap().ino();
    let applied = host
        .apply(&host.set(), &rendered(8, &[("a", "three"), ("b", "two")]))
        .unwrap();
    let changes: Vec<_> = applied
        .changes
        .iter()
        .map(|change| (change.kind, change.added, change.removed))
        .collect();
    assert_eq!(changes, [(ChangeKind::Changed, 2, 2)], "its header and its line");
    assert!(host.read("a").contains("revision 8,") && host.read("b").contains("revision 7,"));
    assert_eq!(std::fs::metadata(host.path("b")).unwrap().ino(), before);
}

/// A zone of a subnet that is gone must not be served any more.
#[test]
fn a_file_that_the_set_has_no_more_is_removed() {
    let host = Host::new();
    host.apply(&host.set(), &rendered(7, &[("a", "one"), ("b", "two")]))
        .unwrap();
    let applied = host.apply(&host.set(), &rendered(8, &[("a", "one")])).unwrap();
    assert_eq!(applied.changes[0].kind, ChangeKind::Removed);
    assert_eq!(host.names(), ["a"]);
}

#[test]
fn a_file_that_somebody_has_made_his_own_is_not_removed() {
    let host = Host::new();
    host.apply(&host.set(), &rendered(7, &[("a", "one"), ("b", "two")]))
        .unwrap();
    host.write("b", "written by hand\n");
    host.apply(&host.set(), &rendered(8, &[("a", "one")])).unwrap();
    assert_eq!(host.read("b"), "written by hand\n");
}

#[test]
fn the_mode_of_a_file_is_kept_or_the_sites() {
    let host = Host::new();
    let mut set = host.set();
    host.apply(&set, &rendered(7, &[("a", "one")])).unwrap();
    std::fs::set_permissions(host.path("a"), std::fs::Permissions::from_mode(0o640)).unwrap();
    host.apply(&set, &rendered(8, &[("a", "two")])).unwrap();
    assert_eq!(mode(&host.path("a")), 0o640);
    set.mode = Some(0o600);
    host.apply(&set, &rendered(9, &[("a", "three")])).unwrap();
    assert_eq!(mode(&host.path("a")), 0o600);
}

#[test]
fn secrets_are_for_their_owner_and_in_no_diff() {
    let host = Host::new();
    let mut secret = rendered(7, &[("a", "hunter2")]);
    secret.secret = true;
    let plan = apply::plan(&host.set(), &secret, &host.state, false).unwrap();
    let diff = apply::unified(&plan);
    assert!(!diff.contains("hunter2") && diff.contains("etc/a"), "{diff}");
    let applied = host.apply(&host.set(), &secret).unwrap();
    assert_eq!(mode(&host.path("a")), 0o600);
    assert!(!format!("{applied:?}").contains("hunter2"));
    let kept = host.dir.path().join("state/sets/site/revisions/7/0");
    assert_eq!(mode(&kept), 0o600);
}

/// The second file cannot be put where a folder is: the first one must be what it was.
#[test]
fn all_files_are_replaced_or_none() {
    let host = Host::new();
    host.apply(&host.set(), &rendered(7, &[("a", "one")])).unwrap();
    let before = host.read("a");
    std::fs::create_dir(host.path("b")).unwrap();
    let refused = host
        .apply(&host.set(), &rendered(8, &[("a", "two"), ("b", "three")]))
        .unwrap_err();
    assert!(refused.to_string().contains("etc/b"), "{refused}");
    assert_eq!(host.read("a"), before);
    assert_eq!(host.names(), ["a", "b"]);
    assert_eq!(host.versions(), ["7"]);
}

/// Half way: the folder of the second file takes no new names. (Root may write everywhere: nothing to see then.)
#[test]
fn what_fails_half_way_is_undone() {
    let host = Host::new();
    host.apply(&host.set(), &rendered(7, &[("a", "one"), ("sub/b", "two")]))
        .unwrap();
    let (a, b) = (host.read("a"), host.read("sub/b"));
    std::fs::set_permissions(host.path("sub"), std::fs::Permissions::from_mode(0o555)).unwrap();
    let is_root = std::fs::write(host.path("sub/probe"), "").is_ok();
    let failed = host.apply(&host.set(), &rendered(8, &[("a", "three"), ("sub/b", "four")]));
    std::fs::set_permissions(host.path("sub"), std::fs::Permissions::from_mode(0o755)).unwrap();
    if is_root {
        eprintln!("NOT RUN: root may write everywhere");
        return;
    }
    assert!(failed.unwrap_err().to_string().contains("sub/b"));
    assert_eq!((host.read("a"), host.read("sub/b")), (a, b));
    assert_eq!(host.versions(), ["7"]);
    host.apply(&host.set(), &rendered(8, &[("a", "three"), ("sub/b", "four")]))
        .unwrap();
    assert!(host.read("a").contains("three"));
}

#[test]
fn a_diff_is_what_patch_reads() {
    let host = Host::new();
    host.apply(&host.set(), &rendered(7, &[("a", "one")])).unwrap();
    let plan = apply::plan(
        &host.set(),
        &rendered(8, &[("a", "two"), ("b", "new")]),
        &host.state,
        false,
    )
    .unwrap();
    let diff = apply::unified(&plan);
    for line in ["--- /dev/null", "-one", "+two", "+new"] {
        assert!(diff.lines().any(|found| found == line), "{line}: {diff}");
    }
    assert!(
        !plan.is_empty() && host.read("a").contains("one"),
        "nothing is written"
    );
}
