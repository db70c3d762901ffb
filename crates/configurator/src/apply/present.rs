//! What is at a destination now.

use std::borrow::Cow;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use super::ApplyError;

/// A file of a program's configuration has less.
const BYTES_MAX: u64 = 256 << 20;

/// A regular file as it was when it was looked at.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Present {
    pub(crate) bytes: Vec<u8>,
    /// Permission bits.
    pub(crate) mode: u32,
    pub(crate) owner: u32,
    pub(crate) group: u32,
}

impl Present {
    /// The file at `path`, if there is anything.
    ///
    /// # Errors
    /// Whatever is there and is no regular file, or in a folder that is a symbolic link below `folder`.
    pub(crate) fn at(path: &Path, folder: &Path) -> Result<Option<Present>, ApplyError> {
        check_way(path, folder)?;
        let meta = match std::fs::symlink_metadata(path) {
            Ok(meta) => meta,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(ApplyError::io("look at", path)(error)),
        };
        if meta.is_symlink() {
            return Err(ApplyError::refused(path, links_to(path)));
        }
        if !meta.is_file() {
            return Err(ApplyError::refused(
                path,
                "there is something that is no regular file",
            ));
        }
        if meta.len() > BYTES_MAX {
            let problem = format!("the file there has {} bytes, which none of ours has", meta.len());
            return Err(ApplyError::refused(path, problem));
        }
        Ok(Some(Present {
            bytes: std::fs::read(path).map_err(ApplyError::io("read", path))?,
            mode: meta.permissions().mode() & 0o7777,
            owner: meta.uid(),
            group: meta.gid(),
        }))
    }

    pub(crate) fn text(&self) -> Cow<'_, str> {
        // several times as quick as the lossy reading, which goes on where there is nothing to lose
        match std::str::from_utf8(&self.bytes) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => String::from_utf8_lossy(&self.bytes),
        }
    }
}

/// The folders between the set's and the file are folders: a link would lead to where nobody has said that files go.
fn check_way(path: &Path, folder: &Path) -> Result<(), ApplyError> {
    let below = path.strip_prefix(folder).unwrap_or(path);
    let mut way = folder.to_owned();
    for part in below.parent().into_iter().flat_map(Path::components) {
        way.push(part);
        match std::fs::symlink_metadata(&way) {
            Ok(meta) if meta.is_symlink() => return Err(ApplyError::refused(&way, links_to(&way))),
            Ok(meta) if !meta.is_dir() => return Err(ApplyError::refused(&way, "this is no folder")),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(ApplyError::io("look at", &way)(error)),
        }
    }
    Ok(())
}

fn links_to(path: &Path) -> String {
    let to = std::fs::read_link(path).map_or_else(|_| "elsewhere".to_owned(), |to| to.display().to_string());
    format!("this is a symbolic link to {to}, which would be cut: name the file itself, or remove the link")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn refused(path: &Path, folder: &Path) -> String {
        Present::at(path, folder).err().unwrap().to_string()
    }

    #[test]
    fn a_regular_file_is_read_with_its_mode() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hosts");
        assert!(Present::at(&path, dir.path()).unwrap().is_none());
        std::fs::write(&path, "a\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let present = Present::at(&path, dir.path()).unwrap().unwrap();
        assert_eq!((present.text().as_ref(), present.mode), ("a\n", 0o640));
    }

    /// /etc/resolv.conf is a link on many hosts: whoever replaces it has cut another program's file off.
    #[test]
    fn links_are_named_with_where_they_lead() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("link");
        symlink("/nonexistent/real", &link).unwrap();
        assert!(refused(&link, dir.path()).contains("/nonexistent/real"));
        let elsewhere = tempfile::tempdir().unwrap();
        symlink(elsewhere.path(), dir.path().join("sub")).unwrap();
        let text = refused(&dir.path().join("sub/file"), dir.path());
        assert!(text.contains("sub") && text.contains("symbolic link"), "{text}");
    }

    #[test]
    fn folders_and_files_in_the_way_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert!(refused(dir.path(), dir.path().parent().unwrap()).contains("regular file"));
        std::fs::write(dir.path().join("file"), "").unwrap();
        assert!(refused(&dir.path().join("file/below"), dir.path()).contains("no folder"));
        assert!(
            Present::at(&dir.path().join("not/there/yet"), dir.path())
                .unwrap()
                .is_none()
        );
    }
}
