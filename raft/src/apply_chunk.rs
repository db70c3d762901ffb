//! Entries that are applied under one publication. A panic in one of them is a deterministic outcome, the same on every
//! member: the state stays as it was before that entry.
//!
//! One copy of the state is kept for a whole chunk: a copy for each entry would make every entry copy its way through
//! the shared trees again, which costs more than applying it. After a panic the entries before it are applied again.

use std::panic::{AssertUnwindSafe, catch_unwind};

use proto::raft::v1 as pb;
use state::{Applied, RowKey, State};

use crate::deed::Deed;
use crate::history::Revision;

/// What entries have touched.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Touched {
    /// Rows, some of them more than once.
    pub(crate) rows: Vec<RowKey>,
    /// What watches are told.
    pub(crate) revisions: Vec<Revision>,
    /// What a journal is told; `None` if nobody writes one.
    pub(crate) deeds: Option<Vec<Deed>>,
}

impl Touched {
    /// Nothing so far; with `deeds`, for a journal, too.
    pub(crate) fn with_deeds(deeds: bool) -> Touched {
        Touched {
            deeds: deeds.then(Vec::new),
            ..Touched::default()
        }
    }

    fn add(&mut self, index: u64, entry: &pb::Entry, state: &State, applied: &mut Applied) {
        self.tell(|| Deed::of(index, entry, state, applied));
        self.rows.append(&mut applied.changed);
        let events = std::mem::take(&mut applied.events);
        self.revisions.extend(Revision::of(index, entry, state, events));
    }

    /// Adds a deed for the journal, if there is one.
    pub(crate) fn tell(&mut self, deed: impl FnOnce() -> Deed) {
        if let Some(deeds) = &mut self.deeds {
            deeds.push(deed());
        }
    }
}

/// The chunk so far.
pub(crate) struct ApplyChunk {
    start: State,
    /// What was applied to `start`; `None` where only the index went on.
    done: Vec<(u64, Option<pb::Entry>)>,
}

impl ApplyChunk {
    /// A chunk that begins at `state`.
    pub(crate) fn new(state: &State) -> ApplyChunk {
        ApplyChunk {
            start: state.clone(),
            done: Vec::new(),
        }
    }

    /// Applies `entry`; what it touched is added to `touched`.
    pub(crate) fn apply(
        &mut self,
        state: &mut State,
        index: u64,
        entry: pb::Entry,
        touched: &mut Touched,
    ) -> pb::Outcome {
        self.apply_with(state, index, entry, touched, State::apply)
    }

    /// Lets the index go on for an entry that changes nothing.
    pub(crate) fn skip(&mut self, state: &mut State, index: u64) {
        state.skip(index);
        self.done.push((index, None));
    }

    /// [`ApplyChunk::apply`] with another way to apply.
    pub(crate) fn apply_with(
        &mut self,
        state: &mut State,
        index: u64,
        entry: pb::Entry,
        touched: &mut Touched,
        apply: impl Fn(&mut State, u64, &pb::Entry) -> Applied,
    ) -> pb::Outcome {
        match catch_unwind(AssertUnwindSafe(|| apply(state, index, &entry))) {
            Ok(mut applied) => {
                touched.add(index, &entry, state, &mut applied);
                self.done.push((index, Some(entry)));
                applied.outcome
            }
            Err(_) => {
                tracing::error!(
                    index,
                    "applying an entry panicked; it is kept in the log and changed nothing"
                );
                *state = self.again(apply);
                self.skip(state, index);
                touched.tell(|| Deed::of_bug(index, &entry, state));
                let detail = format!("entry {index} could not be applied; please report it");
                state::rejected(index, &model::Rejection::Bug { detail })
            }
        }
    }

    /// The state after what is done; all of it went well the first time, and `apply` is a pure function.
    fn again(&self, apply: impl Fn(&mut State, u64, &pb::Entry) -> Applied) -> State {
        let mut state = self.start.clone();
        for (index, entry) in &self.done {
            match entry {
                Some(entry) => drop(apply(&mut state, *index, entry)),
                None => state.skip(*index),
            }
        }
        state
    }
}

#[cfg(test)]
mod tests {
    use proto::bss::v1::{BootParametersEntry, BssCommand, bss_command};

    use super::*;

    fn entry(seq: u64) -> pb::Entry {
        let values = BootParametersEntry {
            params: format!("value {seq}"),
            ..Default::default()
        };
        let change = bss_command::Change::Replace(bss_command::Replace {
            keys: vec![format!("x0c0s0b0n{}", seq % 3)],
            values: Some(values),
        });
        pb::Entry {
            header: Some(pb::Header {
                session: Some(pb::ClientSession {
                    client_id: vec![1; 16],
                    seq,
                    ack_below: seq,
                    opened_at_ms: 1,
                }),
                proposed_at_ms: 1,
                random: vec![7; 16],
                ..Default::default()
            }),
            command: Some(pb::entry::Command::Bss(BssCommand { change: Some(change) })),
        }
    }

    /// Changes the state by half and panics, as a bug would.
    fn half_of_it(state: &mut State, index: u64, entry: &pb::Entry) -> Applied {
        let applied = state.apply(index, entry);
        assert!(index != 3, "a bug in entry 3");
        applied
    }

    /// Whatever the bug has left behind must be gone, and everything before it must be there, on every member.
    #[test]
    fn a_panic_leaves_the_state_as_if_the_entry_were_blank() {
        let mut expected = State::new();
        for index in [1, 2, 4] {
            if index == 4 {
                expected.skip(3);
            }
            expected.apply(index, &entry(index));
        }
        let mut state = State::new();
        let mut chunk = ApplyChunk::new(&state);
        let mut touched = Touched::with_deeds(true);
        for index in 1..=4 {
            let outcome = chunk.apply_with(&mut state, index, entry(index), &mut touched, half_of_it);
            let rejection = state::rejection(&outcome);
            let is_bug = matches!(rejection, Some(model::Rejection::Bug { .. }));
            assert_eq!(is_bug, index == 3, "{index}: {outcome:?}");
        }
        assert_eq!(state.digest(), expected.digest());
        assert_eq!(state.applied_index(), 4);
        let told: Vec<u64> = touched.revisions.iter().map(|revision| revision.index).collect();
        assert_eq!(told, [1, 2, 4], "watches hear nothing of what did not happen");
        let journal = touched.deeds.unwrap();
        let told: Vec<u64> = journal.iter().map(|deed| deed.index).collect();
        assert_eq!(told, [1, 2, 3, 4], "a journal has a line for it");
        assert!(matches!(journal[2].result, crate::deed::DeedResult::Rejected(_)));
        assert!(journal[2].touched.is_empty());
    }

    /// A chunk of many is the same as as many chunks of one.
    #[test]
    fn a_chunk_and_single_entries_give_the_same_state() {
        let (mut together, mut alone) = (State::new(), State::new());
        let mut chunk = ApplyChunk::new(&together);
        for index in 1..=20 {
            let mut touched = (Touched::default(), Touched::default());
            let one = chunk.apply(&mut together, index, entry(index), &mut touched.0);
            let other = ApplyChunk::new(&alone).apply(&mut alone, index, entry(index), &mut touched.1);
            assert_eq!((one, touched.0), (other, touched.1));
        }
        assert_eq!(together.digest(), alone.digest());
    }
}
