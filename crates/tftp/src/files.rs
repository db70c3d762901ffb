//! The files that may be read: listed and loaded once at start, then served from memory. A name in a request
//! is looked up in this list and never touches the filesystem, so there is no path to escape by.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;

/// Largest file that is loaded, bytes. iPXE's loaders are below 1 MB.
pub const FILE_BYTES_MAX: u64 = 16 << 20;
/// Most files of one list; a folder with more is not a folder of loaders.
pub const FILES_MAX: usize = 256;

/// Files by the name clients ask for.
#[derive(Clone, Debug, Default)]
pub struct Files(BTreeMap<String, Bytes>);

/// Why an entry of a folder is not served: a warning at start.
#[derive(Debug, thiserror::Error)]
pub enum Skipped {
    /// The folder or file could not be read.
    #[error("{path}: not served over TFTP: it cannot be read", path = .path.display())]
    Unreadable {
        /// The folder or file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A symbolic link that leads out of the folder.
    #[error("{path}: not served over TFTP: the link leads out of its folder; copy the file instead", path = .path.display())]
    LeadsOut {
        /// The link.
        path: PathBuf,
    },
    /// A file above [`FILE_BYTES_MAX`].
    #[error("{path}: not served over TFTP: {size} bytes, the limit is {FILE_BYTES_MAX}", path = .path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size, bytes.
        size: u64,
    },
    /// More than [`FILES_MAX`] files: this one and those after it, by name, are left out.
    #[error("{path}: not served over TFTP: more than {FILES_MAX} files", path = .path.display())]
    TooMany {
        /// The first file left out.
        path: PathBuf,
    },
}

impl Files {
    /// Loads the regular files that lie directly in `folders`; of two with one name the earlier folder's wins.
    /// What cannot be served is reported, never an error: a missing loader must not stop a member.
    pub fn load<P: AsRef<Path>>(folders: &[P]) -> (Files, Vec<Skipped>) {
        let mut files = Files::default();
        let mut skipped = Vec::new();
        for folder in folders {
            let folder = folder.as_ref();
            if let Err(source) = files.load_folder(folder, &mut skipped) {
                skipped.push(Skipped::Unreadable {
                    path: folder.to_path_buf(),
                    source,
                });
            }
        }
        (files, skipped)
    }

    /// Puts in a file under a name, as tests and embedded loaders do.
    pub fn insert(&mut self, name: &str, content: impl Into<Bytes>) {
        self.0.insert(name.to_string(), content.into());
    }

    /// The file a client means by `name`. Leading slashes are dropped: some ROMs ask for `/undionly.kpxe`.
    pub fn get(&self, name: &str) -> Option<Bytes> {
        self.0.get(name.trim_start_matches('/')).cloned()
    }

    /// Whether `name` can be served.
    pub fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    fn load_folder(&mut self, folder: &Path, skipped: &mut Vec<Skipped>) -> io::Result<()> {
        let root = folder.canonicalize()?;
        let mut entries: Vec<PathBuf> = fs::read_dir(&root)?
            .map(|entry| Ok(entry?.path()))
            .collect::<io::Result<_>>()?;
        entries.sort();
        for path in entries {
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
                continue;
            };
            if self.0.contains_key(name) {
                continue;
            }
            if self.0.len() == FILES_MAX {
                skipped.push(Skipped::TooMany { path });
                break;
            }
            match load_file(&root, &path) {
                Ok(Some(content)) => drop(self.0.insert(name.to_string(), content)),
                Ok(None) => {}
                Err(why) => skipped.push(why),
            }
        }
        Ok(())
    }
}

