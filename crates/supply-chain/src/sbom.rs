//! The bill of materials: CycloneDX 1.5 in JSON, the same bytes for the same lock file.

use std::path::Path;

use crate::cargo::{Manifest, Manifests};
use crate::lock_file::{LockFile, LockedPackage};
use crate::tree::{Of, Tree};
use crate::{Error, PackageId, cargo, licences};

/// The package that is shipped.
pub const SHIPPED: &str = "chamois";

// Fields are written in this order. There is neither a time nor a serial number: what a build is made of does not
// change with the hour at which somebody asks.
#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct Bom {
    #[serde(rename = "$schema")]
    schema: &'static str,
    bom_format: &'static str,
    spec_version: &'static str,
    version: u32,
    metadata: Metadata,
    components: Vec<Component>,
    dependencies: Vec<Dependency>,
}

#[derive(serde::Serialize)]
struct Metadata {
    component: Component,
}

#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct Component {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(rename = "bom-ref")]
    bom_ref: String,
    name: String,
    version: String,
    /// `required`: linked into the executable; `excluded`: only builds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hashes: Vec<Hash>,
    licenses: Vec<Licence>,
    purl: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    external_references: Vec<Reference>,
}

#[derive(serde::Serialize)]
struct Hash {
    alg: &'static str,
    content: String,
}

#[derive(serde::Serialize)]
struct Licence {
    expression: String,
}

#[derive(serde::Serialize)]
struct Reference {
    #[serde(rename = "type")]
    kind: &'static str,
    url: String,
}

#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct Dependency {
    #[serde(rename = "ref")]
    of: String,
    depends_on: Vec<String>,
}

/// Everything that a bill and the licence texts are made from.
#[derive(Debug)]
pub struct Build {
    pub(crate) lock: LockFile,
    pub(crate) running: Tree,
    pub(crate) building: Tree,
    pub(crate) manifests: Manifests,
}

impl Build {
    /// What the executable is built from for a target, `workspace` being the folder with its `Cargo.lock`.
    ///
    /// # Errors
    /// Those of reading the lock file and of asking cargo.
    pub fn look(workspace: &Path, target: &str) -> Result<Self, Error> {
        Ok(Self {
            lock: LockFile::read(&workspace.join("Cargo.lock"))?,
            running: Tree::of_running(workspace, target, SHIPPED)?,
            building: Tree::of_building(workspace, target, Of::Package(SHIPPED))?,
            manifests: cargo::manifests(workspace, target)?,
        })
    }

    pub(crate) fn manifest(&self, id: &PackageId) -> Result<&Manifest, Error> {
        self.manifests.get(id).ok_or_else(|| Error::Unknown {
            package: id.to_string(),
            place: "cargo metadata",
        })
    }

    /// The bill, with a newline at its end.
    ///
    /// # Errors
    /// `Unknown` if the build has a package that lock file or manifests do not have.
    pub fn sbom(&self) -> Result<String, Error> {
        let linked = self.running.linked();
        let (mut shipped, mut components, mut dependencies) = (None, Vec::new(), Vec::new());
        for id in self.building.packages() {
            let locked = self.lock.package(id)?;
            let component = component(id, locked, self.manifest(id)?, linked.contains(id));
            dependencies.push(self.dependency(id, &component)?);
            if is_shipped(locked) {
                shipped = Some(Component {
                    kind: "application",
                    scope: None,
                    ..component
                });
            } else {
                components.push(component);
            }
        }
        let component = shipped.ok_or_else(|| Error::Unknown {
            package: SHIPPED.to_owned(),
            place: "cargo tree",
        })?;
        let bom = Bom {
            schema: "http://cyclonedx.org/schema/bom-1.5.schema.json",
            bom_format: "CycloneDX",
            spec_version: "1.5",
            version: 1,
            metadata: Metadata { component },
            components,
            dependencies,
        };
        serde_json::to_string_pretty(&bom)
            .map(|text| text + "\n")
            .map_err(|error| Error::Parse {
                path: "the bill of materials".into(),
                problem: error.to_string(),
            })
    }

    fn dependency(&self, id: &PackageId, component: &Component) -> Result<Dependency, Error> {
        let mut depends_on = Vec::new();
        for next in self.building.needs(id) {
            depends_on.push(purl(self.lock.package(next)?));
        }
        Ok(Dependency {
            of: component.bom_ref.clone(),
            depends_on,
        })
    }
}

fn is_shipped(locked: &LockedPackage) -> bool {
    locked.name == SHIPPED && locked.source.is_none()
}

fn component(id: &PackageId, locked: &LockedPackage, manifest: &Manifest, is_linked: bool) -> Component {
    let hash = |digest: &String| Hash {
        alg: "SHA-256",
        content: digest.clone(),
    };
    let reference = |url: &String| Reference {
        kind: "vcs",
        url: url.clone(),
    };
    let licence = |text: &String| Licence {
        expression: licences::normalised(text),
    };
    let purl = purl(locked);
    Component {
        kind: "library",
        bom_ref: purl.clone(),
        name: id.name.clone(),
        version: id.version.clone(),
        scope: Some(if is_linked { "required" } else { "excluded" }),
        hashes: locked.checksum.iter().map(hash).collect(),
        licenses: manifest.license.iter().map(licence).collect(),
        purl,
        external_references: manifest.repository.iter().map(reference).collect(),
    }
}

