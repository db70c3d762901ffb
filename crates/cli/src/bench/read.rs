//! Reads of small objects, beside etcd: linearizable and local, at the leader and at a follower. The two clusters stand
//! beside each other with the same objects and are loaded in turn by one kind of client.

mod clients;
mod point;

use bench::{Load, Machine, Meter, Report, Row, drive, etcd};

use self::clients::{Ours, Theirs};
use self::point::{Asked, Point, Side};
use super::args::ReadArgs;
use super::figures::{Elections, load_line};
use super::objects::{KEY_BYTES, VALUE_BYTES, fill_ours, fill_theirs};
use super::peers;
use super::progress::Progress;
use super::servers::{MEMBERS, Servers};
use super::write::KEYS;
use crate::error::CliError;

/// The two clusters.
struct Sides {
    ours: Servers,
    theirs: Option<etcd::Cluster>,
}

pub(crate) async fn measure(args: &ReadArgs) -> Result<Report, CliError> {
    let mut machine = Machine::read();
    let mut points = Point::all(&args.clients);
    let progress = Progress::new(2 * points.len() * args.common.rounds as usize);
    progress.begin(format_args!("starting {MEMBERS} members of each"));
    let ours = Servers::start(args.common.place.state_dir.as_deref()).await?;
    let theirs = peers::start(&ours, &progress).await?;
    let mut sides = Sides { ours, theirs };
    progress.begin(format_args!("{KEYS} objects for each"));
    sides.fill().await?;
    let before = sides.elections().await?;
    for round in 1..=args.common.rounds {
        for point in &mut points {
            sides.round(point, round, args, &progress).await?;
        }
    }
    let elections = sides.elections().await?;
    progress.finish();
    let peer_name = sides.theirs.as_ref().map(|cluster| cluster.name().to_owned());
    note_conditions(&mut machine, args, peer_name.as_deref());
    sides.stop().await?;
    let mut results: Vec<Row> = points
        .iter()
        .flat_map(|point| point.rows(peer_name.as_deref()))
        .collect();
    results.extend(elections.row(before, peer_name.as_deref())?);
    Ok(Report {
        bench: "read",
        machine,
        results,
    })
}

fn note_conditions(machine: &mut Machine, args: &ReadArgs, peer: Option<&str>) {
    machine.note(format!(
        "{MEMBERS} members of each on loopback beside each other; TLS for clients and peers; {KEYS} objects of {} bytes",
        KEY_BYTES + VALUE_BYTES
    ));
    machine.note(
        "Chamois: gRPC ListBootParameters of one node with a bearer token; linearizable: a read index, which concurrent \
         reads share; local: metadata chamois-consistency: local",
    );
    if let Some(peer) = peer {
        machine.note(format!(
            "{peer}: gRPC Range of one key without credentials; linearizable: its default; local: serializable"
        ));
    }
    machine.note("one client stack for both, four clients to a connection, all of them at one member");
    machine.note("CPU per read: of all members, over the whole load, warm-up included");
    machine.note(args.common.late_answers());
    machine.note(format!(
        "{} s each after {} s of warm-up, {} rounds in turn; clients and servers share the host",
        args.common.seconds,
        args.common.span().warm_up.as_secs(),
        args.common.rounds
    ));
}

impl Sides {
    async fn fill(&mut self) -> Result<(), CliError> {
        let leader = self.ours.cluster.leader().await?;
        fill_ours(&self.ours.cluster, leader, KEYS, |_| {}).await?;
        if let Some(cluster) = &mut self.theirs {
            let leader = cluster.leader().await?;
            fill_theirs(cluster, leader, KEYS, |_| {}).await?;
        }
        Ok(())
    }

    /// Both sides once; who begins changes from round to round.
    async fn round(
        &mut self,
        point: &mut Point,
        round: u32,
        args: &ReadArgs,
        progress: &Progress,
    ) -> Result<(), CliError> {
        let ours_first = !round.is_multiple_of(2);
        for ours in [ours_first, !ours_first] {
            let name = if ours { "Chamois" } else { "etcd" };
            if !ours && self.theirs.is_none() {
                continue;
            }
            progress.begin(format_args!("{name}, {}, round {round}", point.name()));
            self.settle().await?;
            let load = match ours {
                true => self.load_ours(point, args).await?,
                false => self.load_theirs(point, args).await?,
            };
            progress.end(load_line(format_args!("{name}, {}", point.name()), &load));
        }
        Ok(())
    }

    /// What one side has put off would run in the other's time.
    async fn settle(&mut self) -> Result<(), CliError> {
        let ours = self.ours.meter()?;
        let theirs = match &mut self.theirs {
            Some(cluster) => Meter::new(cluster.pids()?),
            None => Meter::new([]),
        };
        bench::settle(&[&ours, &theirs]).await?;
        Ok(())
    }

    async fn load_ours(&mut self, point: &mut Point, args: &ReadArgs) -> Result<Load, CliError> {
        let leader = self.ours.cluster.leader().await?;
        let member = match point.asked {
            Asked::Leader => leader,
            Asked::Follower => self.ours.cluster.another(leader),
        };
        let clients = Ours::of(&self.ours.cluster, member, point.clients, point.local)?;
        let meter = self.ours.meter()?;
        measured(&mut point.ours, clients, &meter, args).await
    }

    async fn load_theirs(&mut self, point: &mut Point, args: &ReadArgs) -> Result<Load, CliError> {
        let cluster = self.theirs.as_mut().expect("asked for only where it runs");
        let leader = cluster.leader().await?;
        let member = match point.asked {
            Asked::Leader => leader,
            Asked::Follower => (leader + 1) % cluster.size(),
        };
        let clients = Theirs::of(cluster, member, point.clients, point.local)?;
        let meter = Meter::new(cluster.pids()?);
        measured(&mut point.theirs, clients, &meter, args).await
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

async fn measured<O: bench::Operation>(
    side: &mut Side,
    clients: Vec<O>,
    meter: &Meter,
    args: &ReadArgs,
) -> Result<Load, CliError> {
    let before = meter.read()?;
    let (load, (), ()) = drive(clients, args.common.span(), async || ()).await?;
    side.add(&load, meter.read()?.since(before));
    Ok(load)
}
