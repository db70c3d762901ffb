//! cargo, asked what it builds and what the manifests of that say.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Error, PackageId};

/// The target that packages are built for unless another one is named.
pub const TARGET: &str = "x86_64-unknown-linux-gnu";

/// What a package says of itself in its `Cargo.toml`.
#[derive(Clone, Debug, serde::Deserialize)]
pub struct Manifest {
    name: String,
    version: String,
    /// An SPDX expression.
    pub license: Option<String>,
    /// Where its source is kept.
    pub repository: Option<String>,
    /// Its `Cargo.toml`, unpacked on this machine.
    pub manifest_path: PathBuf,
}

#[derive(serde::Deserialize)]
struct Metadata {
    packages: Vec<Manifest>,
}

/// Every package's own words, by name and version.
pub type Manifests = BTreeMap<PackageId, Manifest>;

/// The manifests of all that a workspace may build for a target, `target` a triple.
///
/// # Errors
/// `Cargo` if it cannot be asked or its lock file is older than the manifests.
pub fn manifests(workspace: &Path, target: &str) -> Result<Manifests, Error> {
    let arguments = ["metadata", "--format-version", "1", "--filter-platform", target];
    let text = ask(workspace, &arguments)?;
    let metadata: Metadata = serde_json::from_str(&text).map_err(|error| Error::Cargo {
        command: arguments.join(" "),
        problem: error.to_string(),
    })?;
    let by_id = |manifest: Manifest| (PackageId::new(&manifest.name, &manifest.version), manifest);
    Ok(metadata.packages.into_iter().map(by_id).collect())
}

/// What cargo prints on standard output; `workspace` is the folder of a `Cargo.toml` with its `Cargo.lock`, which is
/// taken as it is.
///
/// # Errors
/// `Cargo` with what it said on standard error.
pub fn ask(workspace: &Path, arguments: &[&str]) -> Result<String, Error> {
    let refused = |problem: String| Error::Cargo {
        command: arguments.join(" "),
        problem,
    };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(arguments)
        .arg("--locked")
        .arg("--manifest-path")
        .arg(workspace.join("Cargo.toml"))
        .output()
        .map_err(|error| refused(error.to_string()))?;
    if !output.status.success() {
        return Err(refused(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    String::from_utf8(output.stdout).map_err(|error| refused(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_manifest_is_among_them() {
        let manifests = manifests(Path::new(env!("CARGO_MANIFEST_DIR")), TARGET).unwrap();
        let ours = &manifests[&PackageId::new("supply-chain", env!("CARGO_PKG_VERSION"))];
        assert_eq!(ours.license.as_deref(), Some("Apache-2.0 OR MIT"));
        assert!(ours.manifest_path.ends_with("crates/supply-chain/Cargo.toml"));
    }

    #[test]
    fn what_cargo_refuses_is_said_in_its_words() {
        let error = ask(Path::new("/nonexistent"), &["tree"]).unwrap_err();
        assert!(error.to_string().starts_with("cargo tree: "), "{error}");
        assert!(error.to_string().contains("/nonexistent/Cargo.toml"), "{error}");
    }
}
