//! Files that belong together: where they come from, where they go, and who checks and reads them.

use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

use proto::configurator::v1::Template;
use proto::watch::v1::object::Kind;

use super::{ApplyError, Command};
use crate::{Error, File, Inventory, Options, View, render, render_template, target};

/// Mode of a file that is new, unless the site says otherwise; of one with secrets in it.
const MODE: u32 = 0o644;
const SECRET_MODE: u32 = 0o600;
/// Rights of those who are neither the owner nor in the group.
const OTHERS: u32 = 0o007;
/// What this crate's own folders beside destinations begin with.
pub(crate) const STAGE_PREFIX: &str = ".chamois-stage-";

/// Files that are made, checked, replaced and rolled back together: an entry `[[file-set]]` of the configuration.
#[derive(Clone, Debug)]
pub struct FileSet {
    /// Its name, unique.
    pub name: String,
    /// What makes the files.
    pub source: Source,
    /// Where they go.
    pub place: Place,
    /// Options of the target.
    pub options: Options,
    /// The site's own checker; `{file}` stands for each staged file, `{dir}` for the folder they are in.
    pub check: Option<Command>,
    /// Whether the target's own checkers are run, too, where they are installed.
    pub target_checks: bool,
    /// What is run when files were replaced.
    pub reload: Option<Command>,
    /// Mode of the files; without it that of the file before is kept, and new ones have 0644, with secrets 0600. A file with secrets
    /// keeps no rights of others.
    pub mode: Option<u32>,
}

/// What makes files, by name.
#[derive(Clone, Debug)]
pub enum Source {
    /// A target of this crate.
    Target(&'static str),
    /// A template in the cluster's state.
    Template(String),
}

/// Where files go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Below this folder, each under its own path.
    Into(PathBuf),
    /// The only file is this one.
    Path(PathBuf),
}

/// Files as they are to be.
#[derive(Clone, Debug, Default)]
pub struct Rendered {
    /// The files.
    pub files: Vec<File>,
    /// Revision of the state that they were made of.
    pub revision: u64,
    /// Whether there are secrets in them: they are shown to nobody then.
    pub secret: bool,
}

impl FileSet {
    /// Kinds of objects that its files are made of: a change of none else changes a file. A template may read all.
    pub fn reads(&self) -> &'static [Kind] {
        match &self.source {
            Source::Target(name) => target(name).map_or(Inventory::KINDS, |target| target.reads),
            Source::Template(_) => Inventory::KINDS,
        }
    }

    /// The template, if it is one that reads secrets: those the cluster alone can fill in.
    pub fn secret_template<'a>(&self, inventory: &'a Inventory) -> Option<&'a Template> {
        let Source::Template(name) = &self.source else {
            return None;
        };
        let found = inventory.templates().find(|template| template.name == *name);
        found.filter(|template| !template.secrets.is_empty())
    }

    /// Its files, as the state has them to be.
    ///
    /// # Errors
    /// What the target or the template says; a template that is not there.
    pub fn render(&self, inventory: &Inventory, view: &View) -> Result<Rendered, Error> {
        let files = match &self.source {
            Source::Target(name) => render(target(name)?, view, &self.options)?,
            Source::Template(name) => {
                let found = inventory.templates().find(|template| template.name == *name);
                let template = found.ok_or_else(|| no_template(name, inventory))?;
                vec![render_template(template, view, None)?]
            }
        };
        Ok(Rendered {
            files,
            revision: view.revision(),
            secret: false,
        })
    }

    /// Where a file of this path goes.
    ///
    /// # Errors
    /// A path that leads out of the folder, or several files for one place.
    pub(crate) fn destination(&self, path: &str, files: usize) -> Result<PathBuf, ApplyError> {
        if !is_below(path) {
            let problem = "a file's path is relative, without `..`, and no name of ours (.chamois-stage-…)";
            return Err(ApplyError::refused(Path::new(path), problem));
        }
        match &self.place {
            Place::Into(folder) => Ok(folder.join(path)),
            Place::Path(place) if files == 1 => Ok(place.clone()),
            Place::Path(place) => {
                let name = self.source.name();
                let problem =
                    format!("`{name}` makes {files} files, and `path` is one: give a folder as `into`");
                Err(ApplyError::refused(place, problem))
            }
        }
    }

    /// The folder that all destinations are in or below.
    pub(crate) fn folder(&self) -> &Path {
        match &self.place {
            Place::Into(folder) => folder,
            Place::Path(path) => path.parent().unwrap_or(Path::new("/")),
        }
    }

    /// Mode of a file, by that of the file before; a file that others may read is none for secrets, unless the site says so.
    pub(crate) fn mode_of(&self, before: Option<u32>, secret: bool) -> u32 {
        let new = if secret { SECRET_MODE } else { MODE };
        let before = before.map(|mode| if secret { mode & !OTHERS } else { mode });
        self.mode.or(before).unwrap_or(new)
    }
}

