//! Ten thousand watchers of one member while a thousand changes a second are made, beside etcd: how far behind the commit each
//! is told, what it costs, and whether anything is lost. Watchers and writers are this process, on both sides alike.

mod board;
mod load;
mod plan;
mod point;
mod side;

use std::time::{Duration, Instant};

use bench::{Machine, Meter, Report, Row, etcd, resident_bytes};
use proto::bss::v1::boot_parameters_service_client::BootParametersServiceClient;
use proto::smd::v1::group_service_client::GroupServiceClient;
use proto::smd::v1::{Group, GroupMembers};

use self::load::{LANES, Outcome, Watchers};
use self::plan::Plan;
use self::point::{Figures, Point};
use self::side::{Feed, WATCHERS_PER_CONNECTION, Writer};
use super::args::WatchArgs;
use super::figures::Elections;
use super::objects::{channel_to, fill_theirs};
use super::peers;
use super::progress::Progress;
use super::servers::{MEMBERS, Servers};
use crate::demo::xname;
use crate::error::{CliError, Kind};

/// How long it is measured what watchers cost that are told nothing: longer than the pause between two marks of progress.
const RESTING: Duration = Duration::from_secs(6);

/// The two clusters.
struct Sides {
    ours: Servers,
    theirs: Option<etcd::Cluster>,
}

pub(crate) async fn measure(args: &WatchArgs) -> Result<Report, CliError> {
    let mut machine = Machine::read();
    let plan = Plan::of(args);
    let progress = Progress::new(2 * args.common.rounds as usize);
    progress.begin(format_args!("starting {MEMBERS} members of each"));
    let ours = Servers::start(args.common.place.state_dir.as_deref()).await?;
    let theirs = peers::start(&ours, &progress).await?;
    let mut sides = Sides { ours, theirs };
    progress.begin(format_args!("{} nodes, {} groups", plan.nodes, plan.groups));
    sides.fill(&plan).await?;
    let before = sides.elections().await?;
    let mut point = Point::default();
    for round in 1..=args.common.rounds {
        sides.round(&mut point, &plan, round, args, &progress).await?;
    }
    let elections = sides.elections().await?;
    progress.finish();
    let peer_name = sides.theirs.as_ref().map(|cluster| cluster.name().to_owned());
    note_conditions(&mut machine, args, &plan, peer_name.as_deref());
    sides.stop().await?;
    let mut results: Vec<Row> = point.rows(peer_name.as_deref());
    results.extend(elections.row(before, peer_name.as_deref())?);
    Ok(Report {
        bench: "watch",
        machine,
        results,
    })
}

fn note_conditions(machine: &mut Machine, args: &WatchArgs, plan: &Plan, peer: Option<&str>) {
    machine.note(format!(
        "{MEMBERS} members of each on loopback beside each other, TLS; {} watchers of the leader over {} connections, and {LANES} writers",
        plan.watchers,
        plan.watchers.div_ceil(WATCHERS_PER_CONNECTION)
    ));
    machine.note(format!(
        "{} watch everything, of the others every tenth one of {} groups and the rest one of {} nodes; {} changes a second, of one node each",
        args.everything.min(args.watchers),
        plan.groups,
        plan.nodes,
        args.changes
    ));
    machine
        .note("Chamois: a gRPC stream for each watcher, a mark of progress each 5 s; boot parameters change");
    if let Some(peer) = peer {
        machine.note(format!(
            "{peer}: the watchers of a connection share a stream, as its clients do; a group is a range of keys; {}",
            etcd::Cluster::settings()
        ));
    }
    machine.note(
        "behind the acknowledgement: from when a writer has it to when a watcher has the event, 0 if that came first",
    );
    machine.note(format!(
        "{} s after {} s of warm-up, {} rounds in turn; clients, servers and disk share the host",
        args.common.seconds,
        args.common.span().warm_up.as_secs(),
        args.common.rounds
    ));
}