/// The content of a regular file under `root`; `None` for folders, sockets and devices.
fn load_file(root: &Path, path: &Path) -> Result<Option<Bytes>, Skipped> {
    let unreadable = |source| Skipped::Unreadable {
        path: path.to_path_buf(),
        source,
    };
    let target = path.canonicalize().map_err(unreadable)?;
    if !target.starts_with(root) {
        return Err(Skipped::LeadsOut {
            path: path.to_path_buf(),
        });
    }
    let meta = fs::metadata(&target).map_err(unreadable)?;
    if !meta.is_file() {
        return Ok(None);
    }
    if meta.len() > FILE_BYTES_MAX {
        return Err(Skipped::TooLarge {
            path: path.to_path_buf(),
            size: meta.len(),
        });
    }
    Ok(Some(Bytes::from(fs::read(&target).map_err(unreadable)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn regular_files_are_served_and_folders_are_not() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("undionly.kpxe"), b"abc").unwrap();
        fs::create_dir(folder.path().join("sub")).unwrap();
        fs::write(folder.path().join("sub/hidden"), b"x").unwrap();
        let (files, skipped) = Files::load(&[folder.path()]);
        assert!(skipped.is_empty(), "{skipped:?}");
        assert_eq!(files.names().collect::<Vec<_>>(), ["undionly.kpxe"]);
        assert_eq!(files.get("undionly.kpxe").unwrap(), "abc");
        assert_eq!(files.get("//undionly.kpxe").unwrap(), "abc");
    }

    #[test]
    fn no_name_reaches_a_file_that_is_not_in_the_list() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), b"abc").unwrap();
        let (files, _) = Files::load(&[folder.path()]);
        for name in [
            "../a",
            "../../../../../../etc/hostname",
            "/etc/hostname",
            "./a",
            "sub/../a",
            "a/",
            "a\\",
            "",
            "A",
            "..",
        ] {
            assert!(files.get(name).is_none(), "{name}");
        }
    }

    #[test]
    fn a_link_inside_its_folder_is_served_and_one_that_leads_out_is_reported() {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(folder.path().join("real"), b"abc").unwrap();
        fs::write(other.path().join("secret"), b"s").unwrap();
        symlink("real", folder.path().join("alias")).unwrap();
        symlink(other.path().join("secret"), folder.path().join("out")).unwrap();
        symlink("gone", folder.path().join("dangling")).unwrap();
        let (files, skipped) = Files::load(&[folder.path()]);
        assert_eq!(files.names().collect::<Vec<_>>(), ["alias", "real"]);
        assert_eq!(files.get("alias").unwrap(), "abc");
        assert_eq!(skipped.len(), 2, "{skipped:?}");
        assert!(
            skipped
                .iter()
                .any(|s| matches!(s, Skipped::LeadsOut { path } if path.ends_with("out")))
        );
    }

    #[test]
    fn a_file_changed_or_removed_later_is_served_as_it_was_at_start() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), b"abc").unwrap();
        let (files, _) = Files::load(&[folder.path()]);
        fs::remove_file(folder.path().join("a")).unwrap();
        assert_eq!(files.get("a").unwrap(), "abc");
    }

    #[test]
    fn too_large_and_too_many_files_are_left_out_and_said_so() {
        let folder = tempfile::tempdir().unwrap();
        fs::File::create(folder.path().join("huge"))
            .unwrap()
            .set_len(FILE_BYTES_MAX + 1)
            .unwrap();
        let (files, skipped) = Files::load(&[folder.path()]);
        assert!(!files.contains("huge"));
        assert!(matches!(&skipped[..], [Skipped::TooLarge { size, .. }] if *size == FILE_BYTES_MAX + 1));

        let many = tempfile::tempdir().unwrap();
        for n in 0..=FILES_MAX {
            fs::write(many.path().join(format!("f{n:04}")), b"").unwrap();
        }
        let (files, skipped) = Files::load(&[many.path()]);
        assert_eq!(files.names().count(), FILES_MAX);
        assert!(matches!(&skipped[..], [Skipped::TooMany { .. }]), "{skipped:?}");
    }

    #[test]
    fn a_folder_that_is_missing_is_a_warning_and_the_next_one_still_serves() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), b"abc").unwrap();
        let (files, skipped) = Files::load(&[Path::new("/nonexistent/loaders"), folder.path()]);
        assert!(files.contains("a"));
        assert!(
            skipped[0].to_string().contains("/nonexistent/loaders"),
            "{}",
            skipped[0]
        );
    }
}
