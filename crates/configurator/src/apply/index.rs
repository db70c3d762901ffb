//! What is remembered of a set: the versions of its files, and what is still to be done.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Name of the version that holds files as they were before they were taken over. Versions of revision 0 are kept for ever.
pub const BEFORE: &str = "0";

/// One version of a set's files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Version {
    /// What it is called: the revision of the state; `4711.2` is the second one of this revision, [`BEFORE`] what was there first.
    pub id: String,
    /// Revision of the state that the files were made of; 0: of none.
    pub revision: u64,
    /// When they were put in their place, seconds since the Unix epoch.
    pub at_s: u64,
    /// Whether there are secrets in them.
    #[serde(default)]
    pub secret: bool,
    /// The files.
    pub files: Vec<KeptFile>,
}

/// A file of a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptFile {
    /// Where it was put.
    pub destination: PathBuf,
    /// Its path as its program is used to, by which checkers know it.
    pub path: String,
    /// Its length, bytes.
    pub bytes: u64,
    /// CRC-32 of its bytes (IEEE 802.3): whether a copy is whole, and whether a present file is this one.
    pub crc32: u32,
}

impl KeptFile {
    pub(crate) fn new(destination: &Path, path: &str, bytes: &[u8]) -> KeptFile {
        KeptFile {
            destination: destination.to_owned(),
            path: path.to_owned(),
            bytes: bytes.len() as u64,
            crc32: crc32fast::hash(bytes),
        }
    }

    /// Whether these are its bytes.
    pub(crate) fn is(&self, bytes: &[u8]) -> bool {
        self.bytes == bytes.len() as u64 && self.crc32 == crc32fast::hash(bytes)
    }
}

impl Version {
    /// Whether this version put these bytes there.
    pub(crate) fn wrote(&self, destination: &Path, bytes: &[u8]) -> bool {
        let mut of = self.files.iter().filter(|file| file.destination == destination);
        of.any(|file| file.is(bytes))
    }
}

/// The versions of one set, and what holds beside them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Index {
    /// The oldest first.
    pub(crate) versions: Vec<Version>,
    /// The version that is in place.
    pub(crate) current: Option<String>,
    /// It was rolled back, and stays so until somebody applies it by hand.
    #[serde(default)]
    pub(crate) held: bool,
    /// Files were replaced, and the hook has not yet succeeded.
    #[serde(default)]
    pub(crate) reload_pending: bool,
    /// What is being put in place. It is still here after a process was killed: each of its files is there, or the one before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) replacing: Option<Version>,
}

impl Index {
    /// The version in place.
    pub(crate) fn current(&self) -> Option<&Version> {
        self.named(self.current.as_deref()?)
    }

    /// What we have written where: the version in place, and the files of one that was being put there when the process was killed.
    pub(crate) fn written(&self) -> Option<Version> {
        match (self.current(), &self.replacing) {
            (None, replacing) => replacing.clone(),
            (Some(current), None) => Some(current.clone()),
            (Some(current), Some(replacing)) => Some(Version {
                secret: current.secret || replacing.secret,
                files: [current.files.as_slice(), &replacing.files].concat(),
                ..current.clone()
            }),
        }
    }

    /// What files were before they were taken over, if the process was killed before all of them were.
    pub(crate) fn half_adopted(&self) -> Option<&Version> {
        let last = self.versions.last()?;
        let is_half = last.revision == 0 && self.current.as_ref() != Some(&last.id);
        is_half.then_some(last)
    }

    pub(crate) fn named(&self, id: &str) -> Option<&Version> {
        self.versions.iter().find(|version| version.id == id)
    }

    /// The version that was in place before the current one.
    pub(crate) fn before_current(&self) -> Option<&Version> {
        let current = self.current.as_deref()?;
        let at = self.versions.iter().position(|version| version.id == current)?;
        self.versions.get(at.checked_sub(1)?)
    }

    /// A name for a new version of this revision.
    pub(crate) fn new_id(&self, revision: u64) -> String {
        let first = revision.to_string();
        let ids = std::iter::once(first).chain((2_u32..).map(|repeat| format!("{revision}.{repeat}")));
        let mut free = ids.skip_while(|id| self.named(id).is_some());
        free.next().expect("there are more names than versions")
    }

