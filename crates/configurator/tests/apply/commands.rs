//! Checkers and hooks.

use super::*;

fn lines(path: &Path) -> usize {
    std::fs::read_to_string(path).map_or(0, |text| text.lines().count())
}

#[test]
fn a_checker_that_does_not_accept_the_files_keeps_them_out() {
    let host = Host::new();
    let mut set = host.set();
    host.apply(&set, &rendered(7, &[("a", "one")])).unwrap();
    set.check = Some(shell("if grep -n bad {file}; then echo no such word; exit 1; fi"));
    let refused = host
        .apply(&set, &rendered(8, &[("a", "bad")]))
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("2:bad") && refused.contains("no such word"),
        "{refused}"
    );
    assert!(host.read("a").ends_with("one\n"));
    assert_eq!(host.names(), ["a"]);
    host.apply(&set, &rendered(9, &[("a", "good")])).unwrap();
    assert!(host.read("a").ends_with("good\n"));
}

/// A checker finds all files of the set beside each other, those that do not change, too.
#[test]
fn the_staged_folder_is_whole() {
    let host = Host::new();
    let mut set = host.set();
    set.check = Some(shell("test -f {dir}/a && test -f {dir}/sub/b"));
    host.apply(&set, &rendered(7, &[("a", "one"), ("sub/b", "two")]))
        .unwrap();
    host.apply(&set, &rendered(8, &[("a", "three"), ("sub/b", "two")]))
        .unwrap();
    assert!(apply::check(&set, &rendered(9, &[("a", "one")])).is_err());
    assert!(
        apply::check(&set, &rendered(9, &[("a", "one"), ("sub/b", "two")]))
            .unwrap()
            .is_empty()
    );
}

/// A checker may quote the line that it does not like.
#[test]
fn words_about_secrets_are_not_shown() {
    let host = Host::new();
    let mut set = host.set();
    set.check = Some(shell("cat {file}; exit 1"));
    let mut secret = rendered(7, &[("a", "hunter2")]);
    secret.secret = true;
    let refused = host.apply(&set, &secret).unwrap_err().to_string();
    assert!(
        !refused.contains("hunter2") && refused.contains("not shown"),
        "{refused}"
    );
}

/// A template that reads no secret any more still replaces the file that has one.
#[test]
fn secrets_of_the_files_before_are_not_shown_either() {
    let host = Host::new();
    let mut secret = rendered(7, &[("a", "hunter2")]);
    secret.secret = true;
    host.apply(&host.set(), &secret).unwrap();
    let plain = rendered(8, &[("a", "none")]);
    let plan = apply::plan(&host.set(), &plain, &host.state, false).unwrap();
    let shown = apply::unified(&plan);
    assert!(
        !shown.contains("hunter2") && shown.contains("not shown"),
        "{shown}"
    );
    let applied = host.apply(&host.set(), &plain).unwrap();
    assert_eq!((applied.changes[0].added, applied.changes[0].removed), (0, 0));
    // from here on there are none on either side
    let plan = apply::plan(&host.set(), &rendered(9, &[("a", "some")]), &host.state, false).unwrap();
    assert!(apply::unified(&plan).contains("+some"));
}

#[test]
fn a_hook_is_run_once_for_a_change_and_never_without_one() {
    let host = Host::new();
    let log = host.dir.path().join("log");
    let mut set = host.set();
    set.reload = Some(shell(&format!(
        "echo \"$CHAMOIS_FILE_SET $CHAMOIS_REVISION $CHAMOIS_CHANGED\" | tr '\\n' ' ' >> {0}; echo >> {0}",
        log.display()
    )));
    let applied = host
        .apply(&set, &rendered(7, &[("a", "one"), ("b", "two")]))
        .unwrap();
    assert!(applied.reloaded && lines(&log) == 1);
    let said = std::fs::read_to_string(&log).unwrap();
    assert!(
        said.starts_with("site 7 ") && said.contains("etc/a") && said.contains("etc/b"),
        "{said}"
    );
    host.apply(&set, &rendered(8, &[("a", "one"), ("b", "two")]))
        .unwrap();
    assert_eq!(lines(&log), 1);
    host.apply(&set, &rendered(9, &[("a", "one"), ("b", "three")]))
        .unwrap();
    assert_eq!(lines(&log), 2);
}

/// The reader of the files has still the old ones in memory: somebody owes it the hook.
#[test]
fn a_hook_that_failed_is_run_again_without_a_change() {
    let host = Host::new();
    let ready = host.dir.path().join("ready");
    let mut set = host.set();
    set.reload = Some(shell(&format!(
        "test -e {} || {{ echo not now; exit 1; }}",
        ready.display()
    )));
    let applied = host.apply(&set, &rendered(7, &[("a", "one")])).unwrap();
    let problem = applied.problem.unwrap().to_string();
    assert!(
        problem.contains("not now") && problem.contains("in their place"),
        "{problem}"
    );
    assert!(host.read("a").ends_with("one\n"));
    std::fs::write(&ready, "").unwrap();
    let again = host.apply(&set, &rendered(8, &[("a", "one")])).unwrap();
    assert_eq!((again.outcome, again.reloaded), (Outcome::Unchanged, true));
    let last = host.apply(&set, &rendered(9, &[("a", "one")])).unwrap();
    assert!(!last.reloaded, "it is not due any more");
}

/// Several sets at once: one that fails holds no other up, and each is told in its place.
#[test]
fn a_set_that_fails_holds_no_other_up() {
    let host = Host::new();
    let sets: Vec<FileSet> = (0..6)
        .map(|number| {
            let mut set = host.set();
            set.name = format!("set-{number}");
            set.place = Place::Path(host.path(&set.name));
            set.check = (number == 3).then(|| shell("exit 1"));
            set
        })
        .collect();
    let sets: Vec<&FileSet> = sets.iter().collect();
    let render = |set: &FileSet| Ok(rendered(7, &[("a", &set.name)]));
    let results = apply::apply_all(&sets, render, &host.state, Wish::default());
    for (number, result) in results.iter().enumerate() {
        assert_eq!(result.is_err(), number == 3, "{result:?}");
    }
    assert_eq!(host.names().len(), 5);
    assert!(host.read("set-5").ends_with("set-5\n"));
}
