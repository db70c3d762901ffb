//! `Cargo.lock`: every package that a build may use, and the SHA-256 that cargo holds each download to.

use std::collections::BTreeMap;
use std::path::Path;

use crate::{Error, PackageId, read_toml};

/// How a lock file names crates.io.
pub const CRATES_IO_SOURCE: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// What a lock file says of one package.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
pub struct LockedPackage {
    /// As on crates.io.
    pub name: String,
    /// The exact version.
    pub version: String,
    /// Where it comes from; none: a folder of ours.
    pub source: Option<String>,
    /// SHA-256 of the download, in hex; none for folders.
    pub checksum: Option<String>,
}

#[derive(serde::Deserialize)]
struct Document {
    #[serde(default)]
    package: Vec<LockedPackage>,
}

/// All packages of a lock file.
#[derive(Clone, Debug, Default)]
pub struct LockFile {
    packages: BTreeMap<PackageId, LockedPackage>,
}

impl LockFile {
    /// Reads one.
    ///
    /// # Errors
    /// `Read` or `Parse` with the file's name.
    pub fn read(path: &Path) -> Result<Self, Error> {
        Ok(read_toml::<Document>(path)?.package.into_iter().collect())
    }

    /// Sorted by name and version.
    pub fn packages(&self) -> impl Iterator<Item = &LockedPackage> {
        self.packages.values()
    }

    /// What it says of one package.
    ///
    /// # Errors
    /// `Unknown` if it has none of that name and version.
    pub fn package(&self, id: &PackageId) -> Result<&LockedPackage, Error> {
        self.packages.get(id).ok_or_else(|| Error::Unknown {
            package: id.to_string(),
            place: "Cargo.lock",
        })
    }
}

impl FromIterator<LockedPackage> for LockFile {
    fn from_iter<I: IntoIterator<Item = LockedPackage>>(packages: I) -> Self {
        let id = |package: &LockedPackage| PackageId::new(&package.name, &package.version);
        Self {
            packages: packages
                .into_iter()
                .map(|package| (id(&package), package))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
version = 4

[[package]]
name = "ours"
version = "0.7.0"
dependencies = [
 "theirs",
]

[[package]]
name = "theirs"
version = "1.2.3+upstream-4"
source = "registry+https://github.com/rust-lang/crates.io-index"
checksum = "00ff"
"#;

    fn written(text: &str) -> Result<LockFile, Error> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("Cargo.lock");
        std::fs::write(&path, text).unwrap();
        LockFile::read(&path)
    }

    #[test]
    fn packages_are_read_with_their_digests() {
        let lock = written(TEXT).unwrap();
        let names: Vec<&str> = lock.packages().map(|package| package.name.as_str()).collect();
        assert_eq!(names, ["ours", "theirs"]);
        let theirs = lock
            .package(&PackageId::new("theirs", "1.2.3+upstream-4"))
            .unwrap();
        assert_eq!(theirs.checksum.as_deref(), Some("00ff"));
        let ours = lock.package(&PackageId::new("ours", "0.7.0")).unwrap();
        assert_eq!(ours.source, None);
    }

    /// A package of another version is another package.
    #[test]
    fn what_is_not_there_is_named() {
        let lock = written(TEXT).unwrap();
        let error = lock.package(&PackageId::new("theirs", "1.2.3")).unwrap_err();
        assert!(error.to_string().contains("theirs 1.2.3"), "{error}");
    }

    #[test]
    fn a_file_that_is_none_is_named() {
        let error = written("version = ").unwrap_err();
        assert!(matches!(error, Error::Parse { .. }), "{error}");
        assert!(error.to_string().contains("Cargo.lock"), "{error}");
        let missing = LockFile::read(Path::new("/nonexistent/Cargo.lock")).unwrap_err();
        assert!(matches!(missing, Error::Read { .. }), "{missing}");
    }
}