    /// Adds the version that is in place now; the names of those that are not kept any more. What was there before us is kept.
    pub(crate) fn add(&mut self, version: Version, keep: usize) -> Vec<String> {
        self.current = Some(version.id.clone());
        self.versions.push(version);
        let kept = |version: &&Version| version.revision != 0;
        let too_many = self.versions.iter().filter(kept).count().saturating_sub(keep);
        let old: Vec<String> = self
            .versions
            .iter()
            .filter(kept)
            .take(too_many)
            .map(|version| version.id.clone())
            .collect();
        self.versions.retain(|version| !old.contains(&version.id));
        old
    }

    /// All names, with commas.
    pub(crate) fn names(&self) -> String {
        let names: Vec<&str> = self.versions.iter().map(|version| version.id.as_str()).collect();
        names.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(id: &str) -> Version {
        Version {
            id: id.to_owned(),
            revision: id.split('.').next().unwrap().parse().unwrap(),
            at_s: 0,
            secret: false,
            files: Vec::new(),
        }
    }

    fn index(ids: &[&str], keep: usize) -> Index {
        let mut index = Index::default();
        for id in ids {
            index.add(version(id), keep);
        }
        index
    }

    #[test]
    fn the_oldest_are_dropped_and_what_was_there_first_is_kept() {
        let mut index = index(&[BEFORE, "5", "6", "7"], 3);
        assert_eq!(index.add(version("8"), 3), ["5"]);
        assert_eq!(index.names(), "0, 6, 7, 8");
        assert_eq!(index.current().unwrap().id, "8");
        assert_eq!(index.before_current().unwrap().id, "7");
    }

    #[test]
    fn a_second_version_of_a_revision_has_a_name_of_its_own() {
        assert_eq!(index(&[], 9).new_id(4711), "4711");
        assert_eq!(index(&["4711"], 9).new_id(4711), "4711.2");
        assert_eq!(index(&["4711", "4711.2"], 9).new_id(4711), "4711.3");
    }

    #[test]
    fn the_first_version_has_none_before_it() {
        assert!(index(&["5"], 9).before_current().is_none());
        assert!(Index::default().before_current().is_none());
    }

    /// It is over as soon as a version stands behind what was kept, or that is in place again.
    #[test]
    fn an_adoption_is_half_done_until_its_version_is_there() {
        let mut index = index(&["5"], 9);
        assert_eq!(index.half_adopted(), None);
        index.versions.push(version(BEFORE));
        assert_eq!(index.half_adopted().unwrap().id, BEFORE);
        let mut back = index.clone();
        back.current = Some(BEFORE.to_owned());
        assert_eq!(back.half_adopted(), None);
        index.add(version("6"), 9);
        assert_eq!(index.half_adopted(), None);
    }

    #[test]
    fn files_that_were_being_replaced_are_ours_in_both_states() {
        let with = |id: &str, bytes: &[u8], secret| Version {
            files: vec![KeptFile::new(Path::new("/a"), "a", bytes)],
            secret,
            ..version(id)
        };
        let mut index = Index::default();
        assert_eq!(index.written(), None);
        index.replacing = Some(with("6", b"new", true));
        assert!(index.written().unwrap().wrote(Path::new("/a"), b"new"));
        index.add(with("5", b"old", false), 9);
        let written = index.written().unwrap();
        assert!(written.wrote(Path::new("/a"), b"new") && written.wrote(Path::new("/a"), b"old"));
        assert!(!written.wrote(Path::new("/a"), b"other") && written.secret);
        index.replacing = None;
        assert!(!index.written().unwrap().wrote(Path::new("/a"), b"new"));
    }

    /// Those that were written before there was `replacing` are read, and none is written where there is nothing to say.
    #[test]
    fn an_index_says_what_is_being_replaced_only_while_it_is() {
        let text = r#"{"versions":[],"current":null,"held":false,"reloadPending":false}"#;
        let index: Index = serde_json::from_str(text).unwrap();
        assert_eq!(index, Index::default());
        assert_eq!(serde_json::to_string(&index).unwrap(), text);
        let busy = Index {
            replacing: Some(version("5")),
            ..Index::default()
        };
        let text = serde_json::to_string(&busy).unwrap();
        assert_eq!(serde_json::from_str::<Index>(&text).unwrap(), busy);
    }

    /// A file without a header is ours as long as nobody has touched it.
    #[test]
    fn a_version_knows_its_bytes() {
        let mut version = version("5");
        version.files.push(KeptFile::new(Path::new("/a"), "a", b"x"));
        assert!(version.wrote(Path::new("/a"), b"x"));
        assert!(!version.wrote(Path::new("/a"), b"y"));
        assert!(!version.wrote(Path::new("/b"), b"x"));
    }
}