impl Sides {
    /// Nodes and groups; etcd's keys.
    async fn fill(&mut self, plan: &Plan) -> Result<(), CliError> {
        self.ours.seed(plan.nodes).await?;
        let leader = self.ours.cluster.leader().await?;
        let mut groups = GroupServiceClient::new(channel_to(&self.ours.cluster, leader)?);
        for group in 0..plan.groups {
            let ids = plan.nodes_of(group).map(xname).collect();
            groups
                .create_group(Group {
                    label: side::label(group),
                    members: Some(GroupMembers { ids }),
                    ..Group::default()
                })
                .await?;
        }
        if let Some(cluster) = &mut self.theirs {
            let leader = cluster.leader().await?;
            fill_theirs(cluster, leader, plan.nodes, |_| {}).await?;
        }
        Ok(())
    }

    /// Both sides once; who begins changes from round to round.
    async fn round(
        &mut self,
        point: &mut Point,
        plan: &Plan,
        round: u32,
        args: &WatchArgs,
        progress: &Progress,
    ) -> Result<(), CliError> {
        let ours_first = !round.is_multiple_of(2);
        for ours in [ours_first, !ours_first] {
            let (name, outcome) = if ours {
                progress.begin(format_args!("Chamois, round {round}"));
                ("Chamois", self.watch_ours(&mut point.ours, plan, args).await?)
            } else if self.theirs.is_some() {
                progress.begin(format_args!("etcd, round {round}"));
                ("etcd", self.watch_theirs(&mut point.theirs, plan, args).await?)
            } else {
                continue;
            };
            progress.end(line(name, &outcome));
        }
        Ok(())
    }

    async fn watch_ours(
        &mut self,
        figures: &mut Figures,
        plan: &Plan,
        args: &WatchArgs,
    ) -> Result<Outcome, CliError> {
        let leader = self.ours.cluster.leader().await?;
        let cluster = &self.ours.cluster;
        let processes = cluster.processes();
        let pid = processes
            .iter()
            .find(|(id, _)| *id == leader)
            .map(|(_, pid)| *pid);
        let pid = pid.ok_or_else(|| CliError::new(Kind::Other, "the leader runs no more"))?;
        let meter = self.ours.meter()?;
        bench::settle(&[&meter]).await?;
        let before = resident_bytes(pid)?;
        let revision = side::revision_of(cluster, leader).await?;
        let mut feeds: Vec<Feed> = Vec::new();
        for watchers in connections(plan) {
            let wanted = watchers.map(|watcher| plan.wanted(watcher));
            feeds.push(side::ours(cluster, leader, wanted, revision).await?);
        }
        let watchers = Watchers::listen(feeds);
        rest(figures, &meter, pid, before, plan).await?;
        let connect = || channel_to(cluster, leader).map(BootParametersServiceClient::new);
        let writers = spread_writers(connect, Writer::Ours)?;
        measured_load(figures, &meter, watchers, writers, plan, args).await
    }

