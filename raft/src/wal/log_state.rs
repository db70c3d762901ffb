//! What the log says when read from front to back: the rules, without bytes or files.

use std::ops::Range;

use bytes::Bytes;

use super::batch::FieldReader;
use super::record::Kind;
use super::{Mark, Record};

/// One change of the log; one record on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Entry(Record),
    Vote(Bytes),
    Committed(Bytes),
    /// Entries from this index on are gone.
    Truncate(u64),
    Purge(Mark),
}

impl Change {
    /// Kind, index and payload of the record.
    pub(super) fn as_record(&self) -> (Kind, u64, &[u8]) {
        match self {
            Change::Entry(record) => (Kind::Entry, record.index, &record.payload),
            Change::Vote(vote) => (Kind::Vote, 0, vote),
            Change::Committed(committed) => (Kind::Committed, 0, committed),
            Change::Truncate(from) => (Kind::Truncate, *from, &[]),
            Change::Purge(mark) => (Kind::Purge, mark.index, &mark.log_id),
        }
    }

    /// The change that a record means; `None` for a checkpoint, which is no change.
    pub(super) fn from_record(kind: Kind, index: u64, payload: &[u8]) -> Option<Change> {
        let payload = Bytes::copy_from_slice(payload);
        match kind {
            Kind::Checkpoint => None,
            Kind::Entry => Some(Change::Entry(Record { index, payload })),
            Kind::Vote => Some(Change::Vote(payload)),
            Kind::Committed => Some(Change::Committed(payload)),
            Kind::Truncate => Some(Change::Truncate(index)),
            Kind::Purge => Some(Change::Purge(Mark {
                index,
                log_id: payload,
            })),
        }
    }
}

/// Everything the log knows except the entries' payloads. Each segment begins with one, so that
/// the segments before it can go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct LogState {
    pub(super) vote: Option<Bytes>,
    pub(super) committed: Option<Bytes>,
    pub(super) purged: Option<Mark>,
    /// Indexes of the entries that count: neither purged nor truncated.
    pub(super) live: Range<u64>,
}

impl LogState {
    /// Takes in one change.
    ///
    /// # Errors
    /// An entry that does not follow the last one; the state is then as before.
    pub(super) fn apply(&mut self, change: &Change) -> Result<(), String> {
        match change {
            Change::Entry(record) => self.append(record.index)?,
            Change::Vote(vote) => self.vote = Some(vote.clone()),
            Change::Committed(committed) => self.committed = Some(committed.clone()),
            Change::Truncate(from) => self.live.end = self.live.end.min((*from).max(self.live.start)),
            Change::Purge(mark) => self.purge(mark),
        }
        Ok(())
    }

    fn append(&mut self, index: u64) -> Result<(), String> {
        if self.live.is_empty() && self.purged.is_none() {
            self.live = index..index; // an empty log may start anywhere
        }
        if index != self.live.end {
            return Err(format!(
                "entry {index} does not follow; the next index is {}",
                self.live.end
            ));
        }
        self.live.end = index.checked_add(1).ok_or("the last index is reached")?;
        Ok(())
    }

    /// A purge above the last entry (a snapshot was installed) empties the log; one below an
    /// earlier purge changes nothing.
    fn purge(&mut self, mark: &Mark) {
        if self
            .purged
            .as_ref()
            .is_some_and(|purged| purged.index > mark.index)
        {
            return;
        }
        self.live.start = self.live.start.max(mark.index.saturating_add(1));
        self.live.end = self.live.end.max(self.live.start);
        if self.live.is_empty() {
            self.live = mark.index.saturating_add(1)..mark.index.saturating_add(1);
        }
        self.purged = Some(mark.clone());
    }

    /// The payload of a checkpoint record.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        put_optional(&mut bytes, self.vote.as_ref());
        put_optional(&mut bytes, self.committed.as_ref());
        put_optional(&mut bytes, self.purged.as_ref().map(|mark| &mark.log_id));
        bytes.extend_from_slice(&self.purged.as_ref().map_or(0, |mark| mark.index).to_le_bytes());
        bytes.extend_from_slice(&self.live.start.to_le_bytes());
        bytes.extend_from_slice(&self.live.end.to_le_bytes());
        bytes
    }

    /// The inverse of [`LogState::encode`]; `None` for anything else.
    pub(super) fn decode(payload: &[u8]) -> Option<LogState> {
        let mut fields = FieldReader(payload);
        let vote = take_optional(&mut fields)?;
        let committed = take_optional(&mut fields)?;
        let log_id = take_optional(&mut fields)?;
        let index = fields.u64()?;
        let live = fields.u64()?..fields.u64()?;
        let purged = log_id.map(|log_id| Mark { index, log_id });
        fields.0.is_empty().then_some(LogState {
            vote,
            committed,
            purged,
            live,
        })
    }
}

fn put_optional(bytes: &mut Vec<u8>, value: Option<&Bytes>) {
    let length = value.map_or(u64::MAX, |value| value.len() as u64);
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(value.map_or(&[], |value| value));
}

fn take_optional(fields: &mut FieldReader<'_>) -> Option<Option<Bytes>> {
    match fields.u64()? {
        u64::MAX => Some(None),
        length => Some(Some(Bytes::copy_from_slice(
            fields.bytes(usize::try_from(length).ok()?)?,
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(index: u64) -> Change {
        Change::Entry(Record {
            index,
            payload: Bytes::from_static(b"e"),
        })
    }

    fn purge(index: u64) -> Change {
        Change::Purge(Mark {
            index,
            log_id: Bytes::from_static(b"id"),
        })
    }

    fn after(changes: &[Change]) -> LogState {
        let mut state = LogState::default();
        for change in changes {
            state.apply(change).unwrap();
        }
        state
    }

    #[test]
    fn an_empty_log_starts_anywhere_and_then_has_no_gaps() {
        let mut state = after(&[entry(5), entry(6)]);
        assert_eq!(state.live, 5..7);
        let before = state.clone();
        assert!(state.apply(&entry(8)).is_err());
        assert!(state.apply(&entry(6)).is_err());
        assert_eq!(state, before);
    }

    #[test]
    fn truncation_takes_the_end_and_never_reaches_below_the_purge_mark() {
        assert_eq!(
            after(&[entry(1), entry(2), entry(3), Change::Truncate(2)]).live,
            1..2
        );
        assert_eq!(after(&[entry(1), Change::Truncate(9)]).live, 1..2);
        assert_eq!(
            after(&[entry(1), entry(2), entry(3), purge(2), Change::Truncate(0)]).live,
            3..3
        );
    }

    #[test]
    fn a_purge_beyond_the_end_moves_the_log_to_the_snapshot() {
        let mut state = after(&[entry(1), entry(2), purge(100)]);
        assert_eq!(state.live, 101..101);
        assert!(state.apply(&entry(3)).is_err());
        state.apply(&entry(101)).unwrap();
        state.apply(&purge(50)).unwrap();
        assert_eq!((state.live, state.purged.unwrap().index), (101..102, 100));
    }

    #[test]
    fn a_checkpoint_reads_back_as_written_and_nothing_else_passes() {
        let vote = Change::Vote(Bytes::from_static(b"v"));
        for state in [LogState::default(), after(&[entry(1), entry(2), purge(1), vote])] {
            let bytes = state.encode();
            assert_eq!(LogState::decode(&bytes), Some(state));
            assert_eq!(LogState::decode(&bytes[..bytes.len() - 1]), None);
            assert_eq!(LogState::decode(&[&bytes[..], &[0]].concat()), None);
        }
    }
}
