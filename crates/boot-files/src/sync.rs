//! In the background: this member gets what the catalogue names and it lacks, and lets go of what nobody names.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::time::Duration;

use futures::{FutureExt as _, StreamExt as _};
use model::Sha256;
use tokio::time::Instant;

use crate::error::on_disk;
use crate::{BootFiles, holders};

/// Least pause between two looks at the catalogue, however much else changes.
const LOOK_PAUSE: Duration = Duration::from_millis(500);
/// Longest pause: what could not be fetched is tried again, and hand-dropped files are hashed.
const IDLE_AT_MOST: Duration = Duration::from_secs(5);
/// Contents fetched at once.
const AT_ONCE_MAX: usize = 2;

impl BootFiles {
    /// Works until `stop` completes.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        tokio::select! {
            () = stop => {}
            () = self.follow_catalogue() => {}
            () = self.hash_dropped() => {}
        }
    }

    async fn follow_catalogue(&self) {
        loop {
            let applied = self.0.store.state().applied_index();
            self.bring_up_to_date().await;
            tokio::time::sleep(LOOK_PAUSE).await;
            self.0.store.wait_for(applied + 1, IDLE_AT_MOST).await;
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

    /// One look at the catalogue and all that follows from it; how many contents are still missing then.
    pub async fn bring_up_to_date(&self) -> usize {
        let named = self.named();
        // Before it has heard from a leader this member's catalogue may be too old to throw anything away.
        if self.0.store.is_verified() {
            let (contents, named) = (self.0.contents.clone(), named.keys().copied().collect());
            match on_disk(move || contents.remove_unnamed(&named, Instant::now())).await {
                Ok(0) => {}
                Ok(removed) => {
                    tracing::info!(removed, "contents that no boot file names any more were removed")
                }
                Err(error) => tracing::warn!(%error, "contents without a name could not be removed"),
            }
        }
        let missing: BTreeMap<Sha256, u64> = named
            .into_iter()
            .filter(|(sha256, size)| !self.0.contents.has(sha256, *size))
            .collect();
        if missing.is_empty() {
            return 0;
        }
        let wanted: BTreeSet<Sha256> = missing.keys().copied().collect();
        let holding = holders::ask(&(self.0.members)().others, &wanted).await;
        let mut fetches = Vec::new();
        for (sha256, size) in &missing {
            let ids = holding.get(sha256).cloned().unwrap_or_default();
            fetches.push(self.clone().bring_here(*sha256, *size, ids).boxed());
        }
        futures::stream::iter(fetches)
            .buffer_unordered(AT_ONCE_MAX)
            .collect::<()>()
            .await;
        missing
            .iter()
            .filter(|(sha256, size)| !self.0.contents.has(sha256, **size))
            .count()
    }

    async fn bring_here(self, sha256: Sha256, size: u64, ids: Vec<u64>) {
        match self.fetch_from(sha256, size, &ids).await {
            Ok(()) => tracing::info!(%sha256, size, "fetched"),
            Err(error) => tracing::warn!(%sha256, size, %error, "a boot file is missing here"),
        }
    }
}