    async fn watch_theirs(
        &mut self,
        figures: &mut Figures,
        plan: &Plan,
        args: &WatchArgs,
    ) -> Result<Outcome, CliError> {
        let cluster = self.theirs.as_mut().expect("asked for only where it runs");
        let leader = cluster.leader().await?;
        let pid = cluster.pid(leader)?;
        let meter = Meter::new(cluster.pids()?);
        bench::settle(&[&meter]).await?;
        let before = resident_bytes(pid)?;
        let mut feeds: Vec<Feed> = Vec::new();
        for watchers in connections(plan) {
            let wanted = watchers.map(|watcher| plan.wanted(watcher));
            feeds.push(side::theirs(cluster, leader, plan, wanted).await?);
        }
        let watchers = Watchers::listen(feeds);
        rest(figures, &meter, pid, before, plan).await?;
        let connect = || -> Result<_, CliError> { Ok(etcd::Kv::new(cluster.connect(leader)?)) };
        let writers = spread_writers(connect, Writer::Theirs)?;
        measured_load(figures, &meter, watchers, writers, plan, args).await
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

/// The watchers of each connection, by number.
fn connections(plan: &Plan) -> impl Iterator<Item = std::ops::Range<u32>> {
    let watchers = plan.watchers;
    let firsts = (0..watchers).step_by(WATCHERS_PER_CONNECTION as usize);
    firsts.map(move |first| first..watchers.min(first + WATCHERS_PER_CONNECTION))
}

/// Four writers on each connection.
fn spread_writers<C: Clone>(
    connect: impl Fn() -> Result<C, CliError>,
    writer: fn(C) -> Writer,
) -> Result<Vec<Writer>, CliError> {
    let mut writers = Vec::new();
    for _ in 0..LANES / 4 {
        let client = connect()?;
        writers.extend((0..4).map(|_| writer(client.clone())));
    }
    Ok(writers)
}

/// What the watchers cost while nothing happens.
async fn rest(
    figures: &mut Figures,
    meter: &Meter,
    pid: u32,
    bytes_before: u64,
    plan: &Plan,
) -> Result<(), CliError> {
    bench::settle(&[meter]).await?;
    let (cost, began) = (meter.read()?, Instant::now());
    tokio::time::sleep(RESTING).await;
    let (cost, seconds) = (meter.read()?.since(cost), began.elapsed().as_secs_f64());
    let bytes = resident_bytes(pid)?.saturating_sub(bytes_before);
    figures.resting(bytes as f64 / f64::from(plan.watchers), cost, seconds);
    Ok(())
}

async fn measured_load(
    figures: &mut Figures,
    meter: &Meter,
    watchers: Watchers,
    writers: Vec<Writer>,
    plan: &Plan,
    args: &WatchArgs,
) -> Result<Outcome, CliError> {
    let span = args.common.span();
    let before = meter.read()?;
    let outcome = watchers.load(writers, plan, args.changes, span).await?;
    let cost = meter.read()?.since(before);
    let changes = u64::from(args.changes) * (span.warm_up + span.measured).as_secs();
    figures.load(&outcome, cost, changes);
    Ok(outcome)
}

/// One load for people.
fn line(name: &str, outcome: &Outcome) -> String {
    let sum = &outcome.sum;
    let error = outcome.first_error.as_ref();
    let error = error.map(|error| format!(", the first: {error}"));
    format!(
        "{name}: {} changes and {} events in {:.1} s, p99 {:.2} ms behind, {} lost, {} twice, {} errors{}",
        sum.changes,
        sum.events,
        sum.seconds,
        board::percentile_ms(&sum.behind, 99),
        sum.lost,
        sum.twice,
        outcome.errors,
        error.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::super::args::{Common, Place};
    use super::*;

    #[test]
    fn the_line_says_what_went_wrong() {
        let outcome = Outcome {
            errors: 2,
            first_error: Some("gone".to_owned()),
            ..Outcome::default()
        };
        let text = line("etcd", &outcome);
        assert!(
            text.ends_with("0 lost, 0 twice, 2 errors, the first: gone"),
            "{text}"
        );
    }

    /// No watcher is on two connections, and none is forgotten.
    #[test]
    fn every_watcher_has_one_connection() {
        let args = WatchArgs {
            common: Common {
                seconds: 1,
                rounds: 1,
                place: Place {
                    json: false,
                    state_dir: None,
                },
            },
            watchers: 300,
            everything: 1,
            changes: 1,
            nodes: 10,
            groups: 2,
        };
        let all: Vec<Vec<u32>> = connections(&Plan::of(&args)).map(Iterator::collect).collect();
        assert_eq!(all.iter().map(Vec::len).collect::<Vec<_>>(), [128, 128, 44]);
        assert_eq!(all.concat(), (0..300).collect::<Vec<_>>());
    }
}
