//! Rows become a state on one thread while another reads and decodes them: a start waits for the slower of the two. They
//! come a few at a time, so that all of them and the state are never in memory beside each other.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use proto::raft::v1::SnapshotRow;

/// Rows that are handed over at once.
const ROWS_PER_BATCH: usize = 256;
/// Batches that wait to be taken.
const BATCHES_MAX: usize = 16;

/// What `build` makes of `rows`, which are read on a thread of their own up to their first error.
///
/// # Errors
/// The first error among the rows.
pub(crate) fn build<T, E: Send>(
    rows: impl Iterator<Item = Result<SnapshotRow, E>> + Send,
    build: impl FnOnce(&mut dyn Iterator<Item = SnapshotRow>) -> T,
) -> Result<T, E> {
    let (batches, taken) = sync_channel(BATCHES_MAX);
    thread::scope(|scope| {
        let reader = scope.spawn(move || read(rows.fuse(), &batches));
        let built = build(&mut in_order(taken));
        match reader.join() {
            Ok(Ok(())) => Ok(built),
            Ok(Err(error)) => Err(error),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

fn in_order(batches: Receiver<Vec<SnapshotRow>>) -> impl Iterator<Item = SnapshotRow> {
    batches.into_iter().flatten()
}

fn read<E>(
    mut rows: impl Iterator<Item = Result<SnapshotRow, E>>,
    batches: &SyncSender<Vec<SnapshotRow>>,
) -> Result<(), E> {
    loop {
        let batch: Vec<SnapshotRow> = rows.by_ref().take(ROWS_PER_BATCH).collect::<Result<_, E>>()?;
        if batch.is_empty() || batches.send(batch).is_err() {
            return Ok(()); // the last one, or `build` has seen enough
        }
    }
}

#[cfg(test)]
mod tests {
    use proto::raft::v1::StateHeader;
    use proto::raft::v1::snapshot_row::Row;

    use super::*;

    fn row(index: u64) -> SnapshotRow {
        let header = StateHeader {
            applied_index: index,
            ..StateHeader::default()
        };
        SnapshotRow {
            row: Some(Row::Header(header)),
        }
    }

    fn collected(
        rows: impl Iterator<Item = Result<SnapshotRow, u64>> + Send,
    ) -> Result<Vec<SnapshotRow>, u64> {
        build(rows, |rows| rows.collect())
    }

    /// A file says that it ends early when it is asked beyond its end.
    #[test]
    fn nobody_asks_beyond_the_end() {
        for count in [0, 1, ROWS_PER_BATCH as u64, 1000] {
            let mut asked = 0;
            let rows = std::iter::from_fn(|| {
                asked += 1;
                assert!(asked <= count + 1);
                (asked <= count).then(|| Ok(row(asked)))
            });
            assert_eq!(collected(rows).unwrap().len() as u64, count);
        }
    }

    #[test]
    fn rows_come_in_their_order_and_all_of_them() {
        let many = 3 * (ROWS_PER_BATCH * BATCHES_MAX) as u64 + 7;
        let found = collected((0..many).map(|index| Ok(row(index)))).unwrap();
        assert!(found.into_iter().eq((0..many).map(row)));
        assert_eq!(collected(std::iter::empty()), Ok(Vec::new()));
    }

    /// What was built of the rows before it is no state.
    #[test]
    fn the_first_error_counts() {
        for at in [0, 1, ROWS_PER_BATCH as u64, 10_000] {
            let rows = (0..20_000).map(|index| if index < at { Ok(row(index)) } else { Err(index) });
            assert_eq!(collected(rows), Err(at));
        }
    }

    /// A row in the middle may be one too many for a state: nobody waits for the rest.
    #[test]
    fn a_build_that_stops_early_ends_the_reading() {
        let first = build((0..u64::MAX).map(|index| Ok::<_, u64>(row(index))), |rows| {
            rows.next()
        });
        assert_eq!(first, Ok(Some(row(0))));
    }
}
