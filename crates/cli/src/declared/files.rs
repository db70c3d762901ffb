//! `-f`: a file, a folder or standard input.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use openapi::Catalogue;

use super::document::{self, Document};
use crate::error::{CliError, Kind};

/// Bytes of one file.
const FILE_BYTES_MAX: u64 = 64 << 20;
/// Files of one folder, with those in its folders.
const FILES_MAX: usize = 10_000;
/// Files of all kinds and folders that are looked at for them.
const LOOKED_AT_MAX: usize = 100_000;
/// Folders within each other.
const DEPTH_MAX: usize = 32;

/// Where documents come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source(PathBuf);

/// `-`, or a path.
pub(super) fn source(text: &str) -> Result<Source, String> {
    match text {
        "" => Err("name a file, a folder, or - for standard input".to_owned()),
        text => Ok(Source(PathBuf::from(text))),
    }
}

impl Source {
    /// All documents, files in the order of their names.
    ///
    /// # Errors
    /// `Usage` at the first file that cannot be read, or the first slip in one.
    pub(super) fn read(&self, catalogue: &Catalogue) -> Result<Vec<Document>, CliError> {
        if self.is_stdin() {
            let text = text(std::io::stdin().lock()).map_err(|problem| refused(Path::new("-"), problem))?;
            return document::read(catalogue, "standard input", &text);
        }
        let mut documents = Vec::new();
        for path in self.files()? {
            let file = std::fs::File::open(&path).map_err(|error| refused(&path, error))?;
            let text = text(file).map_err(|problem| refused(&path, problem))?;
            documents.extend(document::read(catalogue, &path.display().to_string(), &text)?);
        }
        Ok(documents)
    }

    /// Where it is noted what was made of this source; none for standard input, which nobody finds again.
    pub(super) fn record(&self) -> Option<PathBuf> {
        if self.is_stdin() {
            return None;
        }
        if self.0.is_dir() {
            return Some(self.0.join(".chamois-applied.yaml"));
        }
        let name = self.0.file_name()?.to_string_lossy().into_owned();
        Some(self.0.with_file_name(format!(".{name}.chamois-applied.yaml")))
    }

    fn is_stdin(&self) -> bool {
        self.0 == Path::new("-")
    }

    fn files(&self) -> Result<Vec<PathBuf>, CliError> {
        if !self.0.is_dir() {
            return Ok(vec![self.0.clone()]);
        }
        let mut walk = Walk::default();
        walk.below(&self.0)?;
        let mut found = walk.found;
        if found.is_empty() {
            return Err(refused(&self.0, "it has no file *.yaml, *.yml or *.json"));
        }
        found.sort();
        Ok(found)
    }
}

/// A folder on its way to be read, with those in it. Links are followed, but never back to where they are.
#[derive(Default)]
struct Walk {
    found: Vec<PathBuf>,
    /// Files and folders that were looked at: several ways to one folder are several times its files.
    looked_at: usize,
    /// The folders that it is in, without links.
    within: Vec<PathBuf>,
}

impl Walk {
    /// What begins with a dot is not read: the record, and what editors leave.
    fn below(&mut self, folder: &Path) -> Result<(), CliError> {
        let itself = std::fs::canonicalize(folder).map_err(|error| refused(folder, error))?;
        if self.within.contains(&itself) {
            let problem = format!(
                "it is a link back to {}, which it is in; take it away",
                itself.display()
            );
            return Err(refused(folder, problem));
        }
        if self.within.len() > DEPTH_MAX {
            return Err(refused(
                folder,
                format!("more than {DEPTH_MAX} folders within each other"),
            ));
        }
        self.within.push(itself);
        for entry in std::fs::read_dir(folder).map_err(|error| refused(folder, error))? {
            let path = entry.map_err(|error| refused(folder, error))?.path();
            self.looked_at += 1;
            if self.looked_at > LOOKED_AT_MAX {
                let problem = format!("more than {LOOKED_AT_MAX} files and folders, by all links to them");
                return Err(refused(folder, problem));
            }
            self.add(path)?;
            if self.found.len() > FILES_MAX {
                return Err(refused(folder, format!("more than {FILES_MAX} files")));
            }
        }
        self.within.pop();
        Ok(())
    }

    fn add(&mut self, path: PathBuf) -> Result<(), CliError> {
        let is_hidden = path
            .file_name()
            .is_none_or(|name| name.to_string_lossy().starts_with('.'));
        let is_document = path
            .extension()
            .is_some_and(|end| ["yaml", "yml", "json"].iter().any(|known| end == *known));
        match (is_hidden, path.is_dir()) {
            (true, _) => {}
            (false, true) => self.below(&path)?,
            (false, false) if is_document => self.found.push(path),
            (false, false) => {}
        }
        Ok(())
    }
}

