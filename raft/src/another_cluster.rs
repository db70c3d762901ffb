//! A new cluster of one member from what an old one left: a saved snapshot, or the data of a member that lost its
//! majority. Its id is another one and its log goes on 2^32 indexes higher, so that no cursor, ETag or boot of the old
//! cluster is ever taken for one of the new.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use openraft::entry::{EntryPayload, RaftEntry as _};
use openraft::storage::{RaftLogReader as _, RaftLogStorage as _};
use proto::raft::v1 as pb;
use state::{Applied, State};

use crate::apply_chunk::{ApplyChunk, Touched};
use crate::log_store::LogStore;
use crate::sources::Sources;
use crate::state_machine::APPLY_CHUNK_MAX;
use crate::type_config::{
    Entry, LeaderId, LogId, MemberNode, Membership, SnapshotMeta, StoredMembership, Vote,
};
use crate::wal::{self, RealDisk, Wal};
use crate::{newest_state, snapshot_file, store_header};

/// Indexes between the old cluster's log and the new one's.
const INDEXES_BETWEEN: u64 = 1 << 32;

/// What is in a snapshot file.
#[derive(Clone, Debug)]
pub struct Inspected {
    /// The state, checked row by row.
    pub state: State,
    /// Log index that it was taken at, and the term.
    pub index: u64,
    /// See `index`.
    pub term: u64,
    /// The members of that time.
    pub members: BTreeMap<u64, MemberNode>,
}

/// Reads a whole snapshot file.
///
/// # Errors
/// `InvalidData` for one that is damaged or of a newer version; what the file system says.
pub fn inspect(path: &Path) -> io::Result<Inspected> {
    let (meta, state) = snapshot_file::read(path)?;
    let nodes = meta.last_membership.membership().nodes();
    Ok(Inspected {
        index: state.applied_index(),
        term: meta.last_log_id.map_or(0, |id| id.leader_id.term),
        members: nodes.map(|(id, node)| (*id, node.clone())).collect(),
        state,
    })
}

/// The only member of the new cluster.
#[derive(Clone, Debug)]
pub struct OnlyMember {
    /// Its id: one that no other member of the old cluster had, or this member's own.
    pub id: u64,
    /// Its addresses and key.
    pub node: MemberNode,
    /// Where its data go; must not exist.
    pub data_dir: PathBuf,
}

/// Makes the data of the new cluster's only member from a snapshot's content.
///
/// # Errors
/// `AlreadyExists` if the folder exists, else what the file system says. The folder is whole or absent.
pub async fn restore(content: Inspected, member: &OnlyMember, sources: &Sources) -> io::Result<()> {
    if fs::exists(&member.data_dir)? {
        let text = format!(
            "{} exists already; nothing is overwritten",
            member.data_dir.display()
        );
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
    }
    let partial = prepare(content, member, sources).await?;
    move_to(&partial, &member.data_dir)
}

/// The new data beside the place where they go.
async fn prepare(content: Inspected, member: &OnlyMember, sources: &Sources) -> io::Result<PathBuf> {
    let partial = member.data_dir.with_extension("partial");
    if fs::exists(&partial)? {
        fs::remove_dir_all(&partial)?;
    }
    write(content, member, &partial, sources).await?;
    Ok(partial)
}

