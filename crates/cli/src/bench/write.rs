//! Acknowledged writes, beside etcd: a majority has each on disk before it is answered. The two clusters stand beside
//! each other on one disk and are loaded in turn by one kind of client.

mod clients;

use std::path::PathBuf;

use bench::{Aim, Load, Machine, Meter, Operation, Report, Rounds, Row, drive, etcd};

use self::clients::{Ours, Theirs};
use super::args::WriteArgs;
use super::progress::Progress;
use super::servers::{MEMBERS, Servers};
use crate::connect::Target;
use crate::demo::Layout;
use crate::error::CliError;
use crate::init;

/// How many times etcd's rate is aimed at with many clients.
const RATIO_AIM: f64 = 1.5;
/// From so many clients on that counts.
const MANY_CLIENTS: u32 = 256;

/// Figures of all rounds of one side with one number of clients.
#[derive(Default)]
struct Figures {
    rate: Rounds,
    p50_ms: Rounds,
    p99_ms: Rounds,
    cpu_micros: Rounds,
    syncs: Rounds,
    errors: u64,
}

/// Both sides with one number of clients.
struct Point {
    clients: u32,
    ours: Figures,
    theirs: Figures,
}

/// The two clusters.
struct Sides {
    ours: Servers,
    theirs: Option<etcd::Cluster>,
}

pub(crate) async fn measure(args: &WriteArgs) -> Result<Report, CliError> {
    let mut machine = Machine::read();
    let sides_count = 2 * args.clients.len() * args.common.rounds as usize;
    let progress = Progress::new(sides_count);
    progress.begin(format_args!("starting {MEMBERS} members of each"));
    let ours = Servers::start(args.common.state_dir.as_deref()).await?;
    let theirs = match start_etcd(&ours).await {
        Ok(cluster) => Some(cluster),
        Err(missing @ bench::BenchError::Missing { .. }) => {
            progress.note(format_args!("without a peer: {missing}"));
            None
        }
        Err(error) => return Err(error.into()),
    };
    let mut sides = Sides { ours, theirs };
    let (term, changes) = sides.leaderships().await?;
    let mut points: Vec<Point> = args.clients.iter().map(|clients| Point::new(*clients)).collect();
    for round in 1..=args.common.rounds {
        for point in &mut points {
            sides.round(point, round, args, &progress).await?;
        }
    }
    let (term_after, changes_after) = sides.leaderships().await?;
    progress.finish();
    let peer_name = sides.theirs.as_ref().map(|cluster| cluster.name().to_owned());
    sides.stop().await?;
    note_conditions(&mut machine, args, peer_name.as_deref());
    let mut results: Vec<Row> = points
        .iter()
        .flat_map(|point| point.rows(peer_name.as_deref()))
        .collect();
    let of = |figure: u64| {
        let mut rounds = Rounds::default();
        rounds.add(figure as f64);
        rounds
    };
    let peers = peer_name.as_ref().map(|_| of(changes_after - changes));
    let elections = Row::less("unplanned elections", "", &of(term_after - term), peers.as_ref());
    let elections = elections.beside(peer_name.as_deref().unwrap_or_default());
    results.push(elections.aiming(Aim::Zero));
    Ok(Report {
        bench: "write",
        machine,
        results,
    })
}

fn note_conditions(machine: &mut Machine, args: &WriteArgs, peer: Option<&str>) {
    machine.note(format!(
        "{MEMBERS} members of each on loopback beside each other, data on one disk; TLS for clients and peers; requests to the leader"
    ));
    machine.note(
        "Chamois: gRPC ReplaceBootParameters of one node with a bearer token, heartbeat 100 ms, election 300-600 ms",
    );
    if let Some(peer) = peer {
        machine.note(format!(
            "{peer}: gRPC Put without credentials, heartbeat 100 ms, election 1000 ms"
        ));
    }
    machine.note(format!(
        "288 bytes of key and value, {} keys; one client stack for both, four clients to a connection",
        clients::KEYS
    ));
    machine.note(format!(
        "{} s each after {} s of warm-up, {} rounds in turn; clients, servers and disk share the host",
        args.common.seconds,
        args.common.span().warm_up.as_secs(),
        args.common.rounds
    ));
}

/// etcd with certificates of the same kind as ours, on the same addresses and other ports.
async fn start_etcd(ours: &Servers) -> Result<etcd::Cluster, bench::BenchError> {
    let layout = ours.cluster.layout();
    let unusable = |error: CliError| bench::BenchError::Connect(error.to_string());
    let identities = identities(layout).map_err(unusable)?;
    let member = |id: u64| {
        let folder = identities.join(format!("member-{id}"));
        etcd::Member {
            address: layout.member(id),
            certificate: folder.join("member.pem"),
            key: folder.join("member.key"),
        }
    };
    let ca = identities.join("ca.pem");
    let trusted = Target::new(Vec::new(), &ca, String::new()).map_err(unusable)?;
    etcd::Cluster::start(
        (1..=MEMBERS).map(member).collect(),
        &ca,
        trusted.ca().to_vec(),
        layout.dir(),
    )
    .await
}

