//! Figures of both sides with one number of clients, and the rows of the report that they make.

use bench::{Aim, Cost, Load, Operation, Rounds, Row, drive};

use super::super::args::WriteArgs;
use super::super::figures::{added, one};
use crate::error::CliError;

/// How many times etcd's rate is aimed at, from so many clients on.
const RATIO_AIMS: [(u32, f64); 3] = [(256, 2.5), (64, 2.0), (1, 1.5)];
/// How many times our CPU for each write etcd's is to be.
const CPU_AIM: f64 = 2.0;
/// With one client half of the answers come within this, milliseconds.
const ALONE_P50_AIM_MS: f64 = 0.8;

/// Figures of all rounds of one side with one number of clients.
#[derive(Default)]
pub(super) struct Figures {
    pub(super) rate: Rounds,
    pub(super) p50_ms: Rounds,
    pub(super) p99_ms: Rounds,
    pub(super) cpu_micros: Rounds,
    pub(super) disk_bytes: Rounds,
    pub(super) syncs: Rounds,
    pub(super) errors: u64,
}

/// Both sides with one number of clients.
pub(super) struct Point {
    pub(super) clients: u32,
    pub(super) ours: Figures,
    pub(super) theirs: Figures,
}

/// What one side has used since it started: its cost, and syncs of all its logs.
#[derive(Clone, Copy)]
pub(super) struct Used(pub(super) Cost, pub(super) u64);

impl Figures {
    pub(super) async fn load<O: Operation>(
        &mut self,
        clients: Vec<O>,
        args: &WriteArgs,
    ) -> Result<Load, CliError> {
        let (load, (), ()) = drive(clients, args.common.span(), async || ()).await?;
        self.rate.add(load.rate());
        self.p50_ms.add(load.percentile_ms(50));
        self.p99_ms.add(load.percentile_ms(99));
        self.errors += load.errors;
        Ok(load)
    }

    /// What each of `writes` cost, from rest to rest.
    pub(super) fn cost(&mut self, writes: u64, before: Used, after: Used) -> Result<(), CliError> {
        let cost = after.0.since(before.0);
        self.cpu_micros.add(cost.micros_per(writes));
        self.disk_bytes.add(cost.disk_bytes_per(writes));
        let syncs = added("a count of syncs", before.1, after.1)?;
        self.syncs.add(syncs as f64 / writes.max(1) as f64);
        Ok(())
    }
}

impl Point {
    pub(super) fn new(clients: u32) -> Self {
        Self {
            clients,
            ours: Figures::default(),
            theirs: Figures::default(),
        }
    }

    pub(super) fn rows(&self, peer: Option<&str>) -> Vec<Row> {
        let name = |what: &str| {
            let plural = if self.clients == 1 { "" } else { "s" };
            format!("{what}, {} client{plural}", self.clients)
        };
        let figures = |pick: fn(&Figures) -> &Rounds| (pick(&self.ours), peer.map(|_| pick(&self.theirs)));
        let less = |what: &str, unit, pick: fn(&Figures) -> &Rounds| {
            let (ours, theirs) = figures(pick);
            Row::less(name(what), unit, ours, theirs).map(|row| row.beside(peer.unwrap_or_default()))
        };
        let (ours, theirs) = figures(|figures| &figures.rate);
        let rate = Row::more(name("writes"), "1/s", ours, theirs).map(|row| {
            let row = row.beside(peer.unwrap_or_default());
            let aim = RATIO_AIMS.iter().find(|(from, _)| self.clients >= *from);
            aim.into_iter()
                .fold(row, |row, (_, ratio)| row.aiming(Aim::RatioAtLeast(*ratio)))
        });
        let p50 = less("p50", "ms", |figures| &figures.p50_ms);
        let p50 = p50.map(|row| match self.clients {
            1 => row.aiming(Aim::AtMost(ALONE_P50_AIM_MS)),
            _ => row,
        });
        let cpu = less("CPU of the members per write", "us", |figures| {
            &figures.cpu_micros
        });
        let cpu = cpu.map(|row| row.aiming(Aim::RatioAtLeast(CPU_AIM)));
        let (our_errors, their_errors) = (one(self.ours.errors), one(self.theirs.errors));
        let errors = Row::less(name("errors"), "", &our_errors, peer.map(|_| &their_errors));
        let rows = [
            rate,
            p50,
            less("p99", "ms", |figures| &figures.p99_ms),
            cpu,
            less("bytes to disk of the members per write", "B", |figures| {
                &figures.disk_bytes
            }),
            less("syncs of all logs per write", "", |figures| &figures.syncs),
            errors.map(|row| row.beside(peer.unwrap_or_default()).aiming(Aim::Zero)),
        ];
        rows.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(clients: u32, ours: f64, theirs: f64) -> Point {
        let mut point = Point::new(clients);
        point.ours.rate.add(ours);
        point.theirs.rate.add(theirs);
        point
    }

    /// With few clients the disk decides, and both have the same; the more there are, the more batching counts.
    #[test]
    fn the_more_clients_the_higher_is_the_ratio_that_is_aimed_at() {
        for (clients, met) in [(1, true), (63, true), (64, true), (256, false)] {
            let rows = point(clients, 22_000.0, 10_000.0).rows(Some("etcd 3.4.23"));
            assert_eq!((rows[0].ratio, rows[0].met), (Some(2.2), Some(met)), "{clients}");
            assert_eq!(rows[0].peer_name.as_deref(), Some("etcd 3.4.23"));
        }
        let mut costly = point(64, 1.0, 1.0);
        costly.ours.cpu_micros.add(281.0);
        costly.theirs.cpu_micros.add(373.0);
        let rows = costly.rows(Some("etcd 3.4.23"));
        let cpu = rows.iter().find(|row| row.name.starts_with("CPU")).unwrap();
        assert_eq!((cpu.ratio, cpu.met), (Some(1.33), Some(false)));
        let mut alone = point(1, 1.0, 1.0);
        alone.ours.p50_ms.add(0.81);
        let rows = alone.rows(None);
        assert_eq!((&*rows[1].name, rows[1].met), ("p50, 1 client", Some(false)));
    }

    /// Without etcd our own figures are still worth having.
    #[test]
    fn without_a_peer_its_columns_are_empty() {
        let rows = point(256, 16_000.0, 0.0).rows(None);
        assert_eq!(rows[0].ours, 16_000.0);
        assert!(
            rows.iter()
                .all(|row| row.peer.is_none() && row.ratio.is_none() && row.peer_name.is_none())
        );
        assert_eq!(rows[0].met, None, "a ratio without a peer cannot be judged");
        let errors = rows.last().unwrap();
        assert_eq!((errors.ours, errors.met), (0.0, Some(true)));
        assert_eq!(rows.len(), 2, "what was not measured is no row: {rows:?}");
    }

    /// What is put off belongs to the writes that caused it, the warm-up's too.
    #[test]
    fn the_cost_of_a_load_is_shared_among_all_its_writes() {
        let cost = |micros, disk_bytes| Cost {
            cpu: std::time::Duration::from_micros(micros),
            disk_bytes,
        };
        let mut figures = Figures::default();
        figures
            .cost(20, Used(cost(0, 0), 5), Used(cost(2000, 40_960), 25))
            .unwrap();
        let medians = [&figures.cpu_micros, &figures.disk_bytes, &figures.syncs].map(Rounds::median);
        assert_eq!(medians, [Some(100.0), Some(2048.0), Some(1.0)]);
        let again = figures.cost(20, Used(cost(0, 0), 5), Used(cost(0, 0), 4));
        assert!(again.is_err(), "a server began again");
    }
}
