//! What several benchmarks make of what they have counted.

use std::fmt::Display;

use bench::{Aim, Cost, Load, Rounds, Row, etcd};

use super::servers::Servers;
use crate::error::{CliError, Kind};

/// Figures of all rounds with one kind of load.
#[derive(Debug, Default)]
pub(crate) struct LoadFigures {
    pub(crate) rate: Rounds,
    pub(crate) p50_ms: Rounds,
    pub(crate) p99_ms: Rounds,
    /// Of the members, for each answer.
    pub(crate) cpu_micros: Rounds,
    pub(crate) disk_bytes: Rounds,
    pub(crate) errors: u64,
}

impl LoadFigures {
    /// One round, and what it cost the members.
    pub(crate) fn add(&mut self, load: &Load, cost: Cost) {
        self.rate.add(load.rate());
        self.p50_ms.add(load.percentile_ms(50));
        self.p99_ms.add(load.percentile_ms(99));
        self.cpu_micros.add(cost.micros_per(load.answered));
        self.disk_bytes.add(cost.disk_bytes_per(load.answered));
        self.errors += load.errors;
    }
}

/// One load for people: `what: 20000/s, p50 …`.
pub(crate) fn load_line(what: impl Display, load: &Load) -> String {
    let error = load.first_error.as_ref();
    let error = error.map(|error| format!(", the first: {error}"));
    format!(
        "{what}: {:.0}/s, p50 {:.2} ms, p99 {:.2} ms, {} errors{}",
        load.rate(),
        load.percentile_ms(50),
        load.percentile_ms(99),
        load.errors,
        error.unwrap_or_default()
    )
}

/// A figure of the whole run.
pub(crate) fn one(figure: u64) -> Rounds {
    let mut rounds = Rounds::default();
    rounds.add(figure as f64);
    rounds
}

/// What was added to a count that only grows, unless a server began again.
pub(crate) fn added(what: &str, before: u64, after: u64) -> Result<u64, CliError> {
    after
        .checked_sub(before)
        .ok_or_else(|| CliError::new(Kind::Other, format!("{what} went from {before} back to {after}")))
}

/// Bytes as MiB.
pub(crate) fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// How often leadership has changed so far. What changes it while something is measured is in the figures.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Elections {
    /// Our term: an election raises it.
    term: u64,
    /// etcd's changes of its leader, if it is looked at.
    changes: Option<u64>,
}

impl Elections {
    pub(crate) async fn so_far(ours: &Servers, theirs: Option<&etcd::Cluster>) -> Result<Self, CliError> {
        let changes = match theirs {
            Some(cluster) => Some(cluster.counts().await?.leader_changes),
            None => None,
        };
        let term = ours.counts().await?.term;
        Ok(Self { term, changes })
    }

    /// The row of those that came after `before`; none is aimed at.
    pub(crate) fn row(self, before: Self, peer: Option<&str>) -> Result<Option<Row>, CliError> {
        let ours = one(added("our term", before.term, self.term)?);
        let theirs = match (before.changes, self.changes) {
            (Some(before), Some(after)) => Some(one(added("etcd's count of leaders", before, after)?)),
            (None, _) | (_, None) => None,
        };
        let row = Row::less("unplanned elections", "", &ours, theirs.as_ref());
        Ok(row.map(|row| row.beside(peer.unwrap_or_default()).aiming(Aim::Zero)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Figures that an election is in are not those of a cluster that works.
    #[test]
    fn an_election_misses_its_aim_and_a_count_that_falls_is_an_error() {
        let at = |term, changes| Elections { term, changes };
        let quiet = at(4, Some(1))
            .row(at(4, Some(1)), Some("etcd 3.4.23"))
            .unwrap()
            .unwrap();
        assert_eq!((quiet.ours, quiet.peer, quiet.met), (0.0, Some(0.0), Some(true)));
        let elected = at(6, None).row(at(4, None), None).unwrap().unwrap();
        assert_eq!(
            (elected.ours, elected.peer, elected.met),
            (2.0, None, Some(false))
        );
        assert!(at(3, None).row(at(4, None), None).is_err());
    }

    #[test]
    fn a_mebibyte_is_one() {
        assert_eq!(mib(3 << 19), 1.5);
    }
}
