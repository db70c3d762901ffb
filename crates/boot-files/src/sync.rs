//! In the background: this member gets what the catalogue names and it lacks, reads what it found when it started, and
//! lets go of what nobody names.

use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;

use model::Sha256;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::error::on_disk;
use crate::{BootFiles, holders};

/// Least pause between two looks at the catalogue, however much else changes.
const LOOK_PAUSE: Duration = Duration::from_millis(500);
/// Longest pause: what could not be fetched is tried again, and hand-dropped files are hashed.
const IDLE_AT_MOST: Duration = Duration::from_secs(5);
/// Contents fetched at once.
const AT_ONCE_MAX: usize = 2;

/// Fetches that are under way, or wait for their turn: at most one for each content that the catalogue names.
#[derive(Default)]
struct UnderWay {
    contents: BTreeSet<Sha256>,
    tasks: JoinSet<Sha256>,
}

impl BootFiles {
    /// Works until `stop` completes.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        tokio::select! {
            () = stop => {}
            () = self.follow_catalogue() => {}
            () = self.hash_dropped() => {}
            () = self.verify_contents() => {}
        }
    }

    /// A fetch may take hours; the catalogue is looked at all the time.
    async fn follow_catalogue(&self) {
        let mut under_way = UnderWay::default();
        loop {
            let applied = self.0.store.state().applied_index();
            self.remove_unnamed(Instant::now()).await;
            self.fetch_missing(&mut under_way).await;
            tokio::time::sleep(LOOK_PAUSE).await;
            self.0.store.wait_for(applied + 1, IDLE_AT_MOST).await;
            under_way.note_ended();
        }
    }

    async fn hash_dropped(&self) {
        loop {
            let dropped = self.0.dropped.clone();
            if let Err(error) = on_disk(move || dropped.scan()).await {
                tracing::warn!(%error, "the folder of boot files cannot be read");
            }
            tokio::time::sleep(IDLE_AT_MOST).await;
        }
    }

    /// Reads every content that this member has found when it started: a disk may give back other bytes than it took.
    async fn verify_contents(&self) {
        for sha256 in self.0.contents.unverified() {
            let contents = self.0.contents.clone();
            if let Err(error) = on_disk(move || contents.check(&sha256)).await {
                tracing::warn!(%sha256, %error, "a content could not be read");
            }
        }
        std::future::pending().await
    }

    /// One look at the catalogue and all that follows from it; how many contents are still missing then.
    pub async fn bring_up_to_date(&self) -> usize {
        let mut under_way = UnderWay::default();
        self.remove_unnamed(Instant::now()).await;
        self.fetch_missing(&mut under_way).await;
        while under_way.tasks.join_next().await.is_some() {}
        self.missing().len()
    }

    /// Removes what nobody has wanted for long at `now`.
    async fn remove_unnamed(&self, now: Instant) {
        let named = || self.named().into_keys().collect::<BTreeSet<_>>();
        if !self.0.contents.want(&named(), now) {
            return;
        }
        // A member that was cut off may have missed that a content, for which it was counted, was named at last.
        if let Err(error) = self.0.store.linearize().await {
            tracing::debug!(%error, "contents without a name stay");
            return;
        }
        let (contents, named) = (self.0.contents.clone(), named());
        match on_disk(move || contents.remove_unnamed(&named, now)).await {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "contents that no boot file names any more were removed"),
            Err(error) => tracing::warn!(%error, "contents without a name could not be removed"),
        }
    }

    /// Begins to fetch what is missing and not under way.
    async fn fetch_missing(&self, under_way: &mut UnderWay) {
        let mut missing = self.missing();
        missing.retain(|sha256, _| !under_way.contents.contains(sha256));
        if missing.is_empty() {
            return;
        }
        let wanted: BTreeSet<Sha256> = missing.keys().copied().collect();
        let holding = holders::ask(&(self.0.members)().others, &wanted).await;
        for (sha256, size) in missing {
            let ids = holding.get(&sha256).cloned().unwrap_or_default();
            under_way.contents.insert(sha256);
            under_way.tasks.spawn(self.clone().bring_here(sha256, size, ids));
        }
    }

    async fn bring_here(self, sha256: Sha256, size: u64, ids: Vec<u64>) -> Sha256 {
        let _turn = self.0.turns.acquire().await;
        match self.fetch_from(sha256, size, &ids).await {
            Ok(()) => tracing::info!(%sha256, size, "fetched"),
            Err(error) => tracing::warn!(%sha256, size, %error, "a boot file is missing here"),
        }
        sha256
    }
}

impl UnderWay {
    fn note_ended(&mut self) {
        while let Some(ended) = self.tasks.try_join_next() {
            if let Ok(sha256) = ended {
                self.contents.remove(&sha256);
            }
        }
        if self.tasks.is_empty() {
            self.contents.clear(); // of one that panicked, too
        }
    }
}

/// Turns of the fetches of one member.
pub(crate) fn turns() -> Semaphore {
    Semaphore::new(AT_ONCE_MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use raft::Store;
    use state::State;

    use super::*;
    use crate::content_changes::tests::{names, stored};
    use crate::{Members, Options, Roster, UNNAMED_AT_MOST};

    fn alone(dir: &std::path::Path, store: Store) -> BootFiles {
        let members: Members = Arc::new(|| Roster {
            own_is_voter: true,
            others: Vec::new(),
        });
        BootFiles::open(dir, 1, store, members, Options::leaving(0)).unwrap()
    }

    /// A member that was cut off right after it was counted for a content has not heard that it was named.
    #[tokio::test]
    async fn a_member_without_a_majority_removes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let cut_off = alone(dir.path(), Store::in_memory_without_majority(State::new()));
        stored(&cut_off.0.contents, b"kernel");
        let later = Instant::now() + UNNAMED_AT_MOST;
        cut_off.remove_unnamed(later).await;
        assert_eq!(names(dir.path()).len(), 1);
        alone(dir.path(), Store::in_memory())
            .remove_unnamed(later + UNNAMED_AT_MOST)
            .await;
        assert!(names(dir.path()).is_empty());
    }
}
