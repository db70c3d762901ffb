//! A folder of this host as the source of an image.

use std::collections::BTreeSet;
use std::path::Path;

use super::parts::{Bytes, Choices, FOUND_MAX, Found, Parts, Role, choose, signature_of};
use crate::error::{CliError, Kind};

/// Entries of a folder that are looked at.
const ENTRIES_MAX: usize = 10_000;

/// The parts that `folder` has.
///
/// # Errors
/// It cannot be read; see [`choose`].
pub(super) fn parts(folder: &Path, choices: &Choices) -> Result<Parts, CliError> {
    choose(&folder.display().to_string(), &found(folder, choices)?, choices)
}

fn found(folder: &Path, choices: &Choices) -> Result<Vec<Found>, CliError> {
    let unreadable = |error: std::io::Error| {
        CliError::new(Kind::Usage, format!("cannot read {}: {error}", folder.display()))
    };
    let mut found = Vec::new();
    // a name that links to another one of the folder is the same file
    let mut seen = BTreeSet::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)?.take(ENTRIES_MAX) {
        let entry = entry.map_err(unreadable)?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let Ok(path) = entry.path().canonicalize() else {
            continue; // a link to nothing
        };
        if choices.admit(&name) && path.is_file() && found.len() < FOUND_MAX && seen.insert(path.clone()) {
            found.push(Found {
                name,
                bytes: Bytes::of_file(path),
            });
        }
    }
    // an option may name what lies deeper, or is the same file under another name
    let named = Role::ALL.into_iter().filter_map(|role| choices.of(role));
    let mut named: Vec<String> = named.map(str::to_owned).collect();
    // so may a signature that lies beside such a file
    named.extend(
        found
            .iter()
            .map(|found| signature_of(&found.name))
            .collect::<Vec<_>>(),
    );
    named.extend(named.iter().map(|name| signature_of(name)).collect::<Vec<_>>());
    for name in named {
        let is_here = choices.admit(&name) && folder.join(&name).is_file();
        if is_here && !found.iter().any(|found| found.name == name) {
            let bytes = Bytes::of_file(folder.join(&name));
            found.push(Found { name, bytes });
        }
    }
    found.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn folder(names: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for name in names {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, name).unwrap();
        }
        dir
    }

    fn names(parts: Parts) -> Vec<String> {
        let name = |bytes: Bytes| std::fs::read_to_string(bytes.path).unwrap();
        parts.into_iter().map(|(_, bytes)| name(bytes)).collect()
    }

    /// Debian's /boot, with the links that other distributions make.
    #[test]
    fn links_within_a_folder_are_not_ambiguous() {
        let dir = folder(&["vmlinuz-6.1", "initrd.img-6.1", "config-6.1", "grub/vmlinuz-9"]);
        symlink("vmlinuz-6.1", dir.path().join("vmlinuz")).unwrap();
        symlink("nowhere", dir.path().join("initrd.img")).unwrap();
        let parts = parts(dir.path(), &Choices::default()).unwrap();
        assert_eq!(names(parts), ["vmlinuz-6.1", "initrd.img-6.1"]);
    }

    #[test]
    fn an_option_names_any_file_of_the_folder() {
        let dir = folder(&["vmlinuz-1", "vmlinuz-2", "deep/kernel", "ram.cpio"]);
        let choices = Choices {
            kernel: Some("deep/kernel".into()),
            initrd: Some("ram.cpio".into()),
            ..Choices::default()
        };
        let parts = parts(dir.path(), &choices).unwrap();
        assert_eq!(names(parts), ["deep/kernel", "ram.cpio"]);
    }

    #[test]
    fn a_folder_that_is_none_is_named() {
        let error = parts(Path::new("/nothing/here"), &Choices::default()).unwrap_err();
        assert!(error.to_string().contains("/nothing/here"), "{error}");
    }
}
