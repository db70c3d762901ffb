//! A watch: every change of this member's state after a revision, in order, each once. A watch pulls what it has not
//! seen from the history, so one that is slow holds up nobody and has no queue that could grow.

use std::sync::Arc;

use rpc::Error;
use state::Event;
use tokio::sync::watch;

use crate::history::{Compacted, Page, Revision};
use crate::published::Published;

/// One watcher's place in the history.
#[derive(Debug)]
pub struct Watch {
    published: Arc<Published>,
    told: watch::Receiver<u64>,
    revision: u64,
}

impl Watch {
    /// A watch of what comes after `revision`, which this member has applied.
    pub(crate) fn after(revision: u64, published: Arc<Published>) -> Result<Watch, Error> {
        let told = published.subscribe_watch();
        published.history().after(revision).map_err(compacted)?;
        Ok(Watch {
            published,
            told,
            revision,
        })
    }

    /// Everything up to here has been given.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The next revisions with changes, oldest first, at most 256; waits until there is something new. None, if the
    /// revision has moved on without a change. The state that readers see has them. Cancelling loses nothing.
    ///
    /// # Errors
    /// `Compacted` for a watch that was too slow, or after this member was caught up by a snapshot.
    pub async fn next(&mut self) -> Result<Vec<Arc<Revision>>, Error> {
        loop {
            self.told.mark_unchanged();
            // The history is written first. Who is told of a change asks what it means of the state, which must have it.
            let shown = self.published.applied();
            let page = self.published.history().after_until(self.revision, shown);
            let Page { revisions, upto } = page.map_err(compacted)?;
            if upto > self.revision {
                self.revision = upto;
                return Ok(revisions);
            }
            if self.told.changed().await.is_err() {
                return Err(Error::Internal(
                    "nobody tells watches of changes any more".to_owned(),
                ));
            }
        }
    }

    /// The first change that this watch will give for which `is_meant` finds something, among those that were applied
    /// by now.
    ///
    /// # Errors
    /// As [`Watch::next`].
    pub fn find_ahead<T>(&self, is_meant: impl Fn(&Event) -> Option<T>) -> Result<Option<T>, Error> {
        let mut from = self.revision;
        loop {
            let Page { revisions, upto } = self.published.history().after(from).map_err(compacted)?;
            let found = revisions
                .iter()
                .find_map(|revision| revision.events.iter().find_map(&is_meant));
            if found.is_some() || upto <= from {
                return Ok(found);
            }
            from = upto;
        }
    }
}

fn compacted(Compacted { oldest }: Compacted) -> Error {
    Error::Compacted { oldest }
}
