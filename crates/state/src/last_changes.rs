//! When the rows of each kind last changed: the revision of a list, for ETags. What is deleted leaves no trace in the
//! rows that stay, so it is kept beside them, in the header row.

use proto::raft::v1::{LastChange, StateHeader};

use crate::cluster::FEATURE_LEVEL_INVENTORY;
use crate::snapshot::SnapshotError;
use crate::{RowKey, RowKind};

/// From this level on it is part of the header row. Before that members may have begun at different snapshots, so that
/// they would not agree.
const FEATURE_LEVEL: u32 = FEATURE_LEVEL_INVENTORY;

/// By kind, in the order of [`RowKind::ALL`]; header and sessions, which nearly every entry changes, stay at 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LastChanges {
    since: u64,
    at: [u64; RowKind::ALL.len()],
}

impl Default for LastChanges {
    fn default() -> Self {
        LastChanges {
            since: 0,
            at: [0; RowKind::ALL.len()],
        }
    }
}

impl LastChanges {
    /// The entry at `index` changed these rows, which are sorted. `level_before` is the feature level before it, `level`
    /// the one after it.
    pub(crate) fn note(&mut self, index: u64, changed: &[RowKey], level_before: u32, level: u32) {
        if level < FEATURE_LEVEL {
            return;
        }
        if level_before < FEATURE_LEVEL {
            *self = LastChanges {
                since: index,
                ..LastChanges::default()
            };
        }
        let mut noted = None;
        for kind in changed.iter().map(RowKey::kind) {
            if noted.replace(kind) != Some(kind) && is_noted(kind) {
                self.at[place(kind)] = index;
            }
        }
    }

    /// The last change of a kind, or the first that was noted of any.
    pub(crate) fn of(&self, kind: RowKind) -> u64 {
        self.at[place(kind)].max(self.since)
    }

    /// As the header row has it.
    pub(crate) fn to_rows(self) -> (u64, Vec<LastChange>) {
        let noted = RowKind::ALL.into_iter().zip(self.at);
        let rows = noted
            .filter(|(_, revision)| *revision > 0)
            .map(|(kind, revision)| LastChange {
                kind: kind as u32,
                revision,
            });
        (self.since, rows.collect())
    }

    /// # Errors
    /// `Malformed` for what no `apply` wrote.
    pub(crate) fn of_header(header: &StateHeader) -> Result<LastChanges, SnapshotError> {
        let mut read = LastChanges {
            since: header.last_changes_since,
            ..LastChanges::default()
        };
        for LastChange { kind, revision } in &header.last_changes {
            let known = RowKind::of_number(*kind).filter(|kind| is_noted(*kind));
            let known = known.ok_or_else(|| malformed(format!("a last change of kind {kind}")))?;
            read.at[place(known)] = *revision;
        }
        if read.to_rows().1 != header.last_changes {
            return Err(malformed("last changes are not sorted by kind, each once"));
        }
        let latest = read.at.iter().copied().max().unwrap_or(0).max(read.since);
        if latest > header.applied_index || (latest > 0 && header.feature_level < FEATURE_LEVEL) {
            return Err(malformed(format!("a last change at {latest}")));
        }
        Ok(read)
    }
}

/// Whether all members of a cluster at `level` know of last changes.
pub(crate) fn are_known(level: u32) -> bool {
    level >= FEATURE_LEVEL
}

fn is_noted(kind: RowKind) -> bool {
    !matches!(kind, RowKind::Header | RowKind::Session)
}

fn place(kind: RowKind) -> usize {
    let found = RowKind::ALL.iter().position(|known| *known == kind);
    found.expect("every kind is one of all kinds")
}

fn malformed(problem: impl Into<String>) -> SnapshotError {
    SnapshotError::Malformed {
        kind: RowKind::Header,
        problem: problem.into(),
    }
}
