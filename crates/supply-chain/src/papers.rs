//! The two files that go into a package beside the executable.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Error;
use crate::sbom::Build;

/// Writes both into a folder, which is made if it is not there, and says where they are.
///
/// # Errors
/// Those of making them, and `Write` with the path that could not be written.
pub fn write(build: &Build, folder: &Path) -> Result<Vec<PathBuf>, Error> {
    fs::create_dir_all(folder).map_err(|source| unwritten(folder, source))?;
    let papers = [
        ("chamois.cdx.json", build.sbom()?),
        ("THIRD-PARTY.txt", build.third_party()?),
    ];
    let mut paths = Vec::new();
    for (name, text) in papers {
        let path = folder.join(name);
        fs::write(&path, text).map_err(|source| unwritten(&path, source))?;
        paths.push(path);
    }
    Ok(paths)
}

fn unwritten(path: &Path, source: std::io::Error) -> Error {
    Error::Write {
        path: path.to_owned(),
        source,
    }
}
