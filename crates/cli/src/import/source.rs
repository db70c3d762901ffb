//! Where an import reads from: a live SMD, a folder, a file, standard input.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::diff::Skipped;
use super::source_http::{Api, LiveSmd};
use crate::error::{CliError, Kind};
use crate::hsm::{Collection, HsmMessage, Items, find_in, not_accepted, parse};

/// Bytes of one document at most: those of 100,000 nodes are 40 MB.
pub(super) const DOCUMENT_BYTES_MAX: u64 = 128 << 20;
/// Files of a folder that are looked at.
const FILES_MAX: usize = 64;

/// What is named on the command line.
#[derive(Clone, Debug)]
pub(crate) struct Named<'a> {
    pub(crate) source: &'a str,
    pub(crate) token_file: Option<&'a Path>,
    pub(crate) ca: Option<&'a Path>,
}

/// A whole document that somebody has saved, or standard input; and where it is from.
///
/// # Errors
/// If it cannot be read, is too large or is not JSON.
pub(super) async fn read_document(named: &Named<'_>, api: &'static Api) -> Result<(String, Value), CliError> {
    if named.token_file.is_some() || named.ca.is_some() {
        return Err(no_url(named.source));
    }
    let path = named.source.to_owned();
    let read = tokio::task::spawn_blocking(move || {
        let (origin, text) = match path.as_str() {
            "-" => {
                let origin = "standard input".to_owned();
                let text = read_bounded(std::io::stdin().lock(), &origin)?;
                (origin, text)
            }
            path => {
                let opened = File::open(path).map_err(|error| unreadable(path, &error))?;
                (path.to_owned(), read_bounded(opened, path)?)
            }
        };
        let document = parse(&text).map_err(|error| api.not_accepted(&origin, error))?;
        Ok((origin, document))
    });
    read.await
        .map_err(|error| CliError::other("cannot read the source", error))?
}

fn no_url(source: &str) -> CliError {
    let text = format!("{source} is no URL; --source-token-file and --source-ca are for a live service");
    CliError::new(Kind::Usage, text)
}

/// The collections of the source, and what is left out.
#[derive(Debug, Default)]
pub(crate) struct Source {
    items: BTreeMap<Collection, Items>,
    pub(super) skipped: Vec<Skipped>,
}

impl Source {
    /// Reads all of it; `step` is told what is being read.
    ///
    /// # Errors
    /// If it cannot be read or is not what an SMD gives, naming the place and what is accepted.
    pub(crate) async fn read(named: &Named<'_>, step: impl Fn(&str)) -> Result<Self, CliError> {
        if is_url(named.source) {
            let mut source = Self::default();
            let mut smd = LiveSmd::connect(named).await?;
            for collection in Collection::ALL {
                step(collection.name());
                match (collection.message(), collection.is_set_by_administrators()) {
                    (Some(_), _) => match smd.get(collection).await? {
                        Some(items) => source.add(items)?,
                        None => source.skip(collection, None, "the source has none"),
                    },
                    (None, true) => source.skip(collection, None, collection.not_moved()),
                    (None, false) => {}
                }
            }
            return Ok(source);
        }
        if named.token_file.is_some() || named.ca.is_some() {
            return Err(no_url(named.source));
        }
        let source = named.source.to_owned();
        let read = tokio::task::spawn_blocking(move || Self::of_files(&source)).await;
        read.map_err(|error| CliError::other("cannot read the source", error))?
    }

    fn of_files(named: &str) -> Result<Self, CliError> {
        let mut source = Self::default();
        if named == "-" {
            source.add_document(
                "standard input",
                "",
                &read_bounded(std::io::stdin().lock(), "standard input")?,
            )?;
            return Ok(source);
        }
        let path = PathBuf::from(named);
        let files = if path.is_dir() {
            files_in(&path)?
        } else {
            vec![path]
        };
        for file in files {
            let origin = file.display().to_string();
            let opened = File::open(&file).map_err(|error| unreadable(&origin, &error))?;
            let name = file.file_stem().unwrap_or_default().to_string_lossy();
            source.add_document(&origin, &name, &read_bounded(opened, &origin)?)?;
        }
        Ok(source)
    }

