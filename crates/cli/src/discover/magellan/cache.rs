//! What scans have found, in a file for its owner only; Magellan has a SQLite database for it.

use std::collections::BTreeMap;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use discovery::magellan::RemoteAsset;
use redfish::Address;
use serde::{Deserialize, Serialize};

use super::form;
use crate::error::{CliError, Kind};

/// A BMC that was found, and the key that it showed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Row {
    #[serde(flatten)]
    pub(super) asset: RemoteAsset,
    /// SHA-256 of its public key, 64 hex digits; empty: it is not known.
    #[serde(default)]
    pub(super) key_sha256: String,
}

/// Where it is: as it is named, or below the user's cache.
///
/// # Errors
/// `Usage` where nothing says where to keep it.
pub(super) fn path(named: Option<&Path>) -> Result<PathBuf, CliError> {
    if let Some(path) = named {
        return Ok(path.to_owned());
    }
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let cache = variable("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(variable("HOME")?).join(".cache")));
    let missing = || {
        CliError::new(
            Kind::Usage,
            "name a file with --cache, or set XDG_CACHE_HOME or HOME",
        )
    };
    Ok(cache.ok_or_else(missing)?.join("chamois/bmcs.json"))
}

/// All of it, sorted; empty if there is no file.
///
/// # Errors
/// `Usage` for a file that is something else.
pub(super) fn read(path: &Path) -> Result<Vec<Row>, CliError> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let text = form::file(path)?;
    serde_json::from_str(&text).map_err(|problem| {
        let text = format!(
            "{} is not what `chamois discover scan` writes: {problem}",
            path.display()
        );
        CliError::new(Kind::Usage, text)
            .with_remedy("Name another file with --cache, or scan again and let it be replaced.")
    })
}

/// The keys of what was found, by address; none where there is no cache.
///
/// # Errors
/// `Usage` for a file that is something else.
pub(super) fn keys(named: Option<&Path>) -> Result<BTreeMap<Address, String>, CliError> {
    let Ok(path) = path(named) else {
        return Ok(BTreeMap::new());
    };
    let rows = read(&path)?.into_iter();
    Ok(rows
        .filter_map(|row| Some((row.asset.address().ok()?, row.key_sha256)))
        .collect())
}

/// Adds what was found; what was found before at the same place is replaced, with its key. Gives the places that show another key
/// than before.
///
/// # Errors
/// Naming the file.
pub(super) fn add(path: &Path, found: Vec<Row>) -> Result<Vec<String>, CliError> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        let made = std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder);
        made.map_err(|error| {
            CliError::other(&format!("cannot make the folder {}", folder.display()), error)
        })?;
    }
    let placed = |row: Row| ((row.asset.host.clone(), row.asset.port), row);
    let mut by_place: BTreeMap<(String, u16), Row> = read(path)?.into_iter().map(placed).collect();
    let mut changed = Vec::new();
    for (place, row) in found.into_iter().map(placed) {
        let key = row.key_sha256.clone();
        let before = by_place.insert(place.clone(), row);
        if before.is_some_and(|before| !before.key_sha256.is_empty() && before.key_sha256 != key) {
            changed.push(format!("{}:{}", place.0, place.1));
        }
    }
    let rows: Vec<Row> = by_place.into_values().collect();
    let text = serde_json::to_string_pretty(&rows);
    let text = text.map_err(|error| CliError::other("cannot write the cache", error))?;
    form::write(Some(path), &(text + "\n"))?;
    Ok(changed)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn row(host: &str, port: u16, key: &str) -> Row {
        Row {
            asset: RemoteAsset {
                host: host.into(),
                port,
                protocol: "tcp".into(),
                state: true,
                timestamp: "2025-11-25T07:00:00Z".into(),
                service_type: "Redfish".into(),
            },
            key_sha256: key.into(),
        }
    }

    #[test]
    fn a_later_scan_adds_to_an_earlier_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new/folder/bmcs.json");
        assert!(read(&path).unwrap().is_empty());
        let first = vec![
            row("https://10.0.0.2", 443, "a"),
            row("https://10.0.0.1", 443, "b"),
        ];
        assert!(add(&path, first.clone()).unwrap().is_empty());
        assert!(add(&path, first).unwrap().is_empty(), "the same keys");
        let second = vec![
            row("https://10.0.0.2", 443, "c"),
            row("https://10.0.0.2", 8443, "d"),
        ];
        assert_eq!(add(&path, second).unwrap(), ["https://10.0.0.2:443"]);
        let keys: Vec<String> = read(&path)
            .unwrap()
            .into_iter()
            .map(|row| row.key_sha256)
            .collect();
        assert_eq!(keys, ["b", "c", "d"]);
    }

    /// Whoever reads a single BMC must not believe another key than the scan saw.
    #[test]
    fn a_key_is_found_by_its_address() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bmcs.json");
        assert!(keys(Some(path.as_path())).unwrap().is_empty());
        add(&path, vec![row("https://10.0.0.2", 8443, "a")]).unwrap();
        let keys = keys(Some(path.as_path())).unwrap();
        let of = |address: &str| keys.get(&address.parse().unwrap()).map(String::as_str);
        assert_eq!(of("https://10.0.0.2:8443"), Some("a"));
        assert_eq!(of("https://10.0.0.2"), None);
    }

    #[test]
    fn another_file_is_not_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("assets.db");
        std::fs::write(&path, "SQLite format 3\0").unwrap();
        let error = add(&path, Vec::new()).unwrap_err().to_string();
        assert!(
            error.contains("assets.db") && error.contains("--cache"),
            "{error}"
        );
        assert!(std::fs::read(&path).unwrap().starts_with(b"SQLite"));
    }

    /// What `scan -F json` printed is a cache, too: it only has no keys.
    #[test]
    fn rows_of_magellan_are_rows_without_keys() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("found.json");
        std::fs::write(
            &path,
            r#"[{"host":"https://10.0.0.1","port":443,"protocol":"tcp","state":true,"timestamp":"x"}]"#,
        )
        .unwrap();
        assert_eq!(read(&path).unwrap()[0].key_sha256, "");
    }
}
