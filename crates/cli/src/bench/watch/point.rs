//! Figures of both sides, and the rows of the report that they make.

use bench::{Aim, Cost, Rounds, Row};

use super::super::figures::one;
use super::board::percentile_ms;
use super::load::Outcome;

/// Behind the commit, for 99 of 100 events, milliseconds.
const BEHIND_P99_MS_MAX: f64 = 5.0;

/// Figures of all rounds of one side.
#[derive(Default)]
pub(super) struct Figures {
    changes: Rounds,
    events: Rounds,
    behind_p50_ms: Rounds,
    behind_p99_ms: Rounds,
    after_request_p50_ms: Rounds,
    after_request_p99_ms: Rounds,
    cpu_micros: Rounds,
    /// Of the member that is watched, for each watcher.
    memory_kib: Rounds,
    idle_core_percent: Rounds,
    lost: u64,
    twice: u64,
    errors: u64,
}

/// Both sides.
#[derive(Default)]
pub(super) struct Point {
    pub(super) ours: Figures,
    pub(super) theirs: Figures,
}

impl Figures {
    /// What watchers cost before anything happened: bytes of the member for each, of the first round alone, because memory is
    /// used again; and CPU of all members over `seconds`.
    pub(super) fn resting(&mut self, bytes_each: f64, cost: Cost, seconds: f64) {
        if self.memory_kib.count() == 0 {
            self.memory_kib.add(bytes_each / 1024.0);
        }
        self.idle_core_percent
            .add(100.0 * cost.cpu.as_secs_f64() / seconds);
    }

    /// One load, and what it cost the members; `changes_made` counts those of the warm-up, too.
    pub(super) fn load(&mut self, outcome: &Outcome, cost: Cost, changes_made: u64) {
        let sum = &outcome.sum;
        let seconds = sum.seconds.max(f64::MIN_POSITIVE);
        self.changes.add(sum.changes as f64 / seconds);
        self.events.add(sum.events as f64 / seconds);
        self.behind_p50_ms.add(percentile_ms(&sum.behind, 50));
        self.behind_p99_ms.add(percentile_ms(&sum.behind, 99));
        self.after_request_p50_ms
            .add(percentile_ms(&sum.after_request, 50));
        self.after_request_p99_ms
            .add(percentile_ms(&sum.after_request, 99));
        self.cpu_micros.add(cost.micros_per(changes_made));
        self.lost += sum.lost;
        self.twice += sum.twice;
        self.errors += outcome.errors;
    }
}

impl Point {
    pub(super) fn rows(&self, peer: Option<&str>) -> Vec<Row> {
        let figures = |pick: fn(&Figures) -> &Rounds| (pick(&self.ours), peer.map(|_| pick(&self.theirs)));
        let beside = |row: Row| row.beside(peer.unwrap_or_default());
        let more = |name: &str, pick: fn(&Figures) -> &Rounds| {
            let (ours, theirs) = figures(pick);
            Row::more(name, "1/s", ours, theirs).map(beside)
        };
        let less = |name: &str, unit, pick: fn(&Figures) -> &Rounds| {
            let (ours, theirs) = figures(pick);
            Row::less(name, unit, ours, theirs).map(beside)
        };
        let none = |name: &str, ours: u64, theirs: u64| {
            let row = Row::less(name, "", &one(ours), peer.map(|_| one(theirs)).as_ref());
            row.map(|row| beside(row).aiming(Aim::Zero))
        };
        let (ours, theirs) = (&self.ours, &self.theirs);
        let rows = [
            more("changes", |figures| &figures.changes),
            more("events told", |figures| &figures.events),
            less("p50 behind the acknowledgement", "ms", |figures| {
                &figures.behind_p50_ms
            }),
            less("p99 behind the acknowledgement", "ms", |figures| {
                &figures.behind_p99_ms
            })
            .map(|row| row.aiming(Aim::Below(BEHIND_P99_MS_MAX))),
            less("p50 after the request", "ms", |figures| {
                &figures.after_request_p50_ms
            }),
            less("p99 after the request", "ms", |figures| {
                &figures.after_request_p99_ms
            }),
            less("CPU of the members per change", "us", |figures| {
                &figures.cpu_micros
            }),
            less(
                "CPU of the members while nothing changes",
                "% of a core",
                |figures| &figures.idle_core_percent,
            ),
            less("memory of the watched member per watcher", "KiB", |figures| {
                &figures.memory_kib
            }),
            none("events lost", ours.lost, theirs.lost),
            none("events told twice", ours.twice, theirs.twice),
            none("errors", ours.errors, theirs.errors),
        ];
        rows.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::board::Sum;
    use super::*;

    fn outcome(behind_ms: u64, lost: u64) -> Outcome {
        Outcome {
            sum: Sum {
                changes: 1000,
                seconds: 2.0,
                events: 20_000,
                behind: vec![behind_ms * 1000; 20_000],
                after_request: vec![behind_ms * 2000; 20_000],
                lost,
                twice: 0,
            },
            ..Outcome::default()
        }
    }

    fn cost(micros: u64) -> Cost {
        Cost {
            cpu: Duration::from_micros(micros),
            disk_bytes: 0,
        }
    }

    fn row<'a>(rows: &'a [Row], name: &str) -> &'a Row {
        rows.iter().find(|row| row.name == name).unwrap()
    }

    /// Quick events that leave some out are no figure.
    #[test]
    fn what_is_late_or_lost_misses_its_aim() {
        let mut point = Point::default();
        point.ours.load(&outcome(4, 0), cost(200_000), 1000);
        point.theirs.load(&outcome(6, 3), cost(400_000), 1000);
        let rows = point.rows(Some("etcd 3.4.23"));
        let late = row(&rows, "p99 behind the acknowledgement");
        assert_eq!((late.ours, late.peer, late.met), (4.0, Some(6.0), Some(true)));
        assert_eq!(row(&rows, "events told").ours, 10_000.0);
        assert_eq!(row(&rows, "CPU of the members per change").ratio, Some(2.0));
        assert_eq!(row(&rows, "events lost").peer, Some(3.0));
        point.ours.load(&outcome(9, 1), cost(0), 1000);
        point.ours.load(&outcome(9, 0), cost(0), 1000);
        let rows = point.rows(None);
        assert_eq!(row(&rows, "p99 behind the acknowledgement").met, Some(false));
        assert_eq!(row(&rows, "events lost").met, Some(false));
        assert!(rows.iter().all(|row| row.peer.is_none()));
    }

    /// Memory that was freed after a round is not taken from the system again in the next.
    #[test]
    fn memory_is_that_of_the_first_round() {
        let mut point = Point::default();
        point.ours.resting(10_240.0, cost(30_000), 3.0);
        point.ours.resting(0.0, cost(30_000), 3.0);
        let rows = point.rows(None);
        assert_eq!(row(&rows, "memory of the watched member per watcher").ours, 10.0);
        assert_eq!(row(&rows, "CPU of the members while nothing changes").ours, 1.0);
    }
}
