//! Files put in their place on a real file system, with real programs as checkers and hooks.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as expected"
)]

mod commands;
mod ownership;
mod place;
mod rollback;
mod settings;

use std::path::{Path, PathBuf};
use std::time::Duration;

use configurator::apply::{
    self, Applied, ApplyError, Command, FileSet, Outcome, Place, Rendered, Source, StateDir, Wish,
};
use configurator::{File, Inventory, Options, View, header};

/// A host: a folder for files and one for the state.
struct Host {
    dir: tempfile::TempDir,
    state: StateDir,
}

impl Host {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::new(dir.path().join("state"), 3);
        std::fs::create_dir(dir.path().join("etc")).unwrap();
        Self { dir, state }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("etc").join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// Names in the folder, sorted.
    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.dir.path().join("etc")).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// A set of all that is rendered, into the folder.
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

    fn apply(&self, set: &FileSet, rendered: &Rendered) -> Result<Applied, ApplyError> {
        apply::apply(set, rendered, &self.state.lock().unwrap(), Wish::default())
    }

    fn adopt(&self, set: &FileSet, rendered: &Rendered) -> Result<Applied, ApplyError> {
        let wish = Wish {
            adopt: true,
            release: false,
        };
        apply::apply(set, rendered, &self.state.lock().unwrap(), wish)
    }

    fn roll_back(&self, set: &FileSet, to: Option<&str>) -> Result<Applied, ApplyError> {
        apply::roll_back(set, to, &self.state.lock().unwrap())
    }

    fn versions(&self) -> Vec<String> {
        let (versions, _) = self.state.versions("site").unwrap();
        versions.into_iter().map(|version| version.id).collect()
    }
}

/// A file with our header.
fn file(path: &str, text: &str) -> File {
    let view = View::of(&Inventory::new("test"));
    File::new(path, format!("{}{text}\n", header("#", &view, "template site")))
}

fn rendered(revision: u64, files: &[(&str, &str)]) -> Rendered {
    Rendered {
        files: files.iter().map(|(path, text)| file(path, text)).collect(),
        revision,
        secret: false,
    }
}

/// A script that a shell runs.
fn shell(script: &str) -> Command {
    Command {
        words: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
        at_most: Duration::from_secs(20),
    }
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}
