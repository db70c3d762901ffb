//! Random commands, restarts and purges against a model of ten lines.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Append { count: u64, bytes: usize },
    Vote(u8),
    Committed(u8),
    Truncate { back: u64 },
    Purge { ahead: u64 },
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (1..20u64, 0..3000usize).prop_map(|(count, bytes)| Step::Append { count, bytes }),
        2 => any::<u8>().prop_map(Step::Vote),
        1 => any::<u8>().prop_map(Step::Committed),
        2 => (0..30u64).prop_map(|back| Step::Truncate { back }),
        2 => (0..40u64).prop_map(|ahead| Step::Purge { ahead }),
        2 => Just(Step::Restart),
    ];
    proptest::collection::vec(step, 1..40)
}

/// What the log should hold.
#[derive(Default)]
struct Model {
    vote: Option<Bytes>,
    committed: Option<Bytes>,
    purged: Option<Mark>,
    entries: BTreeMap<u64, Bytes>,
    next: u64,
}

impl Model {
    fn expected(&self) -> Recovered {
        let records = self.entries.iter().map(|(index, payload)| Record {
            index: *index,
            payload: payload.clone(),
        });
        Recovered {
            vote: self.vote.clone(),
            committed: self.committed.clone(),
            purged: self.purged.clone(),
            entries: records.collect(),
            cut_off_bytes: 0,
        }
    }

    /// First index that is not purged.
    fn first(&self) -> u64 {
        self.purged.as_ref().map_or(0, |mark| mark.index + 1)
    }
}

fn run(wal: &Wal, model: &mut Model, step: &Step) -> Option<Receiver<io::Result<()>>> {
    let (done, receive) = answer();
    match step {
        Step::Append { count, bytes } => {
            let new = records(model.next..model.next + count, *bytes);
            model
                .entries
                .extend(new.iter().map(|record| (record.index, record.payload.clone())));
            model.next += count;
            wal.append(new, done);
        }
        Step::Vote(vote) => {
            model.vote = Some(Bytes::copy_from_slice(&[*vote]));
            wal.save_vote(Bytes::copy_from_slice(&[*vote]), done);
        }
        Step::Committed(committed) => {
            model.committed = Some(Bytes::copy_from_slice(&[*committed]));
            wal.save_committed(Bytes::copy_from_slice(&[*committed]));
            return None;
        }
        Step::Truncate { back } => {
            model.next = model.next.saturating_sub(*back).max(model.first());
            model.entries.split_off(&model.next);
            wal.truncate_after(model.next.checked_sub(1), done);
        }
        Step::Purge { ahead } => {
            let mark = mark(model.first() + ahead);
            model.entries = model.entries.split_off(&(mark.index + 1));
            model.next = model.next.max(mark.index + 1);
            model.purged = Some(mark.clone());
            wal.purge(mark, done);
        }
        Step::Restart => return None,
    }
    Some(receive)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    /// Pipelined commands, restarts anywhere: the log holds what the model holds, in memory's terms
    /// and on disk.
    #[test]
    fn the_log_agrees_with_the_model(steps in steps()) {
        let dir = tempfile::tempdir().unwrap();
        let mut model = Model::default();
        let (mut wal, recovered) = open(dir.path()).unwrap();
        prop_assert_eq!(recovered, model.expected());
        let mut pending = Vec::new();
        for step in steps.iter().chain([&Step::Restart]) {
            pending.extend(run(&wal, &mut model, step));
            if matches!(step, Step::Restart) {
                drop(wal);
                for answer in pending.drain(..) {
                    wait(&answer).unwrap();
                }
                let (reopened, recovered) = open(dir.path()).unwrap();
                prop_assert_eq!(&recovered, &model.expected());
                let live = model.next - model.entries.len() as u64..model.next;
                prop_assert_eq!(reopened.read(live).unwrap(), recovered.entries);
                wal = reopened;
            }
        }
    }
}