impl Source {
    /// Name of the target or template.
    pub fn name(&self) -> &str {
        match self {
            Source::Target(name) => name,
            Source::Template(name) => name,
        }
    }
}

fn no_template(name: &str, inventory: &Inventory) -> Error {
    let names: Vec<&str> = inventory
        .templates()
        .map(|template| template.name.as_str())
        .collect();
    let problem = match names.is_empty() {
        true => "there is no such template; there are none".to_owned(),
        false => format!("there is no such template; there are {}", names.join(", ")),
    };
    Error::Template {
        name: name.to_owned(),
        line: None,
        problem,
    }
}

/// Whether a path stays below the folder that it is in.
fn is_below(path: &str) -> bool {
    let path = Path::new(path);
    let is_ours = |name: &OsStr| name.to_string_lossy().starts_with(STAGE_PREFIX);
    let mut parts = path.components().peekable();
    parts.peek().is_some() && parts.all(|part| matches!(part, Component::Normal(name) if !is_ours(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(place: Place) -> FileSet {
        FileSet {
            name: "hosts".to_owned(),
            source: Source::Target("hosts"),
            place,
            options: Options::default(),
            check: None,
            target_checks: true,
            reload: None,
            mode: None,
        }
    }

    /// A template's path is typed by somebody who is not this host's administrator.
    #[test]
    fn no_path_leads_out_of_the_folder() {
        let set = set(Place::Into("/etc/slurm".into()));
        for path in ["nodes.conf", "a/b.conf", ".hidden"] {
            let destination = set.destination(path, 2).unwrap();
            assert_eq!(destination, Path::new("/etc/slurm").join(path));
        }
        for path in [
            "",
            "/etc/passwd",
            "../passwd",
            "a/../../passwd",
            "./x",
            ".chamois-stage-1/x",
        ] {
            assert!(set.destination(path, 1).is_err(), "{path}");
        }
    }

    #[test]
    fn one_place_takes_one_file() {
        let set = set(Place::Path("/etc/hosts".into()));
        assert_eq!(set.destination("hosts", 1).unwrap(), Path::new("/etc/hosts"));
        let refused = set.destination("hosts", 2).unwrap_err().to_string();
        assert!(
            refused.contains("2 files") && refused.contains("`into`"),
            "{refused}"
        );
        assert_eq!(set.folder(), Path::new("/etc"));
    }

    #[test]
    fn a_mode_is_the_sites_or_the_present_one_or_the_usual_one() {
        let mut set = set(Place::Path("/etc/hosts".into()));
        assert_eq!(set.mode_of(None, false), 0o644);
        assert_eq!(set.mode_of(None, true), 0o600);
        assert_eq!(set.mode_of(Some(0o664), false), 0o664);
        set.mode = Some(0o640);
        assert_eq!(set.mode_of(Some(0o664), false), 0o640);
    }

    /// A template that reads its first password must not write it where everybody may read.
    #[test]
    fn a_file_with_secrets_keeps_no_rights_of_others() {
        let mut set = set(Place::Path("/etc/ipmi".into()));
        assert_eq!(set.mode_of(Some(0o644), true), 0o640);
        assert_eq!(set.mode_of(Some(0o600), true), 0o600);
        set.mode = Some(0o644);
        assert_eq!(set.mode_of(Some(0o600), true), 0o644, "the site has said so");
    }

    #[test]
    fn a_template_that_is_not_there_is_named() {
        let mut set = set(Place::Path("/etc/motd".into()));
        set.source = Source::Template("motd".to_owned());
        let inventory = Inventory::new("test");
        let refused = set
            .render(&inventory, &View::of(&inventory))
            .unwrap_err()
            .to_string();
        assert!(refused.contains("motd") && refused.contains("none"), "{refused}");
        assert_eq!(set.reads(), Inventory::KINDS);
    }
}
