//! The unpurged log in memory: replication and `apply` read it without touching the disk.

use std::collections::VecDeque;
use std::ops::{Bound, RangeBounds};

use crate::type_config::{Entry, LogId, Vote};
use openraft::entry::{EntryPayload, RaftEntry as _};

/// Bytes of commands that one append RPC carries, unless a single entry is larger.
const APPEND_BYTES_MAX: usize = 1 << 20;

/// What the write-ahead log holds, mirrored in memory. The snapshot policy bounds it: so many entries since the newest
/// snapshot and so many below it, and a number of bytes for all of them.
#[derive(Debug, Default)]
pub(crate) struct LogTail {
    pub(crate) vote: Option<Vote>,
    pub(crate) committed: Option<LogId>,
    pub(crate) purged: Option<LogId>,
    entries: VecDeque<Entry>,
    bytes: u64,
}

impl LogTail {
    pub(crate) fn last(&self) -> Option<LogId> {
        self.entries.back().map(|entry| entry.log_id).or(self.purged)
    }

    /// # Errors
    /// An index that does not follow the last one: a hole in the log.
    pub(crate) fn push(&mut self, entry: Entry) -> std::io::Result<()> {
        if let Some(last) = self.last()
            && entry.index() != last.index + 1
        {
            let text = format!("entry {} does not follow {}", entry.index(), last.index);
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, text));
        }
        self.bytes += command_bytes(&entry) as u64;
        self.entries.push_back(entry);
        Ok(())
    }

    /// Drops every entry after `last`.
    pub(crate) fn truncate_after(&mut self, last: Option<u64>) {
        while self
            .entries
            .back()
            .is_some_and(|entry| last.is_none_or(|last| entry.index() > last))
        {
            let dropped = self.entries.pop_back();
            self.forget(dropped);
        }
    }

    /// Drops every entry up to `upto`, itself included.
    pub(crate) fn purge(&mut self, upto: LogId) {
        while self
            .entries
            .front()
            .is_some_and(|entry| entry.index() <= upto.index)
        {
            let dropped = self.entries.pop_front();
            self.forget(dropped);
        }
        if self.purged.is_none_or(|purged| purged.index < upto.index) {
            self.purged = Some(upto);
        }
    }

    /// Bytes of the commands held here.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes of the commands held here that come after `index`.
    pub(crate) fn bytes_after(&self, index: u64) -> u64 {
        self.select(index + 1..)
            .map(|entry| command_bytes(entry) as u64)
            .sum()
    }

    fn forget(&mut self, dropped: Option<Entry>) {
        self.bytes -= dropped.map_or(0, |entry| command_bytes(&entry) as u64);
    }

    /// The entries of `range` that are there.
    pub(crate) fn range(&self, range: impl RangeBounds<u64>) -> Vec<Entry> {
        self.select(range).cloned().collect()
    }

    /// The entries from `start` on, at least one, within [`APPEND_BYTES_MAX`] and below `end`.
    pub(crate) fn limited_range(&self, start: u64, end: u64) -> Vec<Entry> {
        let mut bytes = 0;
        self.select(start..end)
            .take_while(|entry| {
                let fits = bytes == 0 || bytes + command_bytes(entry) <= APPEND_BYTES_MAX;
                bytes += command_bytes(entry).max(1);
                fits
            })
            .cloned()
            .collect()
    }

    fn select(&self, range: impl RangeBounds<u64>) -> impl Iterator<Item = &Entry> {
        let first = self.entries.front().map_or(0, |entry| entry.index());
        let start = match range.start_bound() {
            Bound::Included(start) => *start,
            Bound::Excluded(start) => start.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(end) => end.saturating_add(1),
            Bound::Excluded(end) => *end,
            Bound::Unbounded => u64::MAX,
        };
        let clamp = |index: u64| {
            usize::try_from(index.saturating_sub(first))
                .unwrap_or(usize::MAX)
                .min(self.entries.len())
        };
        let (from, to) = (clamp(start), clamp(end));
        self.entries.range(from..to.max(from))
    }
}

/// Bytes that an entry costs on the wire, roughly.
pub(crate) fn command_bytes(entry: &Entry) -> usize {
    match &entry.payload {
        EntryPayload::Normal(command) => command.0.len(),
        EntryPayload::Blank | EntryPayload::Membership(_) => 64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::type_config::{Command, LeaderId};

    fn log_id(index: u64) -> LogId {
        LogId::new(LeaderId { term: 1, node_id: 1 }, index)
    }

    fn entry(index: u64, bytes: usize) -> Entry {
        Entry {
            log_id: log_id(index),
            payload: EntryPayload::Normal(Command(vec![0; bytes].into())),
        }
    }

    fn tail(indexes: std::ops::RangeInclusive<u64>) -> LogTail {
        let mut tail = LogTail::default();
        indexes.for_each(|index| tail.push(entry(index, 10)).unwrap());
        tail
    }

    fn indexes(entries: &[Entry]) -> Vec<u64> {
        entries.iter().map(|entry| entry.index()).collect()
    }

    /// openraft checks only the last log id, so a hole must never get in.
    #[test]
    fn a_hole_is_refused() {
        let mut tail = tail(1..=3);
        assert!(tail.push(entry(5, 1)).is_err());
        assert!(tail.push(entry(3, 1)).is_err());
        assert!(tail.push(entry(4, 1)).is_ok());
    }

    #[test]
    fn ranges_give_what_is_there() {
        let mut tail = tail(1..=10);
        tail.purge(log_id(4));
        assert_eq!(indexes(&tail.range(..)), [5, 6, 7, 8, 9, 10]);
        assert_eq!(indexes(&tail.range(1..=6)), [5, 6]);
        assert_eq!(indexes(&tail.range(9..100)), [9, 10]);
        assert!(tail.range(20..30).is_empty());
    }

    /// After a snapshot from the leader the purge point may lie beyond the last entry.
    #[test]
    fn a_purge_beyond_the_end_moves_the_end() {
        let mut tail = tail(1..=3);
        tail.purge(log_id(9));
        assert_eq!(tail.last(), Some(log_id(9)));
        assert!(tail.push(entry(10, 1)).is_ok());
        tail.purge(log_id(5));
        assert_eq!(tail.purged, Some(log_id(9)));
    }

    /// The size that the snapshot policy goes by must not drift.
    #[test]
    fn bytes_follow_what_is_held() {
        let mut tail = tail(1..=10);
        assert_eq!(tail.bytes(), 100);
        tail.purge(log_id(4));
        tail.truncate_after(Some(8));
        assert_eq!(tail.bytes(), 40);
        tail.purge(log_id(20));
        assert_eq!(tail.bytes(), 0);
    }

    #[test]
    fn truncation_keeps_the_given_index() {
        let mut tail = tail(1..=5);
        tail.truncate_after(Some(3));
        assert_eq!(tail.last(), Some(log_id(3)));
        tail.truncate_after(None);
        assert_eq!(tail.last(), None);
    }

    /// An RPC that carries nothing would stall replication; one that carries all would break its limit.
    #[test]
    fn limited_ranges_are_bounded_and_never_empty() {
        let mut tail = LogTail::default();
        for index in 1..=5 {
            tail.push(entry(index, 2 * APPEND_BYTES_MAX / 5)).unwrap();
        }
        assert_eq!(indexes(&tail.limited_range(1, 6)), [1, 2]);
        tail.push(entry(6, 2 * APPEND_BYTES_MAX)).unwrap();
        assert_eq!(indexes(&tail.limited_range(6, 7)), [6]);
        assert_eq!(indexes(&tail.limited_range(2, 3)), [2]);
    }
}
