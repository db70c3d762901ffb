//! That this member founded its cluster alone is remembered outside its data folder: without its data it would elect itself
//! once more and answer from an empty state. Where other members founded it as well, their votes are needed, and they know
//! the store that is gone (`known_stores.rs`).

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use openraft::Raft;
use openraft::error::{InitializeError, RaftError};

use crate::small_file;
use crate::state_machine::StateMachine;
use crate::type_config::{MemberNode, TypeConfig};

/// In the folder of the identity.
const FILE: &str = "founded";
/// The founding may have been interrupted: it is gone on with as long as there are no data.
const BEGUN: &str = "begun";
const DONE: &str = "done";

/// Whom a new cluster begins with.
#[derive(Clone, Debug)]
pub struct FoundingMembers {
    /// The members; none where this one joined a cluster that there was.
    pub members: BTreeMap<u64, MemberNode>,
    /// The folder of this member's identity: it outlives the data folder. It need not be writable.
    pub identity_dir: PathBuf,
}

/// The founding of a cluster by this member, alone or with others.
#[derive(Debug)]
pub(crate) struct Founding {
    members: BTreeMap<u64, MemberNode>,
    /// None for a member that founds nothing, or not alone.
    marks: Option<Marks>,
}

/// What stands on disk about the founding of a cluster by one member alone.
#[derive(Debug)]
struct Marks {
    /// Folder and file name, twice: the folder of the identity is often read-only, the one above the data may be lost with
    /// them.
    places: [(PathBuf, String); 2],
    /// Whose cluster: another identity in the same place is another member's.
    owner: String,
}

impl Founding {
    /// Of member `id` with its data in `data_dir`.
    pub(crate) fn of(founders: FoundingMembers, id: u64, cluster: &str, data_dir: &Path) -> Founding {
        let FoundingMembers {
            mut members,
            identity_dir,
        } = founders;
        let marks = match members.get(&id) {
            None => {
                members.clear();
                None
            }
            Some(own) if members.len() == 1 => {
                let key: String = own.public_key.iter().map(|byte| format!("{byte:02x}")).collect();
                let owner = format!("cluster = \"{cluster}\"\nmember-id = {id}\npublic-key = \"{key}\"\n");
                let places = [(identity_dir, FILE.to_owned()), beside(data_dir)];
                Some(Marks { places, owner })
            }
            Some(_) => None,
        };
        Founding { members, marks }
    }

    /// Says that nothing was founded yet.
    ///
    /// # Errors
    /// `InvalidData` with the ways out, if this member founded its cluster before; what the file systems say.
    pub(crate) fn check(&self) -> io::Result<()> {
        self.marks.as_ref().map_or(Ok(()), Marks::check)
    }

    /// Founds the cluster, for a member without data. Every founding member says the same; Raft elects one of them.
    ///
    /// # Errors
    /// As [`Founding::check`]; if it cannot be remembered; if Raft has stopped.
    pub(crate) async fn carry_out(self, raft: &Raft<TypeConfig, StateMachine>) -> io::Result<()> {
        if self.members.is_empty() {
            return Ok(());
        }
        if let Some(marks) = &self.marks {
            marks.check()?;
            marks.remember(BEGUN)?;
        }
        match raft.initialize(self.members.clone()).await {
            // Another founder was quicker and this member has its entries already.
            Ok(()) | Err(RaftError::APIError(InitializeError::NotAllowed(_))) => self.done(),
            Err(error) => Err(io::Error::other(error)),
        }
    }

    /// After the founding, and at every start with data.
    ///
    /// # Errors
    /// If it cannot be remembered in any place.
    pub(crate) fn done(&self) -> io::Result<()> {
        self.marks.as_ref().map_or(Ok(()), |marks| marks.remember(DONE))
    }
}

/// The place beside the data.
fn beside(data_dir: &Path) -> (PathBuf, String) {
    let above = data_dir.parent().filter(|parent| *parent != Path::new(""));
    let mark = data_dir.with_extension(FILE);
    let name = mark
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    (above.unwrap_or(Path::new(".")).to_owned(), name)
}

impl Marks {
    fn check(&self) -> io::Result<()> {
        for (folder, name) in &self.places {
            match small_file::read(folder, name) {
                Ok(found) if found == self.text(DONE) => return Err(without_its_data(&folder.join(name))),
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(_) | Err(_) => {}
            }
        }
        Ok(())
    }

