//! Trees of real BMCs, where the folder with them stands beside the project: what they say is not looked at here, only that all of it
//! can be read.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use redfish::{Limits, Trust, read_inventory};
use serde_json::Value;

use crate::server::{SESSIONS, Server, connector, login};

fn archives() -> Vec<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/redfish");
    let Ok(entries) = std::fs::read_dir(&beside) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.to_string_lossy().ends_with(".tar.gz"));
    paths.sort();
    paths
}

/// The resources of an archive: each is `…/index.json`, below the folder that has the root's.
fn unpacked(path: &Path) -> BTreeMap<String, Value> {
    let mut archive = tar::Archive::new(GzDecoder::new(File::open(path).unwrap()));
    let mut files: Vec<(String, Value)> = Vec::new();
    for entry in archive.entries().unwrap() {
        let entry = entry.unwrap();
        let name = entry.path().unwrap().to_string_lossy().into_owned();
        if let Some(folder) = name.strip_suffix("index.json") {
            let folder = folder.trim_matches('/').to_owned();
            files.push((folder, serde_json::from_reader(entry).unwrap()));
        }
    }
    let root = files
        .iter()
        .map(|(folder, _)| folder.clone())
        .min_by_key(String::len);
    let root = root.unwrap();
    let uri = |folder: &str| format!("/redfish/v1{}", folder.strip_prefix(&root).unwrap());
    files
        .iter()
        .map(|(folder, value)| (uri(folder), value.clone()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn captured_trees_are_read_without_an_error() {
    let archives = archives();
    if archives.is_empty() {
        println!("skipped: there is no ../shared/redfish beside the project");
        return;
    }
    for path in archives {
        let tree = unpacked(&path);
        let has_systems = tree.contains_key("/redfish/v1/Systems");
        let server = Server::start(tree).await;
        let bmc = connector()
            .open(&server.address, login(), Trust::FirstUse, &Limits::default())
            .await
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let inventory = read_inventory(&bmc)
            .await
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(has_systems, !inventory.systems.is_empty(), "{}", path.display());
        assert_eq!(server.read_twice(), Vec::<String>::new(), "{}", path.display());
        assert!(!server.gets().contains_key(SESSIONS));
        println!(
            "{}: {} systems, {} resources, {} requests, {} problems",
            path.display(),
            inventory.systems.len(),
            inventory.resources,
            bmc.requests(),
            inventory.problems.len()
        );
    }
}
