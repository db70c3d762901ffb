//! Figures of both sides for one kind of read, and the rows of the report that they make.

use bench::{Aim, Cost, Load, Rounds, Row};

/// How many times etcd's rate is aimed at.
const RATE_AIM: f64 = 2.0;
/// How many times our CPU time per read etcd's is to be.
const CPU_AIM: f64 = 2.0;
/// From so many clients on that counts: with one client both wait for the network most of the time.
const MANY_CLIENTS: u32 = 64;

/// Which member is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Leader,
    Follower,
}

/// Figures of all rounds of one side.
#[derive(Default)]
pub(super) struct Side {
    rate: Rounds,
    p50_ms: Rounds,
    p99_ms: Rounds,
    cpu_micros: Rounds,
    errors: u64,
}

/// Both sides with one number of clients, one member, one consistency.
pub(super) struct Point {
    pub(super) clients: u32,
    pub(super) asked: Asked,
    pub(super) local: bool,
    pub(super) ours: Side,
    pub(super) theirs: Side,
}

impl Side {
    pub(super) fn add(&mut self, load: &Load, cost: Cost) {
        self.rate.add(load.rate());
        self.p50_ms.add(load.percentile_ms(50));
        self.p99_ms.add(load.percentile_ms(99));
        self.cpu_micros.add(cost.micros_per(load.answered_at_all));
        self.errors += load.errors;
    }
}

impl Point {
    /// Every combination.
    pub(super) fn all(clients: &[u32]) -> Vec<Point> {
        let mut points = Vec::new();
        for local in [false, true] {
            for asked in [Asked::Leader, Asked::Follower] {
                points.extend(clients.iter().map(|clients| Point {
                    clients: *clients,
                    asked,
                    local,
                    ours: Side::default(),
                    theirs: Side::default(),
                }));
            }
        }
        points
    }

    /// `linearizable, leader, 64 clients`.
    pub(super) fn name(&self) -> String {
        let consistency = if self.local { "local" } else { "linearizable" };
        let asked = match self.asked {
            Asked::Leader => "leader",
            Asked::Follower => "follower",
        };
        let plural = if self.clients == 1 { "" } else { "s" };
        format!("{consistency}, {asked}, {} client{plural}", self.clients)
    }

    pub(super) fn rows(&self, peer: Option<&str>) -> Vec<Row> {
        let name = self.name();
        let figures = |pick: fn(&Side) -> &Rounds| (pick(&self.ours), peer.map(|_| pick(&self.theirs)));
        let beside = |row: Row| row.beside(peer.unwrap_or_default());
        let counts = self.clients >= MANY_CLIENTS && self.asked == Asked::Leader;
        let aiming = |row: Row, ratio| match counts {
            true => row.aiming(Aim::RatioAtLeast(ratio)),
            false => row,
        };
        let less = |what: &str, unit, pick: fn(&Side) -> &Rounds| {
            let (ours, theirs) = figures(pick);
            Row::less(format!("{what}, {name}"), unit, ours, theirs).map(beside)
        };
        let (ours, theirs) = figures(|side| &side.rate);
        let rate = Row::more(format!("reads, {name}"), "1/s", ours, theirs).map(beside);
        let mut errors = [Rounds::default(), Rounds::default()];
        errors[0].add(self.ours.errors as f64);
        errors[1].add(self.theirs.errors as f64);
        let errors = Row::less(
            format!("errors, {name}"),
            "",
            &errors[0],
            peer.map(|_| &errors[1]),
        );
        let rows = [
            rate.map(|row| aiming(row, RATE_AIM)),
            less("p50", "ms", |side| &side.p50_ms),
            less("p99", "ms", |side| &side.p99_ms),
            less("CPU of the members per read", "us", |side| &side.cpu_micros)
                .map(|row| aiming(row, CPU_AIM)),
            errors.map(|row| beside(row).aiming(Aim::Zero)),
        ];
        rows.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(clients: u32, asked: Asked) -> Point {
        let mut points = Point::all(&[clients]);
        let at = points.iter().position(|point| point.asked == asked).unwrap();
        let mut point = points.swap_remove(at);
        point.ours.rate.add(30_000.0);
        point.theirs.rate.add(12_000.0);
        point.ours.cpu_micros.add(30.0);
        point.theirs.cpu_micros.add(50.0);
        point
    }

    /// The aim speaks of 64 clients at the leader; a follower is measured, and asked of the leader in etcd too.
    #[test]
    fn the_aims_are_for_many_clients_at_the_leader() {
        let rows = point(64, Asked::Leader).rows(Some("etcd 3.4.23"));
        let of = |name: &str| rows.iter().find(|row| row.name.starts_with(name)).unwrap();
        assert_eq!((of("reads").ratio, of("reads").met), (Some(2.5), Some(true)));
        assert_eq!((of("CPU").ratio, of("CPU").met), (Some(1.67), Some(false)));
        assert_eq!(of("reads").peer_name.as_deref(), Some("etcd 3.4.23"));
        for (clients, asked) in [(1, Asked::Leader), (64, Asked::Follower)] {
            let rows = point(clients, asked).rows(Some("etcd 3.4.23"));
            let aims = rows.iter().filter(|row| row.aim.is_some());
            let names: Vec<&str> = aims.map(|row| &row.name[..6]).collect();
            assert_eq!(names, ["errors"], "{clients} {asked:?}");
        }
    }

    #[test]
    fn every_combination_has_a_name_of_its_own() {
        let points = Point::all(&[1, 64]);
        let names: std::collections::BTreeSet<String> = points.iter().map(Point::name).collect();
        assert_eq!(names.len(), 8);
        assert!(names.contains("linearizable, follower, 1 client"), "{names:?}");
    }

    #[test]
    fn without_a_peer_its_columns_are_empty() {
        let rows = point(64, Asked::Leader).rows(None);
        assert!(rows.iter().all(|row| row.peer.is_none() && row.ratio.is_none()));
        assert_eq!(rows[0].met, None, "a ratio without a peer cannot be judged");
    }
}