    fn remember(&self, what: &str) -> io::Result<()> {
        let text = self.text(what);
        let write = |(folder, name): &(PathBuf, String)| match small_file::read(folder, name) {
            Ok(found) if found == text => Ok(()),
            Ok(_) | Err(_) => small_file::replace(folder, name, &text),
        };
        let [identity, above] = &self.places;
        match (write(identity), write(above)) {
            (Err(error), Err(_)) => Err(io::Error::new(
                error.kind(),
                format!(
                    "that this member founds a cluster must be remembered outside its data-dir, but neither {} nor {} can be \
                     written: {error}; make one of them writable",
                    identity.0.display(),
                    above.0.display()
                ),
            )),
            (Err(error), Ok(())) if what == DONE => {
                tracing::warn!(
                    %error,
                    "that this member founded its cluster is remembered beside data-dir only, not in identity-dir: should \
                     both be lost with one disk, never start it again with this identity"
                );
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn text(&self, what: &str) -> String {
        format!("{}founding = \"{what}\"\n", self.owner)
    }
}

fn without_its_data(mark: &Path) -> io::Error {
    let text = format!(
        "this member founded its cluster before ({}), but its data-dir is empty: is the disk mounted? It would found a \
         second cluster with nothing in it. If its data are lost: remove it from the cluster (`chamois member remove`) and \
         let it join anew under a new id; if it was the only member: `chamois snapshot restore`",
        mark.display()
    );
    io::Error::new(io::ErrorKind::InvalidData, text)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn founding(folder: &Path, key: u8, members: u64) -> Founding {
        let node = MemberNode {
            public_key: vec![key; 3],
            ..MemberNode::default()
        };
        let identity_dir = folder.join("identity");
        fs::create_dir_all(&identity_dir).unwrap();
        let founders = FoundingMembers {
            members: (1..=members).map(|id| (id, node.clone())).collect(),
            identity_dir,
        };
        Founding::of(founders, 1, "prod", &folder.join("data"))
    }

    fn marks(folder: &Path, key: u8) -> Marks {
        founding(folder, key, 1).marks.unwrap()
    }

    fn is_refused(folder: &Path) -> bool {
        let checked = marks(folder, 7).check();
        checked.is_err_and(|error| error.to_string().contains("found a second cluster"))
    }

    /// Either of the two places is enough: the one may be read-only, the other lost with the data.
    #[test]
    fn what_was_founded_is_not_founded_again() {
        for lost in ["identity/founded", "data.founded", "neither"] {
            let folder = tempfile::tempdir().unwrap();
            marks(folder.path(), 7).remember(BEGUN).unwrap();
            marks(folder.path(), 7).remember(DONE).unwrap();
            if lost != "neither" {
                fs::remove_file(folder.path().join(lost)).unwrap();
            }
            assert!(is_refused(folder.path()), "{lost} is lost");
        }
    }

    /// Power may fail between the mark and the first entry.
    #[test]
    fn an_interrupted_founding_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        marks(folder.path(), 7).remember(BEGUN).unwrap();
        marks(folder.path(), 7).check().unwrap();
    }

    /// `chamois init` in the same place makes another cluster.
    #[test]
    fn another_identity_is_another_cluster() {
        let folder = tempfile::tempdir().unwrap();
        marks(folder.path(), 8).remember(DONE).unwrap();
        marks(folder.path(), 7).check().unwrap();
        marks(folder.path(), 7).remember(DONE).unwrap();
        assert!(is_refused(folder.path()));
    }

    /// A mark that cannot be read says nothing, least of all that there was none.
    #[test]
    fn a_damaged_mark_is_no_permission() {
        let folder = tempfile::tempdir().unwrap();
        marks(folder.path(), 7).remember(DONE).unwrap();
        fs::remove_file(folder.path().join("data.founded")).unwrap();
        let file = folder.path().join("identity/founded");
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, text.replace("done", "dine")).unwrap();
        let error = marks(folder.path(), 7).check().unwrap_err();
        assert!(error.to_string().contains("founded is damaged"), "{error}");
    }

    /// The folder of a service's identity is often read-only; with no place at all nothing is founded.
    #[test]
    fn one_place_to_write_is_needed() {
        let folder = tempfile::tempdir().unwrap();
        let mut marks = marks(folder.path(), 7);
        fs::remove_dir(folder.path().join("identity")).unwrap();
        marks.remember(DONE).unwrap();
        marks.check().unwrap_err();
        marks.places[1].0.push("absent");
        let error = marks.remember(BEGUN).unwrap_err().to_string();
        assert!(error.contains("make one of them writable"), "{error}");
    }

    #[test]
    fn who_joined_or_needs_the_votes_of_others_leaves_no_mark() {
        let folder = tempfile::tempdir().unwrap();
        for members in [0, 2, 3] {
            let founding = founding(folder.path(), 7, members);
            assert!(founding.marks.is_none());
            assert_eq!(founding.members.len(), usize::try_from(members).unwrap());
            founding.done().unwrap();
            founding.check().unwrap();
        }
    }
}
