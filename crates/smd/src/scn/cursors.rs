//! How far each subscriber has been told, before the log remembers it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use proto::raft::v1::entry::Command;
use proto::smd::v1::SmdCommand;
use proto::smd::v1::smd_command::{AdvanceScnCursors, Change, ScnCursor};
use raft::Store;

/// Revisions by subscription: of those that have moved since they were last remembered.
#[derive(Debug, Default)]
pub(super) struct Cursors(Mutex<BTreeMap<u64, u64>>);

impl Cursors {
    /// A subscriber has been told everything up to `revision`.
    pub(super) fn told(&self, id: u64, revision: u64) {
        self.moved().insert(id, revision);
    }

    /// The others are gone, or told by another member.
    pub(super) fn keep(&self, wanted: &BTreeSet<u64>) {
        self.moved().retain(|id, _| wanted.contains(id));
    }

    /// One entry for all that have moved; none if none has. What the log does not take is told once more by the next
    /// leader, or remembered with the next entry.
    pub(super) async fn remember(&self, store: &Store, principal: &str) {
        let moved = self.moved().clone();
        if moved.is_empty() {
            return;
        }
        let cursor = |(id, told_revision): (&u64, &u64)| ScnCursor {
            id: *id,
            told_revision: *told_revision,
        };
        let advance = AdvanceScnCursors {
            cursors: moved.iter().map(cursor).collect(),
        };
        let change = Some(Change::AdvanceScnCursors(advance));
        let command = Command::Smd(SmdCommand { change });
        match store.propose(principal, command, None).await {
            Ok(_) => self.moved().retain(|id, told| moved.get(id) != Some(told)),
            Err(error) => tracing::warn!(%error, "how far subscribers were told is not remembered yet"),
        }
    }

    fn moved(&self) -> MutexGuard<'_, BTreeMap<u64, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