/// Certificates that etcd's peers accept of each other: they dial from 127.0.0.1.
fn identities(layout: &Layout) -> Result<PathBuf, CliError> {
    let member = |id: u64| {
        let address = layout.member(id);
        format!(
            "[[member]]\nid = {id}\naddress = \"{address}:2380\"\napi-address = \"{address}:2379\"\nnames = [\"127.0.0.1\"]\n"
        )
    };
    let file = layout.dir().join("etcd.toml");
    let text = (1..=MEMBERS).map(member).collect::<String>();
    std::fs::write(&file, format!("cluster = \"etcd\"\n{text}"))
        .map_err(|e| CliError::other("cannot write the list of etcd's members", e))?;
    let out = layout.dir().join("etcd-identities");
    init::make(&file, &out)?;
    Ok(out)
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
            progress.end(line(name, clients, &load));
        }
        Ok(())
    }

    async fn load_ours(&mut self, point: &mut Point, args: &WriteArgs) -> Result<Load, CliError> {
        let leader = self.ours.cluster.leader().await?;
        let clients = Ours::of(&self.ours.cluster, leader, point.clients)?;
        let meter = self.ours.meter();
        let servers = &self.ours;
        let syncs = async || servers.counts().await.map(|counts| counts.log_syncs);
        point.ours.load(clients, args, &meter, syncs).await
    }

    async fn load_theirs(&mut self, point: &mut Point, args: &WriteArgs) -> Result<Load, CliError> {
        let cluster = self.theirs.as_mut().expect("asked for only where it runs");
        let leader = cluster.leader().await?;
        let clients = Theirs::of(cluster, leader, point.clients)?;
        let meter = Meter::new(cluster.pids());
        let syncs = async || Ok(cluster.counts().await?.log_syncs);
        point.theirs.load(clients, args, &meter, syncs).await
    }

    /// Our term and etcd's changes of its leader.
    async fn leaderships(&self) -> Result<(u64, u64), CliError> {
        let changes = match &self.theirs {
            Some(cluster) => cluster.counts().await?.leader_changes,
            None => 0,
        };
        Ok((self.ours.counts().await?.term, changes))
    }

    async fn stop(self) -> Result<(), CliError> {
        if let Some(cluster) = self.theirs {
            cluster.stop().await;
        }
        self.ours.stop().await
    }
}

fn line(name: &str, clients: u32, load: &Load) -> String {
    let error = load
        .first_error
        .as_ref()
        .map(|error| format!(", the first: {error}"));
    format!(
        "{name}, {clients} clients: {:.0}/s, p50 {:.2} ms, p99 {:.2} ms, {} errors{}",
        load.rate(),
        load.percentile_ms(50),
        load.percentile_ms(99),
        load.errors,
        error.unwrap_or_default()
    )
}

impl Figures {
    async fn load<O: Operation>(
        &mut self,
        clients: Vec<O>,
        args: &WriteArgs,
        meter: &Meter,
        syncs: impl AsyncFn() -> Result<u64, CliError>,
    ) -> Result<Load, CliError> {
        let edge = async || (meter.read(), syncs().await);
        let (load, before, after) = drive(clients, args.common.span(), edge).await?;
        let (before, after) = ((before.0, before.1?), (after.0, after.1?));
        self.rate.add(load.rate());
        self.p50_ms.add(load.percentile_ms(50));
        self.p99_ms.add(load.percentile_ms(99));
        self.cpu_micros
            .add(after.0.since(before.0).micros_per(load.answered));
        self.syncs
            .add(after.1.saturating_sub(before.1) as f64 / load.answered as f64);
        self.errors += load.errors;
        Ok(load)
    }
}

impl Point {
    fn new(clients: u32) -> Self {
        Self {
            clients,
            ours: Figures::default(),
            theirs: Figures::default(),
        }
    }

    fn rows(&self, peer: Option<&str>) -> Vec<Row> {
        let name = |what: &str| {
            let plural = if self.clients == 1 { "" } else { "s" };
            format!("{what}, {} client{plural}", self.clients)
        };
        let figures = |pick: fn(&Figures) -> &Rounds| (pick(&self.ours), peer.map(|_| pick(&self.theirs)));
        let less = |what: &str, unit, pick: fn(&Figures) -> &Rounds| {
            let (ours, theirs) = figures(pick);
            Row::less(name(what), unit, ours, theirs).beside(peer.unwrap_or_default())
        };
        let (ours, theirs) = figures(|figures| &figures.rate);
        let mut rate = Row::more(name("writes"), "1/s", ours, theirs).beside(peer.unwrap_or_default());
        if self.clients >= MANY_CLIENTS {
            rate = rate.aiming(Aim::RatioAtLeast(RATIO_AIM));
        }
        let mut errors = Rounds::default();
        errors.add(self.ours.errors as f64);
        let mut their_errors = Rounds::default();
        their_errors.add(self.theirs.errors as f64);
        let errors = Row::less(name("errors"), "", &errors, peer.map(|_| &their_errors));
        vec![
            rate,
            less("p50", "ms", |figures| &figures.p50_ms),
            less("p99", "ms", |figures| &figures.p99_ms),
            less("CPU of the members per write", "us", |figures| {
                &figures.cpu_micros
            }),
            less("syncs of all logs per write", "", |figures| &figures.syncs),
            errors.beside(peer.unwrap_or_default()).aiming(Aim::Zero),
        ]
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

    /// The aim speaks of 256 clients; with fewer the disk decides, and both have the same.
    #[test]
    fn the_ratio_is_aimed_at_with_many_clients() {
        let rows = point(256, 16_000.0, 10_000.0).rows(Some("etcd 3.4.23"));
        assert_eq!((rows[0].ratio, rows[0].met), (Some(1.6), Some(true)));
        assert_eq!(rows[0].peer_name.as_deref(), Some("etcd 3.4.23"));
        let rows = point(64, 16_000.0, 10_000.0).rows(Some("etcd 3.4.23"));
        assert_eq!(rows[0].aim, None);
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
        assert_eq!(rows[5].met, Some(true), "no errors");
    }
}