fn move_to(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    let parent = to.parent().filter(|parent| *parent != Path::new(""));
    fs::File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

/// Goes on alone with the data of this stopped member: everything in its log counts, acknowledged or not. The old data
/// stay beside the new in `<data-dir>.before-recovery`; they are moved there when the new ones are written. What an
/// interruption has left is gone on with.
///
/// # Errors
/// As the start of a member: another member's folder, a damaged log, a disk that fails.
pub async fn recover(cluster: &str, member: &OnlyMember, sources: &Sources) -> io::Result<Inspected> {
    let folder = &member.data_dir;
    let aside = folder.with_extension("before-recovery");
    let interrupted = fs::exists(&aside)? && !fs::exists(folder)?;
    if fs::exists(&aside)? && !interrupted {
        let text = format!(
            "{} exists already: this member was recovered before; move it away first",
            aside.display()
        );
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
    }
    let old = if interrupted { &aside } else { folder };
    if !store_header::is_there(old)? {
        let text = format!("{}: there is no member's data", old.display());
        return Err(io::Error::new(io::ErrorKind::NotFound, text));
    }
    let content = all_that_is_there(old, cluster, member.id, sources).await?;
    let partial = prepare(content.clone(), &where_it_is_now(member, &content), sources).await?;
    if !interrupted {
        move_to(folder, &aside)?;
    }
    move_to(&partial, folder)?;
    Ok(content)
}

/// The member at the addresses that the membership has: those of its identity are as old as the identity.
fn where_it_is_now(member: &OnlyMember, content: &Inspected) -> OnlyMember {
    let mut moved = member.clone();
    if let Some(known) = content.members.get(&member.id) {
        moved.node.peer_address.clone_from(&known.peer_address);
        moved.node.api_address.clone_from(&known.api_address);
    }
    moved
}

/// The newest state with every entry of the log applied to it.
async fn all_that_is_there(
    folder: &Path,
    cluster: &str,
    id: u64,
    sources: &Sources,
) -> io::Result<Inspected> {
    store_header::claim(folder, cluster, id, "")?;
    let options = wal::Options::new(sources.random_u64());
    let (wal, recovered) =
        Wal::open(&folder.join("log"), Arc::new(RealDisk), options).map_err(io::Error::other)?;
    let mut log = LogStore::new(wal, recovered)?;
    let (start, _checkpointer) = newest_state::load(folder, &log)?;
    let vote = log.read_vote().await?;
    let mut state = start.state;
    let mut membership = start.membership.membership().clone();
    let entries = log.try_get_log_entries(state.applied_index() + 1..).await?;
    apply_all(&mut state, &mut membership, &entries, State::apply)?;
    Ok(Inspected {
        index: state.applied_index(),
        term: vote.map_or(0, |vote| vote.leader_id().term),
        members: membership.nodes().map(|(id, node)| (*id, node.clone())).collect(),
        state,
    })
}

/// As a member applies them: what panics there changes nothing here either.
fn apply_all(
    state: &mut State,
    membership: &mut Membership,
    entries: &[Entry],
    apply: impl Fn(&mut State, u64, &pb::Entry) -> Applied,
) -> io::Result<()> {
    for entries in entries.chunks(APPLY_CHUNK_MAX) {
        let mut chunk = ApplyChunk::new(state);
        let mut touched = Touched::default();
        for entry in entries {
            match &entry.payload {
                EntryPayload::Normal(command) => {
                    let decoded = state::decode_exact(&command.0).map_err(|error| {
                        let text = format!("entry {} cannot be read: {error}; upgrade first", entry.index());
                        io::Error::new(io::ErrorKind::InvalidData, text)
                    })?;
                    chunk.apply_with(state, entry.index(), decoded, &mut touched, &apply);
                }
                EntryPayload::Blank => chunk.skip(state, entry.index()),
                EntryPayload::Membership(changed) => {
                    *membership = changed.clone();
                    chunk.skip(state, entry.index());
                }
            }
        }
    }
    Ok(())
}

async fn write(content: Inspected, member: &OnlyMember, folder: &Path, sources: &Sources) -> io::Result<()> {
    let snapshots = folder.join("snapshots");
    fs::create_dir_all(&snapshots)?;
    let cluster_id = format!("{:016x}", sources.random_u64());
    let last_id = content.members.keys().max().copied().unwrap_or(0).max(member.id);
    let state = content
        .state
        .into_another_cluster(cluster_id, INDEXES_BETWEEN, last_id + 1);
    let leader_id = LeaderId {
        term: content.term + 1,
        node_id: member.id,
    };
    let last = LogId::new(leader_id, state.applied_index());
    let nodes = BTreeMap::from([(member.id, member.node.clone())]);
    let only = Membership::new(vec![BTreeSet::from([member.id])], nodes).map_err(io::Error::other)?;
    let meta = SnapshotMeta {
        last_log_id: Some(last),
        last_membership: StoredMembership::new(Some(last), only),
    };
    snapshot_file::write(&snapshots, &meta, &state)?;
    let store_id = format!("{:016x}", sources.random_u64());
    store_header::claim(folder, state.cluster_name(), member.id, &store_id)?;
    let options = wal::Options::new(sources.random_u64());
    let (wal, recovered) =
        Wal::open(&folder.join("log"), Arc::new(RealDisk), options).map_err(io::Error::other)?;
    let mut log = LogStore::new(wal, recovered)?;
    log.save_vote(&Vote::new(leader_id.term, leader_id.node_id))
        .await?;
    log.purge(last).await
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use proto::cluster::v1::{ClusterCommand, cluster_command};

    use super::*;
    use crate::snapshot_file_test::{meta, state_at};
    use crate::type_config::Command;

    fn member(folder: &Path) -> OnlyMember {
        OnlyMember {
            id: 7,
            node: MemberNode {
                peer_address: "127.0.0.1:7440".into(),
                ..MemberNode::default()
            },
            data_dir: folder.join("data"),
        }
    }

    /// Nothing that was handed out by the old cluster may be valid in the new one.
    #[tokio::test]
    async fn the_content_goes_on_in_another_cluster_far_ahead() {
        let folder = tempfile::tempdir().unwrap();
        let file = snapshot_file::write(folder.path(), &meta(9), &state_at(9)).unwrap();
        let content = inspect(&file.path).unwrap();
        assert_eq!(content.index, 9);
        let member = member(folder.path());
        restore(content, &member, &Sources::deterministic(1))
            .await
            .unwrap();
        let name = fs::read_dir(member.data_dir.join("snapshots"))
            .unwrap()
            .next()
            .unwrap()
            .unwrap();
        let restored = inspect(&name.path()).unwrap();
        assert_eq!(restored.index, 9 + INDEXES_BETWEEN);
        assert_eq!(restored.members.keys().copied().collect::<Vec<_>>(), [7]);
        assert_ne!(restored.state.cluster_id(), state_at(9).cluster_id());
        assert_eq!(restored.state.cluster.next_member_id(), 8);
    }

    #[tokio::test]
    async fn data_that_are_there_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = snapshot_file::write(folder.path(), &meta(9), &state_at(9)).unwrap();
        let member = member(folder.path());
        fs::create_dir(&member.data_dir).unwrap();
        let error = restore(inspect(&file.path).unwrap(), &member, &Sources::deterministic(1))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        let error = recover("prod", &member, &Sources::deterministic(1))
            .await
            .unwrap_err();
        assert_eq!(
            error.kind(),
            io::ErrorKind::NotFound,
            "a folder without a header is nobody's: {error}"
        );
    }

    /// A bug must not stand between a cluster and the last data that it has: the members have lived on with it.
    #[test]
    fn an_entry_that_panics_is_passed_over_as_a_member_does() {
        let half_of_it = |state: &mut State, index: u64, entry: &pb::Entry| {
            let applied = state.apply(index, entry);
            assert!(index != 11, "a bug in entry 11");
            applied
        };
        let entry = |index: u64| {
            let log_id = LogId::new(LeaderId { term: 1, node_id: 1 }, index);
            let session = pb::ClientSession {
                client_id: vec![2; 16],
                seq: index,
                ..pb::ClientSession::default()
            };
            let header = pb::Header {
                session: Some(session),
                random: vec![0; 16],
                ..pb::Header::default()
            };
            let command = pb::Entry {
                header: Some(header),
                command: Some(pb::entry::Command::Cluster(ClusterCommand {
                    change: Some(cluster_command::Change::SetFeatureLevel(
                        cluster_command::SetFeatureLevel { level: 2 },
                    )),
                })),
            };
            Entry {
                log_id,
                payload: EntryPayload::Normal(Command(command.encode_to_vec().into())),
            }
        };
        let mut membership = meta(9).last_membership.membership().clone();
        let mut state = state_at(10);
        apply_all(&mut state, &mut membership, &[entry(11)], half_of_it).unwrap();
        assert_eq!((state.applied_index(), state.feature_level()), (11, 1));
        apply_all(&mut state, &mut membership, &[entry(12)], half_of_it).unwrap();
        assert_eq!((state.applied_index(), state.feature_level()), (12, 2));
    }

    /// The data of a stopped member.
    async fn stopped(folder: &Path) -> OnlyMember {
        let file = snapshot_file::write(folder, &meta(9), &state_at(9)).unwrap();
        let member = member(folder);
        restore(inspect(&file.path).unwrap(), &member, &Sources::deterministic(1))
            .await
            .unwrap();
        member
    }

    /// The disk may be full, and these data are the only ones that are left.
    #[tokio::test]
    async fn a_recovery_that_fails_leaves_the_data_where_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let member = Box::pin(stopped(folder.path())).await;
        let partial = folder.path().join("data.partial");
        fs::write(&partial, "in the way").unwrap();
        let again = || async { recover("", &member, &Sources::deterministic(2)).await };
        again().await.unwrap_err();
        assert!(member.data_dir.join("header").exists());
        assert!(!folder.path().join("data.before-recovery").exists());
        fs::remove_file(&partial).unwrap();
        assert_eq!(again().await.unwrap().index, 9 + INDEXES_BETWEEN);
        let twice = again().await.unwrap_err();
        assert_eq!(twice.kind(), io::ErrorKind::AlreadyExists);
    }

    /// `chamois member set-address` was used since the identity was made.
    #[tokio::test]
    async fn a_member_that_moved_is_recovered_where_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let mut identity = Box::pin(stopped(folder.path())).await;
        identity.node.peer_address = "127.0.0.9:7440".into();
        recover("", &identity, &Sources::deterministic(2)).await.unwrap();
        let files = fs::read_dir(identity.data_dir.join("snapshots")).unwrap();
        let file = files.map(|file| file.unwrap().path()).next().unwrap();
        assert_eq!(inspect(&file).unwrap().members[&7].peer_address, "127.0.0.1:7440");
    }

    /// Power fails when the old data are aside and the new ones are not yet in their place.
    #[tokio::test]
    async fn an_interrupted_recovery_is_gone_on_with() {
        let folder = tempfile::tempdir().unwrap();
        let member = Box::pin(stopped(folder.path())).await;
        let aside = folder.path().join("data.before-recovery");
        fs::rename(&member.data_dir, &aside).unwrap();
        let found = recover("", &member, &Sources::deterministic(2)).await.unwrap();
        assert_eq!(found.index, 9 + INDEXES_BETWEEN);
        assert!(member.data_dir.join("header").exists() && aside.join("header").exists());
    }

    #[test]
    fn a_damaged_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = snapshot_file::write(folder.path(), &meta(9), &state_at(9)).unwrap();
        let bytes = fs::read(&file.path).unwrap();
        for cut in [0, 7, bytes.len() / 2, bytes.len() - 1] {
            fs::write(&file.path, &bytes[..cut]).unwrap();
            assert!(inspect(&file.path).is_err(), "cut at {cut}");
        }
        let mut flipped = bytes.clone();
        flipped[bytes.len() / 2] ^= 1;
        fs::write(&file.path, flipped).unwrap();
        assert!(inspect(&file.path).is_err());
    }
}
