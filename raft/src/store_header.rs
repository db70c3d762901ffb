//! The header of a member's data folder: whose it is and in which format, so that it is never opened as another's.

use std::io;
use std::path::Path;

use state::cluster::FEATURE_LEVEL_KNOWN;

use crate::known_stores::is_store_id;
use crate::small_file;

/// Format of the data folder that this version writes and reads.
const FORMAT: u32 = 1;
/// The least feature level that a version needs to open this folder; the state's own level stands in the log.
const FEATURE_LEVEL: u32 = 1;

const FILE: &str = small_file::HEADER;
/// For a member whose store cannot be trusted.
const WAY_OUT: &str = "check the disk, move the data directory aside, remove the member from the cluster and let it join \
                       again under a new id";

/// Whether `folder` is anybody's.
pub(crate) fn is_there(folder: &Path) -> io::Result<bool> {
    std::fs::exists(folder.join(FILE))
}

/// Writes the header into a new folder, or checks the one that is there. Gives the id of this store: `fresh_id` (16
/// random hex digits) for a new folder, so that a member with a new disk is not taken for the one with the old.
///
/// # Errors
/// `InvalidData` that says whose the folder is and what to do; whatever the file system says.
pub(crate) fn claim(folder: &Path, cluster_name: &str, member_id: u64, fresh_id: &str) -> io::Result<String> {
    let owner = format!("cluster = \"{cluster_name}\"\nmember-id = {member_id}\n");
    match small_file::read(folder, FILE) {
        Ok(found) => opened(&found, &owner).map_err(|problem| {
            let text = format!("{}: {problem}", folder.join(FILE).display());
            io::Error::new(io::ErrorKind::InvalidData, text)
        }),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            Err(io::Error::new(error.kind(), format!("{error}; {WAY_OUT}")))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let format = format!("format = {FORMAT}\nfeature-level = {FEATURE_LEVEL}\n");
            let text = format!("{format}{owner}store-id = \"{fresh_id}\"\n");
            small_file::replace(folder, FILE, &text)?;
            Ok(fresh_id.to_owned())
        }
        Err(error) => Err(error),
    }
}

/// The store id of a header that this version reads and whose folder is `owner`'s.
fn opened(found: &str, owner: &str) -> Result<String, String> {
    let pairs = small_file::pairs(found).unwrap_or_default();
    let value = |wanted: &str| {
        let pair = pairs.iter().find(|(key, _)| *key == wanted);
        pair.map(|(_, value)| *value).unwrap_or_default()
    };
    let newer = |name: &str, known: u32| match value(name).parse::<u32>() {
        Ok(number) if number > known => Err(format!(
            "the data folder has {name} {number}, this version knows {known}: a newer version wrote it; upgrade \
             this member"
        )),
        Ok(_) | Err(_) => Ok(()),
    };
    newer("format", FORMAT)?;
    newer("feature-level", FEATURE_LEVEL_KNOWN)?;
    let id = value("store-id");
    let format = format!("format = {FORMAT}\nfeature-level = {}\n", value("feature-level"));
    if found != format!("{format}{owner}store-id = \"{id}\"\n") || !is_store_id(id) {
        let line = |text: &str| text.trim_end().replace('\n', ", ").replace(char::is_control, "?");
        return Err(format!(
            "the folder belongs to another store ({}), this member needs: {}. Give it its own data-dir; if the folder is \
             its own, the file is damaged: {WAY_OUT}",
            line(found),
            line(owner)
        ));
    }
    Ok(id.to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const FRESH: &str = "00c0ffee00c0ffee";

    /// Two members on one folder, or one member on another's, would lose acknowledged writes.
    #[test]
    fn a_folder_is_only_its_owners() {
        let folder = tempfile::tempdir().unwrap();
        claim(folder.path(), "prod", 1, FRESH).unwrap();
        for (cluster, member) in [("prod", 2), ("test", 1)] {
            let error = claim(folder.path(), cluster, member, FRESH).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
            assert!(error.to_string().contains("member-id = 1"), "{error}");
        }
    }

    /// The id is what tells a restart from a new disk.
    #[test]
    fn a_store_keeps_its_first_id() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(claim(folder.path(), "prod", 1, FRESH).unwrap(), FRESH);
        let other = "0123456789abcdef";
        assert_eq!(claim(folder.path(), "prod", 1, other).unwrap(), FRESH);
        fs::remove_file(folder.path().join(FILE)).unwrap();
        assert_eq!(claim(folder.path(), "prod", 1, other).unwrap(), other);
    }

    #[test]
    fn a_newer_versions_folder_says_upgrade() {
        let folder = tempfile::tempdir().unwrap();
        claim(folder.path(), "prod", 1, FRESH).unwrap();
        let path = folder.path().join(FILE);
        let written = small_file::read(folder.path(), FILE).unwrap();
        for (known, newer) in [("format = 1", "format = 2"), ("level = 1", "level = 9")] {
            let text = written.replace(known, newer) + "placement = \"new\"\n";
            small_file::replace(folder.path(), FILE, &text).unwrap();
            let stored = fs::read_to_string(&path).unwrap();
            let error = claim(folder.path(), "prod", 1, FRESH).unwrap_err().to_string();
            assert!(error.contains("upgrade"), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), stored, "it is left as it was");
        }
    }

    #[test]
    fn a_header_without_a_store_id_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        claim(folder.path(), "prod", 1, FRESH).unwrap();
        let written = small_file::read(folder.path(), FILE).unwrap();
        small_file::replace(folder.path(), FILE, &written.replace(FRESH, "")).unwrap();
        assert!(claim(folder.path(), "prod", 1, FRESH).is_err());
    }
}
