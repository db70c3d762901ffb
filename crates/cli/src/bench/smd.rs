//! SMD's inventory, as its clients use it: gets, lists, patches and bulk changes over gRPC and HTTPS.

mod bulk;
mod clients;
mod inventory;
mod point;

use std::time::Duration;

use bench::{Aim, Load, Machine, Report, Rounds, Row, drive, resident_bytes};

use self::bulk::Bulk;
use self::clients::{GrpcGet, GrpcList, GrpcPatch, HttpGet, HttpList, HttpPatch};
use self::inventory::Inventory;
use self::point::{Kind as What, Point};
use super::args::SmdArgs;
use super::figures::{Elections, load_line};
use super::progress::Progress;
use super::servers::{MEMBERS, Servers};
use crate::error::CliError;

/// Its name in the report.
pub(crate) const NAME: &str = "smd";
/// Clients that ask for the whole list at once: each answer has megabytes.
const LISTING_CLIENTS_MAX: u32 = 4;
/// Megabytes of a member with the inventory, at most.
const MEMORY_AIM_MB: f64 = 100.0;
/// Bytes of a megabyte.
const MB: f64 = 1e6;
/// What today's SMD does: not a peer of this run.
const PEER: &str = "no peer in this run; SMD with PostgreSQL on another, quiet machine of 2 cores: get by xname 700-1,600/s and \
    0.7-2.2 ms of CPU, by MAC 700-1,000/s and 1.2-2.9 ms, all 10,000 components 18-24 ms and 27-35 ms of CPU, patch of one \
    700-1,130/s and 0.9-2.7 ms, bulk post of 4,000 0.33-0.41 s (above 4,369 it fails), bulk patch of 10,000 11-13 s";

/// Megabytes of the largest member.
#[derive(Default)]
struct Memory {
    /// With the inventory, before it is asked for.
    filled: f64,
    /// After everything.
    loaded: f64,
}

pub(crate) async fn measure(args: &SmdArgs) -> Result<Report, CliError> {
    let mut machine = Machine::read();
    let mut points = Point::all();
    let mut bulk = Bulk::default();
    let mut memory = Memory::default();
    let rounds = args.common.rounds;
    let progress = Progress::new((points.len() + 1) * rounds as usize);
    progress.begin(format_args!("starting {MEMBERS} members"));
    let mut servers = Servers::start(args.common.place.state_dir.as_deref()).await?;
    let inventory = Inventory::of(servers.cluster.layout(), args.nodes);
    let args = &args.with_clients_of_their_own();
    let before = Elections::so_far(&servers, None).await?;
    let mut conditional = true;
    for round in 1..=rounds {
        progress.begin(format_args!("all components, posted and patched, round {round}"));
        let lines = bulk.round(&mut servers, &inventory).await?;
        progress.end(lines);
        if round == 1 {
            inventory.put_interfaces(&servers).await?;
            memory.filled = largest_mb(&servers).await?;
        }
        for point in &mut points {
            progress.begin(format_args!("{}, round {round}", point.kind.name()));
            match one_load(&mut servers, point, &inventory, args).await? {
                Some(load) => progress.end(load_line(point.kind.name(), &load)),
                None => {
                    conditional = false;
                    progress.end(format_args!("{}: lists have no ETag", point.kind.name()));
                }
            }
        }
    }
    memory.loaded = largest_mb(&servers).await?;
    let elections = Elections::so_far(&servers, None).await?;
    progress.finish();
    servers.stop().await?;
    note_conditions(&mut machine, args, conditional);
    let mut results: Vec<Row> = points.iter().flat_map(Point::rows).collect();
    results.extend(bulk.rows(args.nodes));
    results.extend(memory.rows(args.nodes));
    results.extend(elections.row(before, None)?);
    Ok(Report {
        bench: NAME,
        machine,
        results,
    })
}

