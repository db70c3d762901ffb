//! The way back.

use super::*;

fn three_versions() -> Host {
    let host = Host::new();
    for (revision, text) in [(7, "one"), (8, "two"), (9, "three")] {
        host.apply(&host.set(), &rendered(revision, &[("a", text)]))
            .unwrap();
    }
    host
}

#[test]
fn a_rollback_restores_the_bytes_of_a_version() {
    let host = three_versions();
    let applied = host.roll_back(&host.set(), Some("7")).unwrap();
    assert_eq!((applied.outcome, applied.revision), (Outcome::Replaced, 7));
    assert!(host.read("a").contains("revision 7,") && host.read("a").ends_with("one\n"));
    assert_eq!(host.versions(), ["7", "8", "9"]);
    assert_eq!(host.state.versions("site").unwrap().1.as_deref(), Some("7"));
}

#[test]
fn without_a_revision_it_is_the_one_before() {
    let host = three_versions();
    host.roll_back(&host.set(), None).unwrap();
    assert!(host.read("a").ends_with("two\n"));
    host.roll_back(&host.set(), None).unwrap();
    assert!(host.read("a").ends_with("one\n"));
    let refused = host.roll_back(&host.set(), None).unwrap_err();
    assert!(matches!(refused, ApplyError::NotFound { .. }), "{refused}");
}

/// A watch that undid it with the next change would make it worthless.
#[test]
fn a_set_stays_rolled_back_until_it_is_released() {
    let host = three_versions();
    host.roll_back(&host.set(), None).unwrap();
    let held = host.apply(&host.set(), &rendered(10, &[("a", "four")])).unwrap();
    assert_eq!(held.outcome, Outcome::Held);
    assert!(host.read("a").ends_with("two\n") && host.state.is_held("site").unwrap());
    let wish = Wish {
        adopt: false,
        release: true,
    };
    let locked = host.state.lock().unwrap();
    apply::apply(&host.set(), &rendered(10, &[("a", "four")]), &locked, wish).unwrap();
    drop(locked);
    assert!(host.read("a").ends_with("four\n") && !host.state.is_held("site").unwrap());
}

#[test]
fn a_rollback_to_what_is_in_place_holds_it() {
    let host = three_versions();
    let applied = host.roll_back(&host.set(), Some("9")).unwrap();
    assert_eq!(applied.outcome, Outcome::Unchanged);
    assert!(host.state.is_held("site").unwrap());
}

#[test]
fn an_unknown_revision_names_those_that_there_are() {
    let host = three_versions();
    let refused = host.roll_back(&host.set(), Some("4711")).unwrap_err().to_string();
    assert!(
        refused.contains("4711") && refused.contains("7, 8, 9"),
        "{refused}"
    );
}

#[test]
fn only_so_many_versions_are_kept() {
    let host = three_versions();
    host.apply(&host.set(), &rendered(10, &[("a", "four")])).unwrap();
    assert_eq!(host.versions(), ["8", "9", "10"]);
    let revisions = std::fs::read_dir(host.dir.path().join("state/sets/site/revisions")).unwrap();
    assert_eq!(revisions.count(), 3);
}

/// The disk has lost bytes of it: the files in place are better.
#[test]
fn a_copy_that_is_not_whole_is_not_used() {
    let host = three_versions();
    let kept = host.dir.path().join("state/sets/site/revisions/7/0");
    std::fs::write(kept, "").unwrap();
    let refused = host.roll_back(&host.set(), Some("7")).unwrap_err().to_string();
    assert!(refused.contains("not what was kept"), "{refused}");
    assert!(host.read("a").ends_with("three\n") && !host.state.is_held("site").unwrap());
}

/// A rollback that the checker refuses must not leave the set held.
#[test]
fn a_rollback_that_fails_changes_nothing() {
    let host = three_versions();
    let mut set = host.set();
    set.check = Some(shell("exit 1"));
    host.roll_back(&set, Some("7")).unwrap_err();
    assert!(host.read("a").ends_with("three\n") && !host.state.is_held("site").unwrap());
}

/// The disk is full: what the index still names is still there.
#[test]
fn no_version_is_forgotten_before_the_index_is_written() {
    let host = three_versions();
    let in_the_way = host.dir.path().join("state/sets/site/index.new");
    std::fs::create_dir(&in_the_way).unwrap();
    host.apply(&host.set(), &rendered(10, &[("a", "four")]))
        .unwrap_err();
    std::fs::remove_dir(&in_the_way).unwrap();
    assert_eq!(host.versions(), ["7", "8", "9"]);
    assert!(host.read("a").ends_with("three\n"));
    host.roll_back(&host.set(), Some("7")).unwrap();
    assert!(host.read("a").ends_with("one\n"));
}
