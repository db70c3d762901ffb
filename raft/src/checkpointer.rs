//! Keeps sled's checkpoint of the applied state up to date beside `apply`: about every second, less often while each
//! takes long, but never far behind. Nothing waits for it: what it lacks is in snapshot and log, and a checkpoint in
//! doubt is thrown away.

use std::io;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use prost::Message as _;
use proto::raft::v1 as pb;
use state::State;

use crate::checkpoint::Checkpoint;
use crate::ledger::Ledger;
use crate::state_machine::{JOURNAL_WAIT_MAX, Unsaved};
use crate::type_config::{LogId, SnapshotMeta, StoredMembership};
use crate::wire;

/// Pause between two checkpoints, and the longest one.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// The pause is so many times as long as the checkpoint took: under many changes its syncs would take the disk from the
/// log, and most rows change again before the next. What it then lacks longer, a start replays from the log.
const PAUSE_PER_STORE: u32 = 20;
/// Entries that end every pause, looked at once per [`PAUSE`]. The log keeps twice as many below a snapshot
/// ([`Snapshots::entries_kept`](crate::Snapshots)), because more come while this is noticed and stored: a checkpoint can
/// mostly take the place of a snapshot that cannot be read.
const ENTRIES_BEHIND_MAX: u64 = 50_000;

/// The thread that stores what changed.
#[derive(Debug, Default)]
pub(crate) struct Checkpointer {
    idle: Option<Checkpoint>,
    running: Option<(Sender<()>, JoinHandle<()>)>,
}

/// A checkpoint that fits the log.
pub(crate) struct Loaded {
    pub(crate) state: State,
    pub(crate) last_applied: LogId,
    pub(crate) membership: StoredMembership,
}

impl Checkpointer {
    /// Opens the checkpoint; one that the log does not know is left unused and will be replaced as a whole.
    pub(crate) fn open(
        folder: &Path,
        fits: impl Fn(&LogId) -> bool,
    ) -> io::Result<(Checkpointer, Option<Loaded>)> {
        let (mut checkpoint, stored) = Checkpoint::open(folder)?;
        let loaded = match stored {
            Some(stored) => load(stored.state, &stored.place).filter(|loaded| fits(&loaded.last_applied)),
            None => None,
        };
        if loaded.is_none() {
            checkpoint.discard();
        }
        Ok((
            Checkpointer {
                idle: Some(checkpoint),
                running: None,
            },
            loaded,
        ))
    }

    /// Starts storing what `unsaved` collects. With a `ledger`, what its journal has.
    pub(crate) fn run(
        &mut self,
        unsaved: Arc<Mutex<Unsaved>>,
        ledger: Option<Arc<Ledger>>,
    ) -> io::Result<()> {
        let Some(mut checkpoint) = self.idle.take() else {
            return Ok(());
        };
        let (stop, stopped) = channel::<()>();
        let thread = std::thread::Builder::new().name("checkpoint".to_owned()).spawn(move || {
            let mut rhythm = Rhythm::new(Instant::now());
            loop {
                let last = !matches!(stopped.recv_timeout(PAUSE), Err(RecvTimeoutError::Timeout));
                let started = Instant::now();
                if !last && !rhythm.is_due(started, applied(&unsaved)) {
                    continue;
                }
                match store(&mut checkpoint, &unsaved, ledger.as_deref()) {
                    Ok(stored) => rhythm.stored(stored, started.elapsed(), Instant::now()),
                    Err(error) => {
                        tracing::error!(%error, "the checkpoint cannot be written; the next start replays the log");
                        return;
                    }
                }
                if last {
                    return;
                }
            }
        })?;
        self.running = Some((stop, thread));
        Ok(())
    }

    /// Stores what is left and ends the thread.
    pub(crate) async fn stop(mut self) {
        if let Some((stop, thread)) = self.running.take() {
            drop(stop);
            let ended = tokio::task::spawn_blocking(move || thread.join()).await;
            if !matches!(ended, Ok(Ok(()))) {
                tracing::error!("the checkpoint thread panicked");
            }
        }
    }
}

/// When the next checkpoint is due.
#[derive(Debug)]
struct Rhythm {
    not_before: Instant,
    /// Index of the newest entry in the checkpoint.
    stored: u64,
}

impl Rhythm {
    fn new(now: Instant) -> Rhythm {
        Rhythm {
            not_before: now,
            stored: 0,
        }
    }

    fn is_due(&self, now: Instant, applied: u64) -> bool {
        now >= self.not_before || applied >= self.stored.saturating_add(ENTRIES_BEHIND_MAX)
    }

    fn stored(&mut self, index: Option<u64>, took: Duration, now: Instant) {
        self.stored = index.unwrap_or(self.stored);
        self.not_before = now + (took * PAUSE_PER_STORE).clamp(PAUSE, PAUSE_MAX);
    }
}