    fn add_document(&mut self, origin: &str, name: &str, text: &[u8]) -> Result<(), CliError> {
        let document = parse(text).map_err(|error| not_accepted(origin, error))?;
        for items in find_in(origin, name, document)? {
            match items.collection.message() {
                Some(_) => self.add(items)?,
                None => self.skip(
                    items.collection,
                    Some(items.objects.len()),
                    items.collection.not_moved(),
                ),
            }
        }
        Ok(())
    }

    fn add(&mut self, items: Items) -> Result<(), CliError> {
        if let Some(other) = self.items.get(&items.collection) {
            let text = format!(
                "{} are in {} and in {}",
                items.collection.name(),
                other.origin,
                items.origin
            );
            return Err(CliError::new(Kind::Usage, text).with_remedy("Name a source that has them once."));
        }
        self.items.insert(items.collection, items);
        Ok(())
    }

    fn skip(&mut self, collection: Collection, objects: Option<usize>, reason: &'static str) {
        self.skipped.push(Skipped {
            collection,
            objects,
            reason,
        });
    }

    /// The objects of one collection; `None` if the source does not have it.
    ///
    /// # Errors
    /// The first that does not fit, with its place and what is accepted.
    pub(crate) fn objects<M: prost::Message + Default>(
        &mut self,
        collection: Collection,
    ) -> Result<Option<Vec<M>>, CliError> {
        let (Some(items), Some(name)) = (self.items.remove(&collection), collection.message()) else {
            return Ok(None);
        };
        let form = HsmMessage::named(name)?;
        let read = items.objects.iter().enumerate().map(|(place, object)| {
            form.read(object).map_err(|problem| {
                let problem = problem.within(&format!("[{place}]")).within(collection.name());
                not_accepted(&items.origin, problem)
            })
        });
        read.collect::<Result<_, _>>().map(Some)
    }
}

/// Whether a live SMD is named.
pub(super) fn is_url(source: &str) -> bool {
    source.starts_with("http://") || source.starts_with("https://")
}

/// The documents of a folder, by name.
fn files_in(folder: &Path) -> Result<Vec<PathBuf>, CliError> {
    let origin = folder.display().to_string();
    let cannot = |error: std::io::Error| unreadable(&origin, &error);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(cannot)? {
        let path = entry.map_err(cannot)?.path();
        if path
            .extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("json"))
        {
            files.push(path);
        }
        if files.len() > FILES_MAX {
            return Err(not_accepted(
                &origin,
                format_args!("it has more than {FILES_MAX} files *.json"),
            ));
        }
    }
    if files.is_empty() {
        return Err(not_accepted(&origin, "there is no file *.json in it"));
    }
    files.sort();
    Ok(files)
}

fn read_bounded(from: impl Read, origin: &str) -> Result<Vec<u8>, CliError> {
    let mut bytes = Vec::new();
    let read = from.take(DOCUMENT_BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| unreadable(origin, &error))?;
    if bytes.len() as u64 > DOCUMENT_BYTES_MAX {
        return Err(not_accepted(origin, too_large()));
    }
    Ok(bytes)
}

/// Beyond [`DOCUMENT_BYTES_MAX`].
pub(super) fn too_large() -> String {
    format!("it has more than {} MiB", DOCUMENT_BYTES_MAX >> 20)
}

fn unreadable(origin: &str, error: &std::io::Error) -> CliError {
    CliError::new(Kind::Usage, format!("cannot read {origin}: {error}"))
}

#[cfg(test)]
mod tests {
    use proto::smd::v1::{Component, EthernetInterface, Group};

    use super::*;

    async fn read(path: &Path) -> Result<Source, CliError> {
        let named = Named {
            source: path.to_str().unwrap(),
            token_file: None,
            ca: None,
        };
        Source::read(&named, |_| {}).await
    }

