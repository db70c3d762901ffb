//! What earlier applies of a source have made: a file beside it, the only thing that `--prune` deletes from. Each object is noted with
//! its cluster and the revision that made it, so that one that somebody else made later under the same name, or in another cluster, is
//! none of ours.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::document::Document;
use super::identity::Identity;
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
    /// Id of the cluster that has it, if whoever noted it was told; older versions wrote the endpoints instead.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    cluster: String,
    /// CAs that the cluster is known by, see [`Identity::ca`]. An entry without cluster and CA is nobody's, and never pruned.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    ca: BTreeSet<String>,
    kind: String,
    name: String,
    /// Revision of its creation.
    created: u64,
}

impl Made {
    /// The id, if it is one: endpoints have ports.
    fn id(&self) -> Option<&str> {
        Some(self.cluster.as_str()).filter(|cluster| !cluster.is_empty() && !cluster.contains(':'))
    }

    /// Whether this cluster has it. Two ids decide; else it is the CA, or what an older version wrote.
    fn is_of(&self, cluster: &Identity) -> bool {
        match (self.id(), &cluster.id) {
            (Some(own), Some(id)) => own == id,
            _ => {
                let has_its_ca = !self.ca.is_disjoint(&cluster.ca);
                has_its_ca || !self.cluster.is_empty() && self.cluster == cluster.endpoints
            }
        }
    }

