//! What the executable is made of: bans, licences, sources and advisories held to the lock files, and the papers that
//! go into packages (an SBOM and the licence texts). OVERVIEW.md says how it fits together.

pub mod advisories;
pub mod cargo;
pub mod day;
pub mod deny;
pub mod licences;
pub mod lock_file;
pub mod papers;
pub mod sbom;
pub mod third_party;
pub mod tree;

use std::path::{Path, PathBuf};

/// Why the lock file, a manifest or a list could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file is not there or not readable.
    #[error("{}: cannot be read", .path.display())]
    Read {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file or folder cannot be written.
    #[error("{}: cannot be written", .path.display())]
    Write {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file was read and is not what it should be.
    #[error("{}: {problem}", .path.display())]
    Parse {
        /// Which one.
        path: PathBuf,
        /// What is wrong and where.
        problem: String,
    },
    /// cargo could not be asked, or refused.
    #[error("cargo {command}: {problem}")]
    Cargo {
        /// Its arguments.
        command: String,
        /// What it said.
        problem: String,
    },
    /// A package of the build has no line in the lock file or no manifest.
    #[error("{package} is in the build and not in {place}; run the build once and try again")]
    Unknown {
        /// Name and version.
        package: String,
        /// Where it was looked for.
        place: &'static str,
    },
}

/// Name and version: what a lock file, `cargo tree` and `cargo metadata` all call a package by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PackageId {
    /// As on crates.io.
    pub name: String,
    /// With what follows a `+`.
    pub version: String,
}

impl PackageId {
    /// Of both parts.
    #[must_use]
    pub fn new(name: &str, version: &str) -> Self {
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
        }
    }
}

impl std::fmt::Display for PackageId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.name, self.version)
    }
}

/// Reads a text file.
///
/// # Errors
/// `Read` with the file's name.
pub fn read(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })
}

/// A TOML file as a value of ours.
///
/// # Errors
/// `Read` and `Parse` with the file's name.
pub fn read_toml<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, Error> {
    toml::from_str(&read(path)?).map_err(|error| Error::Parse {
        path: path.to_owned(),
        problem: error.to_string(),
    })
}
