//! Files of others, and links.

use std::os::unix::fs::symlink;

use super::*;

#[test]
fn a_file_of_somebody_else_is_left_alone_and_adopted_when_asked_to() {
    let host = Host::new();
    host.write("a", "127.0.0.1 localhost\n");
    let refused = host
        .apply(&host.set(), &rendered(7, &[("a", "one")]))
        .unwrap_err();
    assert!(refused.to_string().contains("--adopt"), "{refused}");
    assert_eq!(host.read("a"), "127.0.0.1 localhost\n");
    host.adopt(&host.set(), &rendered(7, &[("a", "one")])).unwrap();
    assert!(host.read("a").contains("one"));
    assert_eq!(host.versions(), ["0", "7"]);
}

/// Taken over by mistake: everything is as it was before, to the byte.
#[test]
fn what_was_there_before_can_be_had_back() {
    let host = Host::new();
    host.write("a", "127.0.0.1 localhost\n");
    host.adopt(&host.set(), &rendered(7, &[("a", "one"), ("b", "two")]))
        .unwrap();
    for revision in 8..14 {
        host.apply(
            &host.set(),
            &rendered(revision, &[("a", &revision.to_string()), ("b", "two")]),
        )
        .unwrap();
    }
    assert_eq!(host.versions(), ["0", "11", "12", "13"], "it is kept for ever");
    host.roll_back(&host.set(), Some("0")).unwrap();
    assert_eq!(host.read("a"), "127.0.0.1 localhost\n");
    assert_eq!(host.names(), ["a"], "there was no b");
}

/// One file more is taken over long after the others: going back to before that keeps those others.
#[test]
fn what_is_kept_before_a_late_adoption_is_the_whole_set() {
    let host = Host::new();
    host.apply(
        &host.set(),
        &rendered(7, &[("a", "one"), ("b", "two"), ("sub/d", "three")]),
    )
    .unwrap();
    host.write("c", "by hand\n");
    let late = rendered(8, &[("a", "changed"), ("b", "two"), ("c", "ours")]);
    host.adopt(&host.set(), &late).unwrap();
    assert_eq!(host.versions(), ["7", "0", "8"]);
    host.roll_back(&host.set(), None).unwrap();
    assert_eq!(host.read("c"), "by hand\n");
    for (name, text) in [("a", "one\n"), ("b", "two\n"), ("sub/d", "three\n")] {
        assert!(host.read(name).ends_with(text), "{name}");
    }
}

/// Versions are texts: what is none could never be had back.
#[test]
fn a_file_of_somebody_else_that_is_no_text_is_not_taken_over() {
    let host = Host::new();
    std::fs::write(host.path("a"), b"\xff\xfe\n").unwrap();
    let refused = host
        .adopt(&host.set(), &rendered(7, &[("a", "one"), ("b", "two")]))
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("UTF-8") && refused.contains("move it away"),
        "{refused}"
    );
    assert_eq!(std::fs::read(host.path("a")).unwrap(), b"\xff\xfe\n");
    assert_eq!(host.names(), ["a"]);
}

/// JSON has no comments, so a file of it has no header: it is ours as long as nobody has touched it.
#[test]
fn a_file_without_a_header_is_ours_while_it_is_what_was_written() {
    let host = Host::new();
    let json = |revision, body: &str| Rendered {
        files: vec![File::new("sd.json", body.to_owned())],
        revision,
        secret: false,
    };
    host.apply(&host.set(), &json(7, "[]\n")).unwrap();
    host.apply(&host.set(), &json(8, "[1]\n")).unwrap();
    assert_eq!(host.read("sd.json"), "[1]\n");
    host.write("sd.json", "[2]\n");
    let refused = host.apply(&host.set(), &json(9, "[3]\n")).unwrap_err();
    assert!(matches!(refused, ApplyError::Refused { .. }), "{refused}");
    assert_eq!(host.read("sd.json"), "[2]\n");
}

/// The header says that changes are lost.
#[test]
fn what_was_changed_by_hand_below_our_header_is_replaced() {
    let host = Host::new();
    host.apply(&host.set(), &rendered(7, &[("a", "one")])).unwrap();
    host.write("a", &host.read("a").replace("one", "by hand"));
    let applied = host.apply(&host.set(), &rendered(8, &[("a", "one")])).unwrap();
    assert_eq!(applied.outcome, Outcome::Replaced);
    assert!(host.read("a").ends_with("one\n"));
}

#[test]
fn a_link_is_not_cut_even_when_files_are_adopted() {
    let host = Host::new();
    let elsewhere = host.dir.path().join("elsewhere");
    std::fs::write(&elsewhere, "of another program\n").unwrap();
    symlink(&elsewhere, host.path("a")).unwrap();
    let refused = host
        .adopt(&host.set(), &rendered(7, &[("a", "one")]))
        .unwrap_err();
    assert!(refused.to_string().contains("elsewhere"), "{refused}");
    assert_eq!(
        std::fs::read_to_string(&elsewhere).unwrap(),
        "of another program\n"
    );
}

/// A folder that leads elsewhere would let a template write anywhere.
#[test]
fn no_file_goes_through_a_link_below_the_sets_folder() {
    let host = Host::new();
    let elsewhere = tempfile::tempdir().unwrap();
    symlink(elsewhere.path(), host.path("sub")).unwrap();
    let refused = host
        .adopt(&host.set(), &rendered(7, &[("sub/a", "one")]))
        .unwrap_err();
    assert!(refused.to_string().contains("symbolic link"), "{refused}");
    assert!(std::fs::read_dir(elsewhere.path()).unwrap().next().is_none());
}

#[test]
fn a_path_that_leads_out_of_the_folder_is_refused() {
    let host = Host::new();
    for path in ["../a", "/tmp/a", "sub/../../a"] {
        assert!(
            host.adopt(&host.set(), &rendered(7, &[(path, "one")])).is_err(),
            "{path}"
        );
    }
    assert!(host.names().is_empty());
}
