//! Acknowledged writes, beside etcd: a majority has each on disk before it is answered. The two clusters stand beside
//! each other on one disk and are loaded in turn by one kind of client.

mod clients;
mod point;

use bench::{Load, Machine, Meter, Report, Row, etcd};

pub(crate) use self::clients::{KEYS, Turns};
use self::clients::{Ours, Theirs};
use self::point::{Point, Used};
use super::args::WriteArgs;
use super::figures::{Elections, load_line};
use super::peers;
use super::progress::Progress;
use super::servers::{MEMBERS, Servers};
use crate::error::CliError;

/// The two clusters.
struct Sides {
    ours: Servers,
    theirs: Option<etcd::Cluster>,
    /// How often the two did not come to rest before a load or after it.
    restless: u32,
}

pub(crate) async fn measure(args: &WriteArgs) -> Result<Report, CliError> {
    let mut machine = Machine::read();
    let sides_count = 2 * args.clients.len() * args.common.rounds as usize;
    let progress = Progress::new(sides_count);
    progress.begin(format_args!("starting {MEMBERS} members of each"));
    let ours = Servers::start(args.common.place.state_dir.as_deref()).await?;
    let theirs = peers::start(&ours, &progress).await?;
    let mut sides = Sides {
        ours,
        theirs,
        restless: 0,
    };
    let before = sides.elections().await?;
    let mut points: Vec<Point> = args.clients.iter().map(|clients| Point::new(*clients)).collect();
    for round in 1..=args.common.rounds {
        for point in &mut points {
            sides.round(point, round, args, &progress).await?;
        }
    }
    let elections = sides.elections().await?;
    progress.finish();
    let peer_name = sides.theirs.as_ref().map(|cluster| cluster.name().to_owned());
    note_conditions(&mut machine, args, peer_name.as_deref(), sides.restless);
    sides.stop().await?;
    let mut results: Vec<Row> = points
        .iter()
        .flat_map(|point| point.rows(peer_name.as_deref()))
        .collect();
    results.extend(elections.row(before, peer_name.as_deref())?);
    Ok(Report {
        bench: "write",
        machine,
        results,
    })
}

fn note_conditions(machine: &mut Machine, args: &WriteArgs, peer: Option<&str>, restless: u32) {
    machine.note(format!(
        "{MEMBERS} members of each on loopback beside each other, data on one disk; TLS for clients and peers; requests to the leader"
    ));
    machine.note(
        "Chamois: gRPC ReplaceBootParameters of one node with a bearer token, heartbeat 100 ms, election 300-600 ms",
    );
    if let Some(peer) = peer {
        machine.note(format!(
            "{peer}: gRPC Put without credentials, heartbeat 100 ms, election 1000 ms, {}",
            etcd::Cluster::settings()
        ));
    }
    machine.note(format!(
        "288 bytes of key and value, {} keys; one client stack for both, four clients to a connection",
        KEYS
    ));
    machine.note(args.common.late_answers());
    machine.note(
        "CPU, syncs and bytes to disk per write: of a whole load, warm-up and what is put off included, until both sides are at rest",
    );
    if restless > 0 {
        machine.note(format!(
            "not at rest within {} s, before a load or after it: {restless} times",
            bench::SETTLE_MAX.as_secs()
        ));
    }
    machine.note(format!(
        "{} s each after {} s of warm-up, {} rounds in turn; clients, servers and disk share the host",
        args.common.seconds,
        args.common.span().warm_up.as_secs(),
        args.common.rounds
    ));
}

impl Sides {
    /// Both sides once with the point's clients; who begins changes from round to round.
    async fn round(
        &mut self,
        point: &mut Point,
        round: u32,
        args: &WriteArgs,
        progress: &Progress,
    ) -> Result<(), CliError> {
        let ours_first = !round.is_multiple_of(2);
        for ours in [ours_first, !ours_first] {
            let clients = point.clients;
            let (name, load) = if ours {
                progress.begin(format_args!("Chamois, {clients} clients, round {round}"));
                ("Chamois", self.load_ours(point, args).await?)
            } else if self.theirs.is_some() {
                progress.begin(format_args!("etcd, {clients} clients, round {round}"));
                ("etcd", self.load_theirs(point, args).await?)
            } else {
                continue;
            };
            progress.end(load_line(format_args!("{name}, {clients} clients"), &load));
        }
        Ok(())
    }

    /// Waits for what either side has put off: it would run in the other's time.
    async fn settle(&mut self) -> Result<(), CliError> {
        let ours = self.ours.meter()?;
        let theirs = match &mut self.theirs {
            Some(cluster) => Meter::new(cluster.pids()?),
            None => Meter::new([]),
        };
        self.restless += u32::from(!bench::settle(&[&ours, &theirs]).await?);
        Ok(())
    }

    async fn load_ours(&mut self, point: &mut Point, args: &WriteArgs) -> Result<Load, CliError> {
        let leader = self.ours.cluster.leader().await?;
        let clients = Ours::of(&self.ours.cluster, leader, point.clients)?;
        self.settle().await?;
        let meter = self.ours.meter()?;
        let before = Used(meter.read()?, self.ours.counts().await?.log_syncs);
        let load = point.ours.load(clients, args).await?;
        self.settle().await?;
        let after = Used(meter.read()?, self.ours.counts().await?.log_syncs);
        point.ours.cost(load.answered_at_all, before, after)?;
        Ok(load)
    }

    async fn load_theirs(&mut self, point: &mut Point, args: &WriteArgs) -> Result<Load, CliError> {
        self.settle().await?;
        let cluster = self.etcd();
        let leader = cluster.leader().await?;
        let clients = Theirs::of(cluster, leader, point.clients)?;
        let meter = Meter::new(cluster.pids()?);
        let before = Used(meter.read()?, cluster.counts().await?.log_syncs);
        let load = point.theirs.load(clients, args).await?;
        self.settle().await?;
        let syncs = self.etcd().counts().await?.log_syncs;
        point
            .theirs
            .cost(load.answered_at_all, before, Used(meter.read()?, syncs))?;
        Ok(load)
    }

    fn etcd(&mut self) -> &mut etcd::Cluster {
        self.theirs.as_mut().expect("asked for only where it runs")
    }

    async fn elections(&self) -> Result<Elections, CliError> {
        Elections::so_far(&self.ours, self.theirs.as_ref()).await
    }

    async fn stop(self) -> Result<(), CliError> {
        if let Some(cluster) = self.theirs {
            cluster.stop().await;
        }
        self.ours.stop().await
    }
}