fn text(input: impl std::io::Read) -> Result<String, String> {
    let mut text = String::new();
    let read = input.take(FILE_BYTES_MAX + 1).read_to_string(&mut text);
    match read.map_err(|error| error.to_string())? as u64 > FILE_BYTES_MAX {
        true => Err(format!("more than {FILE_BYTES_MAX} bytes")),
        false => Ok(text),
    }
}

fn refused(path: &Path, problem: impl std::fmt::Display) -> CliError {
    CliError::new(Kind::Usage, format!("cannot read {}: {problem}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUP: &str = "kind: Group\nmetadata: {name: g}\n";

    #[test]
    fn a_folder_is_read_with_its_folders_in_order_without_what_is_hidden() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, label: &str| {
            std::fs::write(
                dir.path().join(name),
                GROUP.replace("name: g", &format!("name: {label}")),
            )
            .unwrap();
        };
        std::fs::create_dir(dir.path().join("more")).unwrap();
        for (name, label) in [
            ("b.yaml", "b"),
            ("a.yml", "a"),
            ("more/c.yaml", "c"),
            (".x.yaml", "x"),
            ("notes.txt", "n"),
        ] {
            write(name, label);
        }
        let catalogue = crate::api::catalogue().unwrap();
        let read = source(dir.path().to_str().unwrap())
            .unwrap()
            .read(&catalogue)
            .unwrap();
        assert_eq!(
            read.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(),
            ["a", "b", "c"]
        );
    }

    #[test]
    fn the_record_stands_beside_what_it_is_of() {
        let dir = tempfile::tempdir().unwrap();
        let folder = source(dir.path().to_str().unwrap()).unwrap().record().unwrap();
        assert_eq!(folder, dir.path().join(".chamois-applied.yaml"));
        let file = source(dir.path().join("a.yaml").to_str().unwrap())
            .unwrap()
            .record()
            .unwrap();
        assert_eq!(file, dir.path().join(".a.yaml.chamois-applied.yaml"));
        assert_eq!(source("-").unwrap().record(), None);
    }

    #[test]
    fn what_is_not_there_or_has_nothing_is_usage() {
        let catalogue = crate::api::catalogue().unwrap();
        let dir = tempfile::tempdir().unwrap();
        for path in [dir.path().to_path_buf(), dir.path().join("none.yaml")] {
            let error = source(path.to_str().unwrap())
                .unwrap()
                .read(&catalogue)
                .unwrap_err();
            assert_eq!(error.kind(), Kind::Usage, "{error}");
        }
        assert!(source("").is_err());
    }

    /// Two of them made 2^32 visits.
    #[test]
    fn links_back_to_where_they_are_are_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("inner");
        std::fs::create_dir(&inner).unwrap();
        std::fs::write(dir.path().join("a.yaml"), GROUP).unwrap();
        let refused = || {
            let source = source(dir.path().to_str().unwrap()).unwrap();
            source.files().unwrap_err().to_string()
        };
        for link in ["one", "two"] {
            std::os::unix::fs::symlink(dir.path(), inner.join(link)).unwrap();
        }
        let text = refused();
        let names = ["inner/one", "inner/two"].map(|name| dir.path().join(name).display().to_string());
        assert!(names.iter().any(|name| text.contains(name)), "{text}");
        assert!(text.contains("a link back to"), "{text}");
    }

    /// A folder of another tree may be linked to, and read by two ways; what is declared twice is refused later.
    #[test]
    fn links_to_elsewhere_are_followed() {
        let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(other.path().join("g.yaml"), GROUP).unwrap();
        for link in ["a", "b"] {
            std::os::unix::fs::symlink(other.path(), dir.path().join(link)).unwrap();
        }
        let files = source(dir.path().to_str().unwrap()).unwrap().files().unwrap();
        assert_eq!(files, [dir.path().join("a/g.yaml"), dir.path().join("b/g.yaml")]);
    }

    /// No loop, and yet 2^20 ways to a folder that is empty.
    #[test]
    fn links_that_multiply_are_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let folder = |depth: u32| dir.path().join(format!("{depth}"));
        for depth in (0..=20).rev() {
            std::fs::create_dir(folder(depth)).unwrap();
            for link in ["a", "b"].into_iter().filter(|_| depth < 20) {
                std::os::unix::fs::symlink(folder(depth + 1), folder(depth).join(link)).unwrap();
            }
        }
        let mut walk = Walk {
            looked_at: LOOKED_AT_MAX - 1000,
            ..Walk::default()
        };
        let error = walk.below(&folder(0)).unwrap_err();
        assert!(error.to_string().contains("100000"), "{error}");
    }
}