/// A crate of crates.io by its name there. Our own are `generic` ones: `state` or `raft` of crates.io are somebody
/// else's, and a scanner would tell us of their faults.
fn purl(locked: &LockedPackage) -> String {
    let version = locked.version.replace('+', "%2B");
    match locked.source {
        Some(_) => format!("pkg:cargo/{}@{version}", locked.name),
        None if is_shipped(locked) => format!("pkg:generic/chamois@{version}"),
        None => format!("pkg:generic/chamois/{}@{version}", locked.name),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::Value;

    use super::*;

    const TREE: &str = "\
0chamois v0.7.0 (/src/cmd/chamois)
1state v0.7.0 (/src/crates/state)
2serde_derive v1.0.228 (proc-macro)
1zstd-sys v2.0.16+zstd.1.5.7
";

    /// A build of two crates of ours and two of others; `cc` only builds, and `unused` is in the lock file alone.
    pub(crate) fn build() -> Build {
        let packages = [
            ("chamois", "0.7.0", false),
            ("state", "0.7.0", false),
            ("serde_derive", "1.0.228", true),
            ("zstd-sys", "2.0.16+zstd.1.5.7", true),
            ("cc", "1.2.0", true),
            ("unused", "1.0.0", true),
        ];
        let locked = packages.iter().map(|(name, version, is_foreign)| LockedPackage {
            name: (*name).to_owned(),
            version: (*version).to_owned(),
            source: is_foreign.then(|| crate::lock_file::CRATES_IO_SOURCE.to_owned()),
            checksum: is_foreign.then(|| "ab".repeat(32)),
        });
        let manifest = |(name, version, is_foreign): &(&str, &str, bool)| {
            let json = serde_json::json!({
                "name": name, "version": version, "license": "MIT/Apache-2.0",
                "repository": is_foreign.then_some("https://example.org/it"),
                "manifest_path": format!("/src/{name}/Cargo.toml"),
            });
            (
                PackageId::new(name, version),
                serde_json::from_value(json).unwrap(),
            )
        };
        Build {
            lock: locked.collect(),
            running: Tree::parse(TREE),
            building: Tree::parse(&format!("{TREE}2cc v1.2.0\n")),
            manifests: packages.iter().map(manifest).collect(),
        }
    }

    fn bill(build: &Build) -> Value {
        serde_json::from_str(&build.sbom().unwrap()).unwrap()
    }

    fn named<'a>(bill: &'a Value, name: &str) -> &'a Value {
        let components = bill["components"].as_array().unwrap();
        components
            .iter()
            .find(|component| component["name"] == name)
            .unwrap()
    }

    #[test]
    fn the_bill_has_what_cyclonedx_asks_for() {
        let bill = bill(&build());
        assert_eq!(bill["bomFormat"], "CycloneDX");
        assert_eq!(bill["specVersion"], "1.5");
        assert_eq!(bill["version"], 1);
        let shipped = &bill["metadata"]["component"];
        assert_eq!(shipped["type"], "application");
        assert_eq!(shipped["purl"], "pkg:generic/chamois@0.7.0");
        let zstd = named(&bill, "zstd-sys");
        assert_eq!(zstd["type"], "library");
        assert_eq!(zstd["purl"], "pkg:cargo/zstd-sys@2.0.16%2Bzstd.1.5.7");
        assert_eq!(zstd["bom-ref"], zstd["purl"]);
        assert_eq!(zstd["hashes"][0]["alg"], "SHA-256");
        assert_eq!(zstd["hashes"][0]["content"], "ab".repeat(32));
        assert_eq!(zstd["licenses"][0]["expression"], "MIT OR Apache-2.0");
        assert_eq!(zstd["externalReferences"][0]["url"], "https://example.org/it");
    }

    #[test]
    fn what_only_builds_is_told_from_what_runs() {
        let bill = bill(&build());
        for (name, scope) in [
            ("state", "required"),
            ("zstd-sys", "required"),
            ("serde_derive", "excluded"),
            ("cc", "excluded"),
        ] {
            assert_eq!(named(&bill, name)["scope"], scope, "{name}");
        }
    }

    /// The lock file is that of the whole workspace; tests and other platforms are not shipped.
    #[test]
    fn what_is_not_built_is_not_in_it() {
        let text = build().sbom().unwrap();
        assert!(!text.contains("unused"), "{text}");
    }

    #[test]
    fn our_crates_are_nobody_elses() {
        let bill = bill(&build());
        let ours = named(&bill, "state");
        assert_eq!(ours["purl"], "pkg:generic/chamois/state@0.7.0");
        assert!(ours.get("hashes").is_none(), "{ours}");
    }

    #[test]
    fn who_needs_whom_is_said_of_everything() {
        let bill = bill(&build());
        let dependencies = bill["dependencies"].as_array().unwrap();
        assert_eq!(dependencies.len(), 5);
        let of_zstd = dependencies
            .iter()
            .find(|line| line["ref"] == "pkg:cargo/zstd-sys@2.0.16%2Bzstd.1.5.7")
            .unwrap();
        assert_eq!(of_zstd["dependsOn"], serde_json::json!(["pkg:cargo/cc@1.2.0"]));
    }

    #[test]
    fn the_same_build_has_the_same_bytes() {
        assert_eq!(build().sbom().unwrap(), build().sbom().unwrap());
        assert!(build().sbom().unwrap().ends_with("}\n"));
    }

    #[test]
    fn a_package_that_the_lock_file_does_not_have_is_an_error() {
        let build = Build {
            lock: LockFile::default(),
            ..build()
        };
        let error = build.sbom().unwrap_err();
        assert!(error.to_string().contains("not in Cargo.lock"), "{error}");
    }
}
