//! A process that is killed between the first rename and the index that says so.

use crate::apply::{Place, Source, roll_back};
use crate::{File, Inventory, Options, View, header};

use super::*;

struct Host {
    dir: tempfile::TempDir,
    state: StateDir,
}

impl Host {
    /// `a` and `b` are somebody else's.
    fn new() -> Host {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::new(dir.path().join("state"), 3);
        let host = Host { dir, state };
        std::fs::create_dir(host.dir.path().join("etc")).unwrap();
        host.write("a", "by hand a\n");
        host.write("b", "by hand b\n");
        host
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("etc").join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn read(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.path(name)).ok()
    }

    fn set(&self) -> FileSet {
        FileSet {
            name: "site".to_owned(),
            source: Source::Template("site".to_owned()),
            place: Place::Into(self.dir.path().join("etc")),
            options: Options::default(),
            check: None,
            target_checks: true,
            reload: None,
            mode: None,
        }
    }

    fn index(&self) -> Index {
        self.state.index("site").unwrap()
    }

    fn ids(&self) -> Vec<String> {
        let versions = self.index().versions.into_iter();
        versions.map(|version| version.id).collect()
    }

    /// Folders of versions that there are, sorted.
    fn kept(&self) -> Vec<String> {
        let folder = self.dir.path().join("state/sets/site/revisions");
        let entries = std::fs::read_dir(folder).into_iter().flatten();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn apply(&self, rendered: &Rendered, adopt: bool) -> Result<Applied, ApplyError> {
        let wish = Wish {
            adopt,
            release: false,
        };
        apply(&self.set(), rendered, &self.state.lock().unwrap(), wish)
    }

    /// Everything of an adoption up to where the files named in `replaced` have been renamed, and no more.
    fn killed_adopting(&self, rendered: &Rendered, replaced: &[&str]) {
        let (set, state) = (self.set(), self.state.lock().unwrap());
        let mut index = state.index("site").unwrap();
        let plan = Plan::of(&set, rendered, index.written().as_ref(), true).unwrap();
        let commit = Commit {
            set: &set,
            plan,
            back_to: None,
            state: &state,
        };
        commit.announce(&mut index).unwrap();
        for file in &rendered.files {
            if replaced.contains(&file.path.as_str()) {
                self.write(&file.path, &file.text(rendered.revision));
            }
        }
    }

    fn roll_back(&self, to: &str) -> Result<Applied, ApplyError> {
        roll_back(&self.set(), Some(to), &self.state.lock().unwrap())
    }
}

fn rendered(revision: u64, files: &[(&str, &str)]) -> Rendered {
    let view = View::of(&Inventory::new("test"));
    let body = |name: &str, text: &str| match name.ends_with(".json") {
        true => format!("{text}\n"),
        false => format!("{}{text}\n", header("#", &view, "template site")),
    };
    Rendered {
        files: files
            .iter()
            .map(|(name, text)| File::new(*name, body(name, text)))
            .collect(),
        revision,
        secret: false,
    }
}

/// `c` and `d.json` are new, and the latter has no header to be known by.
fn wanted(revision: u64) -> Rendered {
    let json = format!("[{revision}]");
    rendered(
        revision,
        &[("a", "one"), ("b", "two"), ("c", "three"), ("d.json", &json)],
    )
}

#[test]
fn an_adoption_that_was_killed_can_be_rolled_back() {
    for replaced in [
        &[][..],
        &["a"],
        &["a", "c"],
        &["a", "c", "d.json"],
        &["a", "b", "c", "d.json"],
    ] {
        let host = Host::new();
        host.killed_adopting(&wanted(7), replaced);
        assert_eq!(host.ids(), ["0"], "{replaced:?}");
        host.roll_back("0").unwrap();
        assert_eq!(host.read("a").as_deref(), Some("by hand a\n"), "{replaced:?}");
        assert_eq!(host.read("b").as_deref(), Some("by hand b\n"), "{replaced:?}");
        assert_eq!(
            (host.read("c"), host.read("d.json")),
            (None, None),
            "{replaced:?}"
        );
        let index = host.index();
        assert_eq!(index.current.as_deref(), Some("0"));
        assert!(index.held && index.replacing.is_none());
    }
}

/// Else what is kept as the files of before would be half ours.
#[test]
fn a_second_attempt_keeps_nothing_again_that_the_first_has_kept() {
    for replaced in [&[][..], &["a"], &["b", "d.json"], &["a", "b", "c", "d.json"]] {
        let host = Host::new();
        host.killed_adopting(&wanted(7), replaced);
        host.apply(&wanted(8), true).unwrap();
        assert_eq!(host.ids(), ["0", "8"], "{replaced:?}");
        assert!(host.read("a").unwrap().ends_with("one\n"));
        assert_eq!(host.read("d.json").as_deref(), Some("[8]\n"));
        assert_eq!(host.index().replacing, None);
        host.roll_back("0").unwrap();
        assert_eq!(host.read("a").as_deref(), Some("by hand a\n"), "{replaced:?}");
        assert_eq!(host.read("b").as_deref(), Some("by hand b\n"), "{replaced:?}");
        assert_eq!(
            (host.read("c"), host.read("d.json")),
            (None, None),
            "{replaced:?}"
        );
    }
}

/// Nobody has asked twice: what is not yet taken over is still somebody else's.
#[test]
fn after_a_kill_files_of_others_are_taken_over_only_when_asked_to() {
    let host = Host::new();
    host.killed_adopting(&wanted(7), &["a"]);
    let refused = host.apply(&wanted(8), false).unwrap_err().to_string();
    assert!(
        refused.contains("etc/b") && refused.contains("--adopt"),
        "{refused}"
    );
    assert_eq!(host.read("b").as_deref(), Some("by hand b\n"));
}

/// What somebody wrote in between is in no version yet.
#[test]
fn what_was_changed_after_the_kill_is_kept_as_well() {
    let host = Host::new();
    host.killed_adopting(&wanted(7), &["a"]);
    host.write("b", "by another hand\n");
    host.apply(&wanted(8), true).unwrap();
    assert_eq!(host.ids(), ["0", "0.2", "8"]);
    host.roll_back("0.2").unwrap();
    assert_eq!(host.read("b").as_deref(), Some("by another hand\n"));
}

#[test]
fn the_hook_is_owed_with_the_same_index() {
    let host = Host::new();
    let mut set = host.set();
    set.reload = Some(crate::apply::Command {
        words: vec!["true".to_owned()],
        at_most: std::time::Duration::from_secs(9),
    });
    let (state, mut index) = (host.state.lock().unwrap(), Index::default());
    let plan = Plan::of(&set, &wanted(7), None, true).unwrap();
    let commit = Commit {
        set: &set,
        plan,
        back_to: None,
        state: &state,
    };
    commit.announce(&mut index).unwrap();
    let written = host.index();
    assert!(written.reload_pending && written.named("0").is_some());
    assert_eq!(written.replacing.as_ref().map(|next| next.files.len()), Some(4));
}

/// Nothing was replaced, so there is nothing to go back to.
#[test]
fn an_adoption_that_fails_leaves_no_version() {
    let host = Host::new();
    let (set, state) = (host.set(), host.state.lock().unwrap());
    let mut index = Index::default();
    let plan = Plan::of(&set, &wanted(7), None, true).unwrap();
    let commit = Commit {
        set: &set,
        plan,
        back_to: None,
        state: &state,
    };
    host.write("b", "changed meanwhile\n");
    let refused = commit.replace(&mut index).unwrap_err().to_string();
    assert!(
        refused.contains("changed by somebody else meanwhile"),
        "{refused}"
    );
    assert_eq!(host.index(), Index::default());
    assert!(host.kept().is_empty(), "{:?}", host.kept());
    assert_eq!(host.read("a").as_deref(), Some("by hand a\n"));
}

/// What could not be put back is found in revision 0.
#[test]
fn what_was_kept_stays_where_files_could_not_be_put_back() {
    let host = Host::new();
    let (set, state) = (host.set(), host.state.lock().unwrap());
    let mut index = Index::default();
    let commit = Commit {
        set: &set,
        plan: Plan::of(&set, &wanted(7), None, true).unwrap(),
        back_to: None,
        state: &state,
    };
    commit.announce(&mut index).unwrap();
    let half = ApplyError::HalfDone {
        paths: vec![host.path("a")],
        source: Box::new(ApplyError::refused(&host.path("b"), "no")),
    };
    commit.call_off(&Index::default(), &index, &half);
    assert_eq!(
        (host.ids(), host.kept()),
        (vec!["0".to_owned()], vec!["0".to_owned()])
    );
    commit.call_off(
        &Index::default(),
        &index,
        &ApplyError::refused(&host.path("b"), "no"),
    );
    assert_eq!((host.ids(), host.kept()), (Vec::new(), Vec::new()));
}
