//! The header of a member's data folder: whose it is and in which format, so that it is never opened as another's.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

/// Format of the data folder that this version writes and reads.
pub(crate) const FORMAT: u32 = 1;

const FILE: &str = "header";

/// Writes the header into a new folder, or checks the one that is there.
///
/// # Errors
/// `InvalidData` that says whose the folder is and what to do; whatever the file system says.
pub(crate) fn claim(folder: &Path, cluster_name: &str, member_id: u64) -> io::Result<()> {
    let expected = format!("format = {FORMAT}\ncluster = \"{cluster_name}\"\nmember-id = {member_id}\n");
    match fs::read_to_string(folder.join(FILE)) {
        Ok(found) if found == expected => Ok(()),
        Ok(found) => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!(
                "{} belongs to another store:\n{found}this member needs:\n{expected}Give it its own data-dir; a member \
             that lost its disk must join again under a new id.",
                folder.display()
            ),
        )),
        Err(error) if error.kind() == io::ErrorKind::NotFound => write(folder, &expected),
        Err(error) => Err(error),
    }
}

fn write(folder: &Path, text: &str) -> io::Result<()> {
    let temporary = folder.join("header.tmp");
    let mut file = File::create(&temporary)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&temporary, folder.join(FILE))?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two members on one folder, or one member on another's, would lose acknowledged writes.
    #[test]
    fn a_folder_is_only_its_owners() {
        let folder = tempfile::tempdir().unwrap();
        claim(folder.path(), "prod", 1).unwrap();
        claim(folder.path(), "prod", 1).unwrap();
        for (cluster, member) in [("prod", 2), ("test", 1)] {
            let error = claim(folder.path(), cluster, member).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
            assert!(error.to_string().contains("member-id = 1"), "{error}");
        }
    }
}
