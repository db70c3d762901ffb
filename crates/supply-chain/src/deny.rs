//! The rules of `deny.toml`, in the form that cargo-deny reads, held to a lock file and to what is built of it.

use std::collections::BTreeSet;
use std::path::Path;

use crate::cargo::Manifests;
use crate::lock_file::{LockFile, LockedPackage};
use crate::tree::Tree;
use crate::{Error, PackageId, licences, read_toml};

#[derive(Clone, Debug, serde::Deserialize)]
struct Ban {
    #[serde(rename = "crate")]
    name: String,
    reason: String,
}

#[derive(Clone, Debug, serde::Deserialize)]
struct Bans {
    deny: Vec<Ban>,
}

#[derive(Clone, Debug, serde::Deserialize)]
struct Exception {
    #[serde(rename = "crate")]
    name: String,
    allow: Vec<String>,
}

#[derive(Clone, Debug, serde::Deserialize)]
struct Licences {
    allow: Vec<String>,
    #[serde(default)]
    exceptions: Vec<Exception>,
}

#[derive(Clone, Debug, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Sources {
    allow_registry: Vec<String>,
    #[serde(default)]
    allow_git: Vec<String>,
}

/// `deny.toml`, as far as it is judged here; the rest is cargo-deny's own.
#[derive(Clone, Debug, serde::Deserialize)]
pub struct Rules {
    bans: Bans,
    licenses: Licences,
    sources: Sources,
}

impl Rules {
    /// Reads it.
    ///
    /// # Errors
    /// `Read` or `Parse` with the file's name.
    pub fn read(path: &Path) -> Result<Self, Error> {
        read_toml(path)
    }

    /// A line for each crate that is built and must not be.
    #[must_use]
    pub fn banned(&self, tree: &Tree) -> Vec<String> {
        let of_one = |ban: &Ban| {
            let built = tree.packages().filter(|id| id.name == ban.name);
            let line = |id: &PackageId| format!("{id} is built and banned: {}", ban.reason);
            built.map(line).collect::<Vec<_>>()
        };
        self.bans.deny.iter().flat_map(of_one).collect()
    }

    /// A line for each package of the lock file that comes from elsewhere, or that cargo has no digest of.
    #[must_use]
    pub fn foreign(&self, lock: &LockFile) -> Vec<String> {
        lock.packages()
            .filter_map(|package| self.foreign_one(package))
            .collect()
    }

    fn foreign_one(&self, package: &LockedPackage) -> Option<String> {
        let source = package.source.as_deref()?;
        let named = format!("{} {}", package.name, package.version);
        let (kind, place) = source.split_once('+').unwrap_or(("", source));
        let allowed = match kind {
            "registry" | "sparse" => &self.sources.allow_registry,
            _ => &self.sources.allow_git,
        };
        if !allowed.iter().any(|allowed| allowed == place) {
            return Some(format!(
                "{named} comes from {source}, which [sources] does not allow"
            ));
        }
        let has_digest = package.checksum.as_ref().is_some_and(|digest| digest.len() == 64);
        (!has_digest).then(|| format!("{named} has no SHA-256 in the lock file"))
    }

    /// A line for each package that is built under a licence that is not accepted, or under none.
    ///
    /// # Errors
    /// `Unknown` if a package has no manifest on this machine.
    pub fn unlicensed(&self, tree: &Tree, manifests: &Manifests) -> Result<Vec<String>, Error> {
        let mut lines = Vec::new();
        for id in tree.packages() {
            let expression = expression(id, manifests)?;
            let allowed = self.allowed_for(&id.name);
            match expression.map(|text| licences::is_met(text, &allowed)) {
                Some(Ok(true)) => {}
                Some(Ok(false)) => lines.push(format!(
                    "{id}: {} is not accepted",
                    expression.unwrap_or_default()
                )),
                Some(Err(problem)) => lines.push(format!("{id}: {problem}")),
                None => lines.push(format!("{id} names no licence")),
            }
        }
        Ok(lines)
    }

    /// Accepted licences without which every package that is built would still be accepted: somebody would read the
    /// list and think that he has to comply with them.
    ///
    /// # Errors
    /// `Unknown` if a package has no manifest on this machine.
    pub fn needless_licences(&self, tree: &Tree, manifests: &Manifests) -> Result<Vec<&str>, Error> {
        let mut needless = Vec::new();
        for candidate in &self.licenses.allow {
            let mut is_needed = false;
            for id in tree.packages() {
                let mut others = self.allowed_for(&id.name);
                others.remove(candidate.as_str());
                let text = expression(id, manifests)?.unwrap_or_default();
                is_needed |= licences::is_met(text, &others) == Ok(false);
            }
            if !is_needed {
                needless.push(candidate.as_str());
            }
        }
        Ok(needless)
    }

    fn allowed_for(&self, name: &str) -> BTreeSet<&str> {
        let exceptions = self
            .licenses
            .exceptions
            .iter()
            .filter(|exception| exception.name == name);
        let more = exceptions.flat_map(|exception| &exception.allow);
        self.licenses
            .allow
            .iter()
            .chain(more)
            .map(String::as_str)
            .collect()
    }
}