    /// What `curl` saves of each route, under the names of the collections.
    #[tokio::test]
    async fn a_folder_has_a_file_for_each_collection() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        write(
            "Components.json",
            r#"{"Components":[{"ID":"x0c0s0b0n0","State":"On"}]}"#,
        );
        write(
            "EthernetInterfaces.json",
            r#"[{"MACAddress":"02:00:00:00:00:01"}]"#,
        );
        write("groups.JSON", "[]");
        write(
            "memberships.json",
            r#"[{"id":"x0c0s0b0n0","groupLabels":[],"partitionName":""}]"#,
        );
        write("notes.txt", "not JSON");
        let mut source = read(dir.path()).await.unwrap();
        let components: Vec<Component> = source.objects(Collection::Components).unwrap().unwrap();
        let interfaces: Vec<EthernetInterface> =
            source.objects(Collection::EthernetInterfaces).unwrap().unwrap();
        let groups: Vec<Group> = source.objects(Collection::Groups).unwrap().unwrap();
        assert_eq!((components.len(), interfaces.len(), groups.len()), (1, 1, 0));
        let skipped = &source.skipped[0];
        assert_eq!(
            (skipped.collection, skipped.objects),
            (Collection::Memberships, Some(1))
        );
    }

    #[tokio::test]
    async fn a_collection_that_the_source_lacks_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("dump.json");
        std::fs::write(&file, r#"{"groups":[{"label":"a"}]}"#).unwrap();
        let mut source = read(&file).await.unwrap();
        assert!(
            source
                .objects::<Component>(Collection::Components)
                .unwrap()
                .is_none()
        );
        assert_eq!(
            source
                .objects::<Group>(Collection::Groups)
                .unwrap()
                .unwrap()
                .len(),
            1
        );
    }

    /// File, place, what is there, what is accepted.
    #[tokio::test]
    async fn what_is_wrong_is_named_by_file_and_place() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("Components.json");
        for (text, problem) in [
            ("{\"Components\":[\n{]}", "line 2 column 2"),
            (
                r#"{"Components":[{},{"State":"Sleeping"}]}"#,
                "Components[1].State: \"Sleeping\" is not accepted; write Unknown",
            ),
            (r#"[7]"#, "Components[0]: it is a number; write an object"),
            (r#"{"a":1}"#, "none of HSM's collections"),
        ] {
            std::fs::write(&file, text).unwrap();
            let error = match read(&file).await {
                Ok(mut source) => source.objects::<Component>(Collection::Components).unwrap_err(),
                Err(error) => error,
            };
            assert_eq!(error.kind(), Kind::Usage);
            let error = error.to_string();
            for needed in [file.to_str().unwrap(), problem, "Accepted is JSON"] {
                assert!(error.contains(needed), "{needed}\n{error}");
            }
        }
    }

    #[tokio::test]
    async fn what_is_not_there_or_there_twice_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let nothing = read(&dir.path().join("none.json")).await.unwrap_err().to_string();
        assert!(nothing.contains("none.json"), "{nothing}");
        assert!(
            read(dir.path())
                .await
                .unwrap_err()
                .to_string()
                .contains("no file *.json")
        );
        for name in ["a.json", "groups.json"] {
            std::fs::write(dir.path().join(name), r#"{"groups":[]}"#).unwrap();
        }
        let twice = read(dir.path()).await.unwrap_err().to_string();
        assert!(
            twice.contains("a.json") && twice.contains("groups.json"),
            "{twice}"
        );
        for number in 0..=FILES_MAX {
            std::fs::write(dir.path().join(format!("{number}.json")), "").unwrap();
        }
        assert!(
            read(dir.path())
                .await
                .unwrap_err()
                .to_string()
                .contains("more than 64")
        );
    }

    /// A device that never ends must not fill the memory.
    #[test]
    fn a_document_is_bounded() {
        let endless = read_bounded(std::io::repeat(b' '), "x.json")
            .unwrap_err()
            .to_string();
        assert!(endless.contains("x.json: it has more than 128 MiB"), "{endless}");
    }

    #[tokio::test]
    async fn credentials_are_for_urls() {
        let named = Named {
            source: "dump.json",
            token_file: Some(Path::new("token")),
            ca: None,
        };
        let error = Source::read(&named, |_| {}).await.unwrap_err().to_string();
        assert!(error.contains("--source-token-file"), "{error}");
    }
}