fn note_conditions(machine: &mut Machine, args: &SmdArgs, conditional: bool) {
    machine.note(format!(
        "{MEMBERS} members on loopback, TLS for clients and peers; {} nodes, each a component and an Ethernet interface; every \
         request goes to the leader, with a bearer token",
        args.nodes
    ));
    machine.note(format!(
        "{} clients get or patch one object after the other, {} list; over gRPC four to a connection, over HTTPS (HTTP/1.1, \
         kept alive) one; every answer is checked to be the right one",
        args.clients,
        args.clients.min(LISTING_CLIENTS_MAX)
    ));
    machine.note("linearizable: a read index, which concurrent reads share; local: metadata chamois-consistency: local");
    machine.note("CPU: of all members, over the whole load, warm-up included; of a bulk request until the members are at rest");
    if !conditional {
        machine.note("lists had no ETag, so that none could be answered 304");
    }
    machine.note(PEER);
    machine.note(args.common.late_answers());
    machine.note(format!(
        "{} s each after {} s of warm-up, {} rounds; clients and servers share the host",
        args.common.seconds,
        args.common.span().warm_up.as_secs(),
        args.common.rounds
    ));
}

/// One load; `None` for one that this version cannot be put under.
async fn one_load(
    servers: &mut Servers,
    point: &mut Point,
    inventory: &Inventory,
    args: &SmdArgs,
) -> Result<Option<Load>, CliError> {
    let meter = servers.meter()?;
    bench::settle(&[&meter]).await?;
    let leader = servers.cluster.leader().await?;
    let cluster = &servers.cluster;
    let few = args.clients.min(LISTING_CLIENTS_MAX);
    let span = args.common.span();
    let before = meter.read()?;
    let (load, (), ()) = match point.kind {
        What::Get { of, way } => match way.consistency() {
            Some(local) => {
                let clients = GrpcGet::of(cluster, leader, args.clients, inventory, of, local)?;
                drive(clients, span, async || ()).await?
            }
            None => {
                let clients = HttpGet::of(cluster, leader, args.clients, inventory, of);
                drive(clients, span, async || ()).await?
            }
        },
        What::GrpcList => drive(GrpcList::of(cluster, leader, few, inventory)?, span, async || ()).await?,
        What::HttpList => drive(HttpList::of(cluster, leader, few, inventory), span, async || ()).await?,
        What::HttpListUnchanged => {
            let Some(clients) = HttpList::unchanged(cluster, leader, few, inventory).await? else {
                return Ok(None);
            };
            drive(clients, span, async || ()).await?
        }
        What::GrpcPatch => {
            let clients = GrpcPatch::of(cluster, leader, args.clients, inventory)?;
            drive(clients, span, async || ()).await?
        }
        What::HttpPatch => {
            let clients = HttpPatch::of(cluster, leader, args.clients, inventory);
            drive(clients, span, async || ()).await?
        }
    };
    point.add(&load, meter.read()?.since(before));
    Ok(Some(load))
}

impl Memory {
    fn rows(&self, nodes: u32) -> impl Iterator<Item = Row> {
        let of = [("", self.filled), (", after all loads", self.loaded)].map(|(when, mb)| {
            let mut rounds = Rounds::default();
            rounds.add(mb);
            Row::less(
                format!("memory of a member with {nodes} nodes{when}"),
                "MB",
                &rounds,
                None,
            )
        });
        let rows = of.into_iter().flatten();
        rows.map(|row| row.aiming(Aim::AtMost(MEMORY_AIM_MB)))
    }
}

/// Of the member that has the most, when all are at rest.
async fn largest_mb(servers: &Servers) -> Result<f64, CliError> {
    bench::settle(&[&servers.meter()?]).await?;
    let mut largest = 0;
    for (_, pid) in servers.cluster.processes() {
        largest = largest.max(resident_bytes(pid)?);
    }
    Ok(largest as f64 / MB)
}

/// A time in seconds.
fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}

impl SmdArgs {
    /// Clients without a node of their own would change each other's.
    fn with_clients_of_their_own(&self) -> Self {
        Self {
            clients: self.clients.min(self.nodes),
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What loads leave behind counts as well.
    #[test]
    fn memory_is_judged_before_and_after_the_loads() {
        let memory = Memory {
            filled: 80.0,
            loaded: 120.0,
        };
        let judged: Vec<_> = memory.rows(10_000).map(|row| (row.ours, row.met)).collect();
        assert_eq!(judged, [(80.0, Some(true)), (120.0, Some(false))]);
    }
}