fn expression<'a>(id: &PackageId, manifests: &'a Manifests) -> Result<Option<&'a str>, Error> {
    let manifest = manifests.get(id).ok_or_else(|| Error::Unknown {
        package: id.to_string(),
        place: "cargo metadata",
    })?;
    Ok(manifest.license.as_deref())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = r#"
[graph]
targets = ["x86_64-unknown-linux-gnu"]
[bans]
multiple-versions = "warn"
deny = [{ crate = "ring", reason = "one provider" }]
[licenses]
allow = ["MIT", "ISC"]
exceptions = [{ crate = "fuzzer", allow = ["NCSA"] }]
[sources]
unknown-git = "deny"
allow-registry = ["https://github.com/rust-lang/crates.io-index"]
"#;

    fn rules() -> Rules {
        toml::from_str(RULES).unwrap()
    }

    fn locked(source: &str, checksum: Option<&str>) -> LockFile {
        let package = LockedPackage {
            name: "theirs".to_owned(),
            version: "1.0.0".to_owned(),
            source: Some(source.to_owned()),
            checksum: checksum.map(str::to_owned),
        };
        std::iter::once(package).collect()
    }

    fn manifests(licences: &[(&str, Option<&str>)]) -> Manifests {
        let one = |(name, licence): &(&str, Option<&str>)| {
            let json = serde_json::json!({
                "name": name, "version": "1.0.0", "license": licence, "repository": null,
                "manifest_path": "/src/Cargo.toml",
            });
            (
                PackageId::new(name, "1.0.0"),
                serde_json::from_value(json).unwrap(),
            )
        };
        licences.iter().map(one).collect()
    }

    #[test]
    fn a_banned_crate_is_found_with_the_reason() {
        let tree = Tree::parse("0chamois v1.0.0\n1ring v0.17.14\n1ringlike v1.0.0\n");
        assert_eq!(
            rules().banned(&tree),
            ["ring 0.17.14 is built and banned: one provider"]
        );
        let clean = Tree::parse("0chamois v1.0.0\n1ringlike v1.0.0\n");
        assert_eq!(rules().banned(&clean), Vec::<String>::new());
    }

    #[test]
    fn packages_come_from_crates_io_with_their_digest() {
        let digest = "0".repeat(64);
        let crates_io = crate::lock_file::CRATES_IO_SOURCE;
        assert_eq!(
            rules().foreign(&locked(crates_io, Some(&digest))),
            Vec::<String>::new()
        );
        for (source, checksum) in [
            ("git+https://example.org/theirs?branch=main#0011", None),
            ("registry+https://crates.example.org/index", Some(digest.as_str())),
            (
                "https://github.com/rust-lang/crates.io-index",
                Some(digest.as_str()),
            ),
            (crates_io, None),
            (crates_io, Some("00ff")),
        ] {
            let found = rules().foreign(&locked(source, checksum));
            assert_eq!(found.len(), 1, "{source} {checksum:?}");
            assert!(found[0].starts_with("theirs 1.0.0 "), "{found:?}");
        }
    }

    #[test]
    fn every_package_has_an_accepted_licence() {
        let tree = Tree::parse("0mine v1.0.0\n1fuzzer v1.0.0\n1gnu v1.0.0\n1none v1.0.0\n1odd v1.0.0\n");
        let manifests = manifests(&[
            ("mine", Some("MIT OR Apache-2.0")),
            ("fuzzer", Some("MIT AND NCSA")),
            ("gnu", Some("GPL-3.0-only")),
            ("none", None),
            ("odd", Some("MIT AND")),
        ]);
        let lines = rules().unlicensed(&tree, &manifests).unwrap();
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert_eq!(lines[0], "gnu 1.0.0: GPL-3.0-only is not accepted");
        assert_eq!(lines[1], "none 1.0.0 names no licence");
        assert!(lines[2].starts_with("odd 1.0.0: "), "{lines:?}");
    }

    #[test]
    fn an_exception_is_for_its_crate_alone() {
        let tree = Tree::parse("0other v1.0.0\n");
        let lines = rules()
            .unlicensed(&tree, &manifests(&[("other", Some("NCSA"))]))
            .unwrap();
        assert_eq!(lines, ["other 1.0.0: NCSA is not accepted"]);
    }

    #[test]
    fn a_licence_that_nobody_needs_is_named() {
        let tree = Tree::parse("0mine v1.0.0\n1both v1.0.0\n");
        let both = manifests(&[("mine", Some("MIT")), ("both", Some("MIT OR ISC"))]);
        assert_eq!(rules().needless_licences(&tree, &both).unwrap(), ["ISC"]);
        let one = manifests(&[("mine", Some("MIT")), ("both", Some("ISC"))]);
        assert_eq!(
            rules().needless_licences(&tree, &one).unwrap(),
            Vec::<&str>::new()
        );
    }

    /// What was not looked at is not said to be in order.
    #[test]
    fn a_package_without_a_manifest_is_an_error() {
        let tree = Tree::parse("0mine v1.0.0\n");
        let error = rules().unlicensed(&tree, &Manifests::new()).unwrap_err();
        assert!(
            error.to_string().starts_with("mine 1.0.0 is in the build"),
            "{error}"
        );
    }
}
