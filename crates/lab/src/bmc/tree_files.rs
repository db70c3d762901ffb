//! Captured trees: a folder with one `index.json` for each resource, or a `.tar.gz` of such a folder.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;
use serde_json::Value;

use super::tree::{ROOT, Tree, TreeError};

/// The file of one resource.
const INDEX: &str = "index.json";
/// A resource has some kilobytes; one larger than this was not captured from a BMC.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// A resource's folder, with its parents, and its content.
type Found = (Vec<String>, Value);

impl Tree {
    /// Loads a captured tree: the folder, or the `.tar.gz`. Where in it the tree begins is found out: at the highest
    /// `index.json`. Files of other names (schemas, registries) are left out.
    ///
    /// # Errors
    /// See [`TreeError`].
    pub fn load(path: &Path) -> Result<Tree, TreeError> {
        let mut found = Vec::new();
        if path.is_dir() {
            read_folder(path, &mut Vec::new(), &mut found)?;
        } else {
            read_archive(path, &mut found)?;
        }
        rooted(found)
    }
}

fn rooted(found: Vec<Found>) -> Result<Tree, TreeError> {
    let above = found.iter().map(|(folders, _)| folders.len()).min();
    let above = above.ok_or(TreeError::NoRoot)?;
    let mut highest = found.iter().filter(|(folders, _)| folders.len() == above);
    let root = highest
        .next()
        .map(|(folders, _)| folders.clone())
        .unwrap_or_default();
    if highest.next().is_some() {
        return Err(TreeError::NoRoot);
    }
    let below = found
        .into_iter()
        .filter(|(folders, _)| folders.starts_with(&root));
    Tree::of(below.map(|(folders, value)| {
        let uri = std::iter::once(ROOT).chain(folders[above..].iter().map(String::as_str));
        (uri.collect::<Vec<_>>().join("/"), value)
    }))
}

fn read_folder(folder: &Path, names: &mut Vec<String>, found: &mut Vec<Found>) -> Result<(), TreeError> {
    let unreadable = |source| TreeError::Read {
        name: folder.display().to_string(),
        source,
    };
    for entry in folder.read_dir().map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_dir() {
            names.push(name);
            read_folder(&entry.path(), names, found)?;
            names.pop();
        } else if name == INDEX {
            let shown = entry.path().display().to_string();
            let file = File::open(entry.path()).map_err(unreadable)?;
            found.push((names.clone(), parse(file, &shown)?));
        }
    }
    Ok(())
}

fn read_archive(path: &Path, found: &mut Vec<Found>) -> Result<(), TreeError> {
    let unreadable = |source| TreeError::Read {
        name: path.display().to_string(),
        source,
    };
    let file = File::open(path).map_err(unreadable)?;
    let mut archive = tar::Archive::new(GzDecoder::new(file));
    for entry in archive.entries().map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let shown = entry.path().map_err(unreadable)?.to_string_lossy().into_owned();
        let mut names: Vec<String> = shown
            .split('/')
            .filter(|name| !name.is_empty() && *name != ".")
            .map(str::to_owned)
            .collect();
        if names.pop().is_some_and(|file| file == INDEX) {
            found.push((names, parse(entry, &shown)?));
        }
    }
    Ok(())
}

fn parse(file: impl Read, name: &str) -> Result<Value, TreeError> {
    let mut text = Vec::new();
    let read = file.take(FILE_BYTES_MAX).read_to_end(&mut text);
    read.map_err(|source| TreeError::Read {
        name: name.to_owned(),
        source,
    })?;
    serde_json::from_slice(&text).map_err(|source| TreeError::Json {
        name: name.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn capture(folder: &Path) {
        for (path, text) in [
            ("index.json", r#"{"RedfishVersion": "1.6.0"}"#),
            ("Systems/index.json", r#"{"Members": []}"#),
            ("Chassis/1/index.json", r#"{"Id": "1"}"#),
            ("RegistryStore/en/Base.json", "not even JSON"),
        ] {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    fn archive(folder: &Path, inside: &str, to: &Path) {
        let file = GzEncoder::new(File::create(to).unwrap(), Compression::fast());
        let mut archive = tar::Builder::new(file);
        archive.append_dir_all(inside, folder).unwrap();
        archive.into_inner().unwrap().finish().unwrap();
    }

    const URIS: [&str; 3] = ["/redfish/v1", "/redfish/v1/Chassis/1", "/redfish/v1/Systems"];

    #[test]
    fn a_folder_and_its_archive_are_the_same_tree() {
        let dir = tempfile::tempdir().unwrap();
        let (folder, packed) = (dir.path().join("DL000"), dir.path().join("DL000.tar.gz"));
        capture(&folder);
        assert_eq!(Tree::load(&folder).unwrap().uris().collect::<Vec<_>>(), URIS);
        for inside in ["DL000", "captured/redfish/v1", "."] {
            archive(&folder, inside, &packed);
            let tree = Tree::load(&packed).unwrap();
            assert_eq!(tree.uris().collect::<Vec<_>>(), URIS, "{inside}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let error = Tree::load(&dir.path().join("none.tar.gz"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("none.tar.gz"), "{error}");
        fs::write(dir.path().join("index.json"), "{").unwrap();
        let error = Tree::load(dir.path()).unwrap_err().to_string();
        assert!(error.contains("index.json is not JSON"), "{error}");
    }

    /// Without one highest file nobody knows what the URIs are.
    #[test]
    fn two_trees_side_by_side_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(Tree::load(dir.path()), Err(TreeError::NoRoot)), "empty");
        capture(&dir.path().join("a"));
        assert!(Tree::load(dir.path()).is_ok(), "one");
        capture(&dir.path().join("b"));
        assert!(matches!(Tree::load(dir.path()), Err(TreeError::NoRoot)));
    }
}