/// Index of the newest entry that waits to be stored; 0 if none does.
fn applied(unsaved: &Mutex<Unsaved>) -> u64 {
    let unsaved = unsaved.lock().unwrap_or_else(PoisonError::into_inner);
    unsaved
        .newest
        .as_ref()
        .map_or(0, |(_, last_applied, _)| last_applied.index)
}

/// Stores what waits; gives the index of its newest entry.
fn store(
    checkpoint: &mut Checkpoint,
    unsaved: &Mutex<Unsaved>,
    ledger: Option<&Ledger>,
) -> io::Result<Option<u64>> {
    let taken = std::mem::take(&mut *unsaved.lock().unwrap_or_else(PoisonError::into_inner));
    let Some((state, last_applied, membership)) = taken.newest else {
        return Ok(None);
    };
    if let Some(ledger) = ledger {
        // what the journal lacks is applied again after a crash, as long as no checkpoint is ahead of it
        ledger.wait_kept(last_applied.index, JOURNAL_WAIT_MAX);
    }
    let place = wire::snapshot_meta_to_wire(&SnapshotMeta {
        last_log_id: Some(last_applied),
        last_membership: membership,
    });
    let place = place.encode_to_vec();
    if taken.replaced {
        checkpoint.replace(&state, &place)?;
    } else {
        checkpoint.update(&state, &taken.changed, &place)?;
    }
    Ok(Some(last_applied.index))
}

/// A stored place that does not decode is a checkpoint in doubt.
fn load(state: State, place: &[u8]) -> Option<Loaded> {
    let meta = wire::snapshot_meta_from_wire(pb::SnapshotMeta::decode(place).ok()?).ok()?;
    let last_applied = meta.last_log_id.filter(|id| id.index == state.applied_index())?;
    Some(Loaded {
        state,
        last_applied,
        membership: meta.last_membership,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Snapshots;
    use crate::type_config::LeaderId;

    fn log_id(index: u64) -> LogId {
        LogId::new(LeaderId { term: 1, node_id: 1 }, index)
    }

    /// A quiet member stores every second; a busy one spends a twentieth of its time on it; none waits for ever.
    #[test]
    fn the_pause_grows_with_the_work() {
        let now = Instant::now();
        for (took_ms, pause_s) in [(3, 1), (400, 8), (60_000, 30)] {
            let mut rhythm = Rhythm::new(now);
            assert!(rhythm.is_due(now, 0));
            rhythm.stored(Some(7), Duration::from_millis(took_ms), now);
            let end = now + Duration::from_secs(pause_s);
            assert!(!rhythm.is_due(end - Duration::from_millis(1), 8), "{took_ms} ms");
            assert!(rhythm.is_due(end, 8), "{took_ms} ms");
        }
    }

    /// Below the snapshot the log keeps more entries; a checkpoint further behind would be of no use after a crash.
    #[test]
    fn many_entries_end_the_pause() {
        assert!(2 * ENTRIES_BEHIND_MAX <= Snapshots::default().entries_kept);
        let now = Instant::now();
        let mut rhythm = Rhythm::new(now);
        rhythm.stored(Some(500), Duration::from_secs(60), now);
        assert!(!rhythm.is_due(now, 500 + ENTRIES_BEHIND_MAX - 1));
        assert!(rhythm.is_due(now, 500 + ENTRIES_BEHIND_MAX));
        rhythm.stored(None, Duration::ZERO, now);
        assert_eq!(rhythm.stored, 500, "nothing was stored");
    }

    fn state_at(index: u64) -> State {
        let mut state = State::new();
        (1..=index).for_each(|index| state.skip(index));
        state
    }

    async fn store_state(folder: &Path, index: u64) {
        let (mut checkpointer, _) = Checkpointer::open(folder, |_| true).unwrap();
        let unsaved = Arc::new(Mutex::new(Unsaved::default()));
        checkpointer.run(Arc::clone(&unsaved), None).unwrap();
        unsaved.lock().unwrap().newest = Some((state_at(index), log_id(index), StoredMembership::default()));
        checkpointer.stop().await;
    }

    /// A stop stores what is left, so that the next start replays nothing.
    #[tokio::test]
    async fn a_stop_stores_the_newest_state() {
        let folder = tempfile::tempdir().unwrap();
        store_state(folder.path(), 7).await;
        let (_, loaded) = Checkpointer::open(folder.path(), |id| *id == log_id(7)).unwrap();
        assert_eq!(loaded.expect("it fits").state.digest(), state_at(7).digest());
    }

    /// A checkpoint ahead of the log would bring back what the cluster may have decided otherwise.
    #[tokio::test]
    async fn a_checkpoint_that_the_log_does_not_know_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        store_state(folder.path(), 7).await;
        let (_, loaded) = Checkpointer::open(folder.path(), |_| false).unwrap();
        assert!(loaded.is_none());
    }
}
