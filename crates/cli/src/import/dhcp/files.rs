//! The files that a configuration is made of: the one that is named, and what it includes.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::found::Place;

/// Bytes of one file: 100,000 reservations are some ten million.
const FILE_BYTES_MAX: u64 = 64 << 20;
/// Files of one configuration.
const FILES_MAX: usize = 1024;
/// How deep files may include each other.
const DEPTH_MAX: usize = 8;

/// Reads files, and counts them.
#[derive(Debug)]
pub(super) struct Files {
    opened_max: usize,
    opened: usize,
}

/// A file that was read.
#[derive(Clone, Debug)]
pub(super) struct Source {
    /// As people are told of it.
    pub(super) name: String,
    pub(super) text: String,
    /// 0 for what is named on the command line.
    depth: usize,
}

impl Source {
    /// Text that is there already.
    #[cfg(test)]
    pub(super) fn of(name: &str, text: &str) -> Source {
        let (name, text) = (name.to_owned(), text.to_owned());
        Source { name, text, depth: 0 }
    }

    /// The place of its first line.
    pub(super) fn start(&self) -> Place {
        Place::new(&self.name, 1)
    }

    fn folder(&self) -> &Path {
        Path::new(&self.name).parent().unwrap_or(Path::new(""))
    }
}

impl Files {
    pub(super) fn new() -> Files {
        Files {
            opened_max: FILES_MAX,
            opened: 0,
        }
    }

    /// Opens nothing.
    #[cfg(test)]
    pub(super) fn none() -> Files {
        Files {
            opened_max: 0,
            opened: 0,
        }
    }

    /// The file that is named on the command line; `-` is standard input.
    ///
    /// # Errors
    /// If it cannot be read or is too large, with its name.
    pub(super) fn open(&mut self, named: &str) -> Result<Source, String> {
        let (name, text) = match named {
            "-" => ("standard input".to_owned(), bounded(std::io::stdin().lock())),
            path => (path.to_owned(), read(Path::new(path))),
        };
        self.opened += 1;
        let text = text.map_err(|problem| format!("cannot read {name}: {problem}"))?;
        Ok(Source { name, text, depth: 0 })
    }

    /// A file that `from` includes; a relative name is looked for beside `from`.
    ///
    /// # Errors
    /// If it cannot be read, or there are too many, with what to do.
    pub(super) fn include(&mut self, from: &Source, named: &str) -> Result<Source, String> {
        let path = from.folder().join(named);
        if from.depth >= DEPTH_MAX {
            return Err(format!(
                "files include each other more than {DEPTH_MAX} deep; does one include itself?"
            ));
        }
        if self.opened >= self.opened_max {
            return Err(format!("there are more than {} files", self.opened_max));
        }
        self.opened += 1;
        let name = path.display().to_string();
        let text = read(&path).map_err(|problem| {
            format!(
                "cannot read {name}: {problem}; put a copy of the file there, or run the import where it is"
            )
        })?;
        let depth = from.depth + 1;
        Ok(Source { name, text, depth })
    }

    /// Names of the files in a folder that `from` includes, sorted; hidden ones and copies of editors are left out, as
    /// dnsmasq does.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub(super) fn list(from: &Source, folder: &str) -> Result<Vec<String>, String> {
        names_in(&from.folder().join(folder))
    }
}

/// Whether a folder is named on the command line.
pub(super) fn is_folder(named: &str) -> bool {
    Path::new(named).is_dir()
}

/// Paths of the files in a folder; see [`Files::list`].
pub(super) fn names_in(folder: &Path) -> Result<Vec<String>, String> {
    let cannot = |problem: std::io::Error| format!("cannot read {}: {problem}", folder.display());
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(cannot)? {
        let entry = entry.map_err(cannot)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_copy =
            name.ends_with('~') || name.starts_with('.') || (name.starts_with('#') && name.ends_with('#'));
        if is_copy || entry.path().is_dir() {
            continue;
        }
        if names.len() >= FILES_MAX {
            return Err(format!("{} has more than {FILES_MAX} files", folder.display()));
        }
        // absolute, as it is joined to the folder of the file that includes it
        let path: PathBuf = std::path::absolute(entry.path()).map_err(cannot)?;
        names.push(path.display().to_string());
    }
    names.sort();
    Ok(names)
}

fn read(path: &Path) -> Result<String, String> {
    let file = File::open(path).map_err(|problem| problem.to_string())?;
    bounded(file)
}

fn bounded(from: impl std::io::Read) -> Result<String, String> {
    let mut bytes = Vec::new();
    let mut from = from.take(FILE_BYTES_MAX + 1);
    from.read_to_end(&mut bytes)
        .map_err(|problem| problem.to_string())?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(format!("it has more than {} MiB", FILE_BYTES_MAX >> 20));
    }
    // comments of old files may be in any encoding; what counts is ASCII
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, content) in files {
            std::fs::write(dir.path().join(name), content).unwrap();
        }
        dir
    }

    fn open(files: &mut Files, dir: &tempfile::TempDir, name: &str) -> Source {
        files.open(dir.path().join(name).to_str().unwrap()).unwrap()
    }

    /// A copy of /etc/dhcp that somebody brought along includes its own files, not those of this host.
    #[test]
    fn a_relative_name_is_beside_the_file_that_includes_it() {
        let dir = folder(&[("a.conf", b"x"), ("b.conf", b"caf\xe9")]);
        let mut files = Files::new();
        let a = open(&mut files, &dir, "a.conf");
        let b = files.include(&a, "b.conf").unwrap();
        assert_eq!(b.text, "caf\u{fffd}", "a comment in Latin-1 is no reason to stop");
        assert!(b.name.ends_with("b.conf") && b.start().line == 1);
    }

    #[test]
    fn a_file_that_includes_itself_ends() {
        let dir = folder(&[("a.conf", b"")]);
        let mut files = Files::new();
        let mut source = open(&mut files, &dir, "a.conf");
        let error = loop {
            match files.include(&source, "a.conf") {
                Ok(next) => source = next,
                Err(error) => break error,
            }
        };
        assert!(error.contains("more than 8 deep"), "{error}");
    }

    #[test]
    fn what_cannot_be_read_is_named_with_what_to_do() {
        let dir = folder(&[("a.conf", b"")]);
        let mut files = Files::new();
        let a = open(&mut files, &dir, "a.conf");
        let error = files.include(&a, "/none/b.conf").unwrap_err();
        assert!(
            error.contains("/none/b.conf") && error.contains("put a copy"),
            "{error}"
        );
        assert!(files.open("/none/a.conf").unwrap_err().contains("/none/a.conf"));
        assert!(bounded(std::io::repeat(b' ')).unwrap_err().contains("64 MiB"));
        files.opened = FILES_MAX;
        assert!(files.include(&a, "a.conf").unwrap_err().contains("1024 files"));
    }

    /// dnsmasq's own rule; `.dpkg-old` it reads as well.
    #[test]
    fn a_folder_gives_its_files_without_the_copies_of_editors() {
        let dir = folder(&[
            ("b.conf", b""),
            ("a.conf", b""),
            ("a.conf~", b""),
            (".hidden", b""),
            ("#a.conf#", b""),
        ]);
        std::fs::create_dir(dir.path().join("sub")).unwrap();
        let names = names_in(dir.path()).unwrap();
        assert_eq!(names.len(), 2);
        assert!(names[0].ends_with("a.conf") && names[1].ends_with("b.conf"));
        assert!(is_folder(dir.path().to_str().unwrap()));
        assert!(names_in(Path::new("/none")).unwrap_err().contains("/none"));
    }
}