    /// The same, with all that is known of its cluster now: the CA that it was noted with may be gone one day.
    fn known_by(mut self, cluster: &Identity) -> Self {
        let id = cluster.id.as_deref().or(self.id()).unwrap_or_default();
        self.cluster = id.to_owned();
        self.ca.extend(cluster.ca.iter().cloned());
        self
    }
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
    pub(super) fn kinds(&self, cluster: &Identity) -> Vec<&'static Kind> {
        let names: BTreeSet<&str> = self.of(cluster).map(|made| made.kind.as_str()).collect();
        names
            .into_iter()
            .filter_map(|name| kinds::find(name).ok())
            .collect()
    }

    fn of(&self, cluster: &Identity) -> impl Iterator<Item = &Made> {
        self.made.iter().filter(|made| made.is_of(cluster))
    }

    /// Objects of this cluster that were made from here, are there still, and are declared no more.
    pub(super) fn gone(
        &self,
        cluster: &Identity,
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
    pub(super) fn note(&mut self, cluster: &Identity, made: &[(&'static Kind, String)], now: &Known) {
        let created = |kind: &str, name: &str| Some(now.get(kind)?.get(name)?.created);
        let is_there = |made: &Made| {
            let was_looked_at = now.contains_key(made.kind.as_str());
            !was_looked_at || created(&made.kind, &made.name) == Some(made.created)
        };
        let (ours, others): (Vec<Made>, Vec<Made>) = std::mem::take(&mut self.made)
            .into_iter()
            .partition(|made| made.is_of(cluster));
        let ours = ours.into_iter().filter(is_there);
        self.made = ours.map(|made| made.known_by(cluster)).chain(others).collect();
        for (kind, name) in made {
            if let Some(created) = created(kind.name, name) {
                let new = Made {
                    cluster: String::new(),
                    ca: BTreeSet::new(),
                    kind: kind.name.to_owned(),
                    name: name.clone(),
                    created,
                };
                self.made.insert(new.known_by(cluster));
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

    /// A cluster as an administrator knows it.
    fn one() -> Identity {
        identity(Some("0001"), &["ca-1"], "a:7441")
    }

    fn two() -> Identity {
        identity(Some("0002"), &["ca-2"], "b:7441")
    }

    fn identity(id: Option<&str>, ca: &[&str], endpoints: &str) -> Identity {
        Identity {
            id: id.map(str::to_owned),
            ca: ca.iter().map(|ca| (*ca).to_owned()).collect(),
            endpoints: endpoints.to_owned(),
        }
    }

    /// Names that are gone for `cluster`, which has a Group `a` of revision 3.
    fn pruned(record: &Record, cluster: &Identity) -> Vec<String> {
        let gone = record.gone(cluster, &[], &known(&[("a", 3)]));
        gone.into_iter().map(|(_, name, _)| name).collect()
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
            &one(),
            &made(&["a", "b"]),
            &known(&[("a", 3), ("b", 4), ("foreign", 5)]),
        );
        let gone = |known: &Known| -> Vec<String> {
            record
                .gone(&one(), &[], known)
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
        record.note(&one(), &made(&["a"]), &known(&[("a", 3)]));
        let foreign = known(&[("a", 3)]);
        assert!(record.gone(&two(), &[], &foreign).is_empty());
        assert!(record.kinds(&two()).is_empty());
        record.note(&two(), &made(&["b"]), &known(&[("b", 4)]));
        record.note(&two(), &[], &known(&[]));
        assert_eq!(record.gone(&one(), &[], &foreign).len(), 1);
        assert_eq!(record.made.len(), 1, "only b of the other is forgotten");
    }

    #[test]
    fn what_an_older_version_noted_is_of_no_known_cluster() {
        let text = "made:\n- kind: Group\n  name: a\n  created: 3\n";
        let mut record: Record = serde_yaml_ng::from_str(text).unwrap();
        assert!(record.gone(&one(), &[], &known(&[("a", 3)])).is_empty());
        record.note(&one(), &[], &known(&[]));
        assert_eq!(record.made.len(), 1);
    }

    #[test]
    fn what_is_there_no_more_is_forgotten() {
        let mut record = Record::default();
        record.note(&one(), &made(&["a", "b"]), &known(&[("a", 3), ("b", 4)]));
        record.note(&one(), &[], &known(&[("b", 4)]));
        assert_eq!(record.made.len(), 1);
        record.note(&one(), &[], &Known::new());
        assert_eq!(record.made.len(), 1, "a kind that was not looked at");
        assert_eq!(record.kinds(&one()), [find("Group").unwrap()]);
    }

    #[test]
    fn the_file_comes_back_and_a_broken_one_is_not_guessed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".chamois-applied.yaml");
        assert_eq!(Record::read(&path).unwrap(), Record::default());
        let mut record = Record::default();
        record.note(&one(), &made(&["a"]), &known(&[("a", 3)]));
        record.write(&path).unwrap();
        assert_eq!(Record::read(&path).unwrap(), record);
        std::fs::write(&path, "made: 7").unwrap();
        let error = Record::read(&path).unwrap_err().to_string();
        assert!(
            error.contains(".chamois-applied.yaml") && error.contains("nothing is pruned"),
            "{error}"
        );
    }

    /// Whoever may not read its id asks the same cluster, by other endpoints, too.
    #[test]
    fn without_an_id_the_ca_is_the_cluster() {
        let nobody = |ca: &[&str], endpoints: &str| identity(None, ca, endpoints);
        let mut record = Record::default();
        record.note(&nobody(&["ca-1"], "a:7441"), &made(&["a"]), &known(&[("a", 3)]));
        assert_eq!(pruned(&record, &nobody(&["ca-1"], "c:7441")), ["a"]);
        assert_eq!(pruned(&record, &one()), ["a"], "an administrator goes on with it");
        assert!(pruned(&record, &nobody(&["ca-2"], "a:7441")).is_empty());
        assert!(pruned(&record, &two()).is_empty());
        record.note(&one(), &[], &known(&[("a", 3)]));
        assert_eq!(record.made.len(), 1);
        let other = identity(Some("0002"), &["ca-1"], "a:7441");
        assert!(pruned(&record, &other).is_empty(), "ids that are known decide");
    }

    /// While one CA takes the place of another, both are known; each apply notes what it knows.
    #[test]
    fn a_record_outlives_the_ca_that_it_was_noted_with() {
        let mut record = Record::default();
        let step = |ca: &[&str]| identity(None, ca, "a:7441");
        record.note(&step(&["old"]), &made(&["a"]), &known(&[("a", 3)]));
        assert!(pruned(&record, &step(&["new"])).is_empty());
        record.note(&step(&["old", "new"]), &[], &known(&[("a", 3)]));
        assert_eq!(pruned(&record, &step(&["new"])), ["a"]);
        assert_eq!(record.made.len(), 1);
    }

    #[test]
    fn what_older_versions_noted_counts_and_is_noted_anew() {
        let text =
            |cluster: &str| format!("made:\n- cluster: {cluster}\n  kind: Group\n  name: a\n  created: 3\n");
        let read = |cluster: &str| -> Record { serde_yaml_ng::from_str(&text(cluster)).unwrap() };
        let mut by_id = read("'0001'");
        assert_eq!(pruned(&by_id, &one()), ["a"]);
        assert!(pruned(&by_id, &two()).is_empty());
        let nobody = identity(None, &["ca-1"], "a:7441");
        assert!(pruned(&by_id, &nobody).is_empty(), "it says nothing of a CA");
        by_id.note(&one(), &[], &known(&[("a", 3)]));
        assert_eq!(pruned(&by_id, &nobody), ["a"], "it does from then on");

        let mut by_endpoints = read("a:7441,b:7441");
        let same = identity(None, &["ca-1"], "a:7441,b:7441");
        assert_eq!(pruned(&by_endpoints, &same), ["a"]);
        assert!(pruned(&by_endpoints, &nobody).is_empty());
        by_endpoints.note(&same, &[], &known(&[("a", 3)]));
        assert_eq!(pruned(&by_endpoints, &nobody), ["a"]);
    }
}
