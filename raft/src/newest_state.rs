//! What a member starts from: the newest of snapshot file and checkpoint that its log can go on from.

use std::io;
use std::path::Path;

use state::cluster::FEATURE_LEVEL_KNOWN;

use crate::checkpointer::Checkpointer;
use crate::log_store::LogStore;
use crate::state_machine::Start;
use crate::type_config::LogId;
use crate::{snapshot_file, snapshot_folder};

/// The state in `folder`, and the checkpoint that goes on from it.
///
/// # Errors
/// `InvalidData` for a state of a newer version, or if the log was purged above all that is left; what the file
/// system says.
pub(crate) fn load(folder: &Path, log: &LogStore) -> io::Result<(Start, Checkpointer)> {
    let snapshots = folder.join("snapshots");
    let mut snapshot = snapshot_folder::newest(&snapshots, snapshot_file::check)?;
    let reached = snapshot.as_ref().map_or(0, |(_, meta)| index(meta.last_log_id));
    let fits = |id: &LogId| id.index > reached && log.covers(id);
    let (checkpointer, loaded) = Checkpointer::open(&folder.join("checkpoint"), fits)?;
    let mut start = Start::default();
    if let Some(loaded) = loaded {
        start.state = loaded.state;
        start.last_applied = Some(loaded.last_applied);
        start.membership = loaded.membership;
    } else if let Some((file, (meta, state))) = snapshot_folder::newest(&snapshots, snapshot_file::read)? {
        start.state = state;
        start.last_applied = meta.last_log_id;
        start.membership = meta.last_membership.clone();
        snapshot = Some((file, meta));
    }
    // One below the purged entries is of no use to a follower; without it openraft writes a new one.
    start.snapshot = snapshot
        .map(|(file, meta)| (meta, file))
        .filter(|(meta, _)| index(meta.last_log_id) >= log.purged_index());
    if let Some((meta, _)) = &start.snapshot {
        log.snapshot_reaches(index(meta.last_log_id));
    }
    let level = start.state.feature_level();
    if level > FEATURE_LEVEL_KNOWN {
        let text =
            format!("the store is at feature level {level}, which this version does not know; upgrade it");
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    check_no_gap(log.purged_index(), index(start.last_applied))?;
    Ok((start, checkpointer))
}

/// Entries that are neither in the state nor in the log any more were acknowledged by this member and are lost.
fn check_no_gap(purged: u64, applied: u64) -> io::Result<()> {
    if purged <= applied {
        return Ok(());
    }
    let text = format!(
        "the log was purged up to entry {purged}, but the newest snapshot or checkpoint that can be read ends at \
         {applied}; this member must be removed and added under a new id, with an empty data-dir"
    );
    Err(io::Error::new(io::ErrorKind::InvalidData, text))
}

fn index(id: Option<LogId>) -> u64 {
    id.map_or(0, |id| id.index)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use openraft::entry::EntryPayload;
    use openraft::storage::{IOFlushed, RaftLogStorage as _};
    use tempfile::TempDir;

    use super::*;
    use crate::snapshot_file::write;
    use crate::snapshot_file_test::{meta, state_at};
    use crate::type_config::{Command, Entry};
    use crate::wal::{Options, RealDisk, Wal};

    /// A data folder with snapshots at 5 and 9, and a log of 12 entries that is purged up to `purged`.
    async fn bench(purged: u64) -> (TempDir, LogStore) {
        let folder = tempfile::tempdir().unwrap();
        let snapshots = folder.path().join("snapshots");
        std::fs::create_dir(&snapshots).unwrap();
        for index in [5, 9] {
            write(&snapshots, &meta(index), &state_at(index)).unwrap();
        }
        let (wal, recovered) =
            Wal::open(&folder.path().join("log"), Arc::new(RealDisk), Options::new(1)).unwrap();
        let mut log = LogStore::new(wal, recovered).unwrap();
        let entries = (1..=12).map(|index| Entry {
            log_id: meta(index).last_log_id.unwrap(),
            payload: EntryPayload::Normal(Command(vec![7; 100].into())),
        });
        log.append(entries, IOFlushed::noop()).await.unwrap();
        log.purge(meta(purged).last_log_id.unwrap()).await.unwrap();
        (folder, log)
    }

    #[tokio::test]
    async fn the_newest_snapshot_is_the_start() {
        let (folder, log) = bench(7).await;
        let (start, _) = load(folder.path(), &log).unwrap();
        assert_eq!(start.last_applied, meta(9).last_log_id);
        assert_eq!(start.state.digest(), state_at(9).digest());
        assert_eq!(start.snapshot.unwrap().0, meta(9));
        assert_eq!(
            log.bytes_since_snapshot(),
            300,
            "those of 10 to 12: a start writes no new one"
        );
    }

    /// What rots must not cost a member: the log is kept further back than the newest snapshot for this.
    #[tokio::test]
    async fn where_the_newest_snapshot_rots_the_one_before_is_the_start() {
        let (folder, log) = bench(4).await;
        spoil_the_newest(&folder);
        let (start, _) = load(folder.path(), &log).unwrap();
        assert_eq!(start.last_applied, meta(5).last_log_id);
        assert_eq!(start.state.digest(), state_at(5).digest());
        assert_eq!(log.bytes_since_snapshot(), 700);
    }

    fn spoil_the_newest(folder: &TempDir) {
        let newest = crate::snapshot_folder::file_name(&meta(9));
        std::fs::write(folder.path().join("snapshots").join(newest), b"rotten").unwrap();
    }

    /// A member that started from less than it acknowledged would serve a state that never was.
    #[tokio::test]
    async fn a_gap_between_the_state_and_the_log_stops_the_start() {
        let (folder, log) = bench(7).await;
        spoil_the_newest(&folder);
        let error = load(folder.path(), &log).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        let text = error.to_string();
        assert!(
            text.contains("purged up to entry 7") && text.contains("new id"),
            "{text}"
        );
    }
}
