//! What earlier applies of a source have made: a file beside it, the only thing that `--prune` deletes from. Each object is noted with
//! its cluster and the revision that made it, so that one that somebody else made later under the same name, or in another cluster, is
//! none of ours.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::document::Document;
use super::kinds::{self, Kind};
use super::plan::Known;
use super::present::Present;
use crate::error::{CliError, Kind as Class};

/// First lines of the file.
const HEADER: &str =
    "# What `chamois apply` made of the files here; `--prune` deletes nothing else. Written by chamois.\n";

/// The file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    /// Sorted by cluster, kind and name.
    made: BTreeSet<Made>,
}

/// An object that was made.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Made {
    /// Id of the cluster that has it; an entry without one is nobody's, and never pruned.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    cluster: String,
    kind: String,
    name: String,
    /// Revision of its creation.
    created: u64,
}

impl Record {
    /// What is noted there; nothing if there is no file.
    ///
    /// # Errors
    /// A file that cannot be read: what it says must not be guessed.
    pub(super) fn read(path: &Path) -> Result<Self, CliError> {
        let refused = |problem: &dyn std::fmt::Display| {
            CliError::new(Class::Usage, format!("cannot read {}: {problem}", path.display())).with_remedy(
                "Without it nothing is known of earlier applies: move it away, and nothing is pruned.",
            )
        };
        match std::fs::read_to_string(path) {
            Ok(text) => serde_yaml_ng::from_str(&text).map_err(|error| refused(&error)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(refused(&error)),
        }
    }

    /// Replaces the file, whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn write(&self, path: &Path) -> Result<(), CliError> {
        let failed = |error: &dyn std::fmt::Display| {
            CliError::new(
                Class::Other,
                format!("what was made cannot be noted in {}: {error}", path.display()),
            )
        };
        let text = serde_yaml_ng::to_string(self).map_err(|error| failed(&error))?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let mut file = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))
            .map_err(|error| failed(&error))?;
        file.write_all(HEADER.as_bytes())
            .map_err(|error| failed(&error))?;
        file.write_all(text.as_bytes()).map_err(|error| failed(&error))?;
        file.as_file().sync_all().map_err(|error| failed(&error))?;
        file.persist(path).map_err(|error| failed(&error.error))?;
        Ok(())
    }

    /// Whether nothing is noted.
    pub(super) fn is_empty(&self) -> bool {
        self.made.is_empty()
    }

    /// Kinds that something of this cluster is noted of.
    pub(super) fn kinds(&self, cluster: &str) -> Vec<&'static Kind> {
        let names: BTreeSet<&str> = self.of(cluster).map(|made| made.kind.as_str()).collect();
        names
            .into_iter()
            .filter_map(|name| kinds::find(name).ok())
            .collect()
    }

    fn of(&self, cluster: &str) -> impl Iterator<Item = &Made> {
        self.made.iter().filter(move |made| made.cluster == cluster)
    }

    /// Objects of this cluster that were made from here, are there still, and are declared no more.
    pub(super) fn gone(
        &self,
        cluster: &str,
        documents: &[Document],
        known: &Known,
    ) -> Vec<(&'static Kind, String, Present)> {
        let declared: BTreeSet<(&str, &str)> = documents
            .iter()
            .map(|document| (document.kind.name, document.name.as_str()))
            .collect();
        let ours = self
            .of(cluster)
            .filter(|made| !declared.contains(&(made.kind.as_str(), made.name.as_str())));
        ours.filter_map(|made| {
            let kind = kinds::find(&made.kind).ok()?;
            let present = known.get(kind.name)?.get(&made.name)?;
            (present.created == made.created).then(|| (kind, made.name.clone(), present.clone()))
        })
        .collect()
    }

    /// Notes what was made in this cluster, and forgets what is there no more. What is noted of others stays.
    pub(super) fn note(&mut self, cluster: &str, made: &[(&'static Kind, String)], now: &Known) {
        let created = |kind: &str, name: &str| Some(now.get(kind)?.get(name)?.created);
        self.made.retain(|made| {
            made.cluster != cluster
                || !now.contains_key(made.kind.as_str())
                || created(&made.kind, &made.name) == Some(made.created)
        });
        for (kind, name) in made {
            if let Some(created) = created(kind.name, name) {
                self.made.insert(Made {
                    cluster: cluster.to_owned(),
                    kind: kind.name.to_owned(),
                    name: name.clone(),
                    created,
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::kinds::find;
    use super::*;

    fn known(objects: &[(&str, u64)]) -> Known {
        let present = |created: u64| Present {
            spec: serde_json::Map::new(),
            modified: created + 1,
            created,
        };
        let objects = objects
            .iter()
            .map(|(name, created)| ((*name).to_owned(), present(*created)));
        [("Group", objects.collect())].into()
    }

    fn made(names: &[&str]) -> Vec<(&'static Kind, String)> {
        names
            .iter()
            .map(|name| (find("Group").unwrap(), (*name).to_owned()))
            .collect()
    }

    /// Somebody deleted ours and made one of the same name: it is theirs.
    #[test]
    fn only_what_was_made_from_here_and_is_there_still_is_gone() {
        let mut record = Record::default();
        record.note(
            "one",
            &made(&["a", "b"]),
            &known(&[("a", 3), ("b", 4), ("foreign", 5)]),
        );
        let gone = |known: &Known| -> Vec<String> {
            record
                .gone("one", &[], known)
                .into_iter()
                .map(|(_, name, _)| name)
                .collect()
        };
        assert_eq!(gone(&known(&[("a", 3), ("b", 4), ("foreign", 5)])), ["a", "b"]);
        assert_eq!(gone(&known(&[("a", 3), ("b", 9)])), ["a"]);
        assert!(gone(&Known::new()).is_empty());
    }

    /// Revisions of two clusters are often the same.
    #[test]
    fn what_another_cluster_has_is_neither_gone_nor_forgotten() {
        let mut record = Record::default();
        record.note("one", &made(&["a"]), &known(&[("a", 3)]));
        let foreign = known(&[("a", 3)]);
        assert!(record.gone("two", &[], &foreign).is_empty());
        assert!(record.kinds("two").is_empty());
        record.note("two", &made(&["b"]), &known(&[("b", 4)]));
        record.note("two", &[], &known(&[]));
        assert_eq!(record.gone("one", &[], &foreign).len(), 1);
        assert_eq!(record.made.len(), 1, "only b of the other is forgotten");
    }

    #[test]
    fn what_an_older_version_noted_is_of_no_known_cluster() {
        let text = "made:\n- kind: Group\n  name: a\n  created: 3\n";
        let mut record: Record = serde_yaml_ng::from_str(text).unwrap();
        assert!(record.gone("one", &[], &known(&[("a", 3)])).is_empty());
        record.note("one", &[], &known(&[]));
        assert_eq!(record.made.len(), 1);
    }

    #[test]
    fn what_is_there_no_more_is_forgotten() {
        let mut record = Record::default();
        record.note("one", &made(&["a", "b"]), &known(&[("a", 3), ("b", 4)]));
        record.note("one", &[], &known(&[("b", 4)]));
        assert_eq!(record.made.len(), 1);
        record.note("one", &[], &Known::new());
        assert_eq!(record.made.len(), 1, "a kind that was not looked at");
        assert_eq!(record.kinds("one"), [find("Group").unwrap()]);
    }

    #[test]
    fn the_file_comes_back_and_a_broken_one_is_not_guessed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".chamois-applied.yaml");
        assert_eq!(Record::read(&path).unwrap(), Record::default());
        let mut record = Record::default();
        record.note("one", &made(&["a"]), &known(&[("a", 3)]));
        record.write(&path).unwrap();
        assert_eq!(Record::read(&path).unwrap(), record);
        std::fs::write(&path, "made: 7").unwrap();
        let error = Record::read(&path).unwrap_err().to_string();
        assert!(
            error.contains(".chamois-applied.yaml") && error.contains("nothing is pruned"),
            "{error}"
        );
    }
}
