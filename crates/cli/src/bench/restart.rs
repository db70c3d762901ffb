//! A member with many objects is killed and comes back, beside etcd: how long until it answers, and how much memory it
//! takes for the same content. One cluster after the other, so that neither takes the other's memory.

use std::time::{Duration, Instant};

use bench::{Aim, Machine, Meter, Report, Rounds, Row, etcd, first_answer, resident_bytes};
use proto::bss::v1::boot_parameters_service_client::BootParametersServiceClient;
use rpc::client::Channel;

use super::args::RestartArgs;
use super::figures::{Elections, mib};
use super::objects::{self, KEY_BYTES, VALUE_BYTES, channel_to, fill_ours, fill_theirs};
use super::peers;
use super::progress::Progress;
use super::servers::{MEMBERS, Servers};
use crate::error::CliError;

/// Seconds to the first answer that are aimed at.
const RESTART_AIM_S: f64 = 1.5;
/// How many times our memory etcd's is to be.
const MEMORY_AIM: f64 = 2.0;
/// One try is given up after this; the next ones do not wait for it.
const TRY_MAX: Duration = Duration::from_secs(2);
/// A member with millions of objects has caught up within this.
const CATCH_UP_MAX: Duration = Duration::from_secs(120);

/// Figures of one side.
#[derive(Default)]
struct Figures {
    seconds: Rounds,
    before_mib: Rounds,
    after_mib: Rounds,
}

pub(crate) async fn measure(args: &RestartArgs) -> Result<Report, CliError> {
    let mut machine = Machine::read();
    let progress = Progress::new(2 * (1 + args.rounds as usize));
    let (mut ours, mut theirs) = (Figures::default(), Figures::default());
    progress.begin(format_args!("starting {MEMBERS} members"));
    let mut servers = Servers::start(args.place.state_dir.as_deref()).await?;
    let before = Elections::so_far(&servers, None).await?;
    measure_ours(&mut servers, args, &progress, &mut ours).await?;
    let elections = Elections::so_far(&servers, None).await?.row(before, None)?;
    servers.cluster.stop().await?;
    progress.begin(format_args!("starting {MEMBERS} members of etcd"));
    // its keys and its data lie beside ours, whose processes have ended
    let mut peer = None;
    if let Some(mut cluster) = peers::start(&servers, &progress).await? {
        measure_theirs(&mut cluster, args, &progress, &mut theirs).await?;
        peer = Some(cluster.name().to_owned());
        cluster.stop().await;
    }
    progress.finish();
    machine.note(format!(
        "{MEMBERS} members of each on loopback, one cluster after the other; {} objects with {} bytes of key and value, put in one by one over TLS",
        args.objects,
        KEY_BYTES + VALUE_BYTES
    ));
    machine.note(format!(
        "a follower gets SIGKILL and is started again, {} times; seconds: from the start of its process to its first answer to a linearizable read, tried every {} ms",
        args.rounds,
        bench::TRY_PAUSE.as_millis()
    ));
    machine
        .note("memory: resident, of that one member, at rest; pages of files that it has mapped are in it");
    servers.stop().await?;
    Ok(Report {
        bench: "restart",
        machine,
        results: [rows(&ours, &theirs, peer.as_deref()), Vec::from_iter(elections)].concat(),
    })
}

fn rows(ours: &Figures, theirs: &Figures, peer: Option<&str>) -> Vec<Row> {
    let row = |name: &str, unit, pick: fn(&Figures) -> &Rounds, aim| {
        let row = Row::less(name, unit, pick(ours), peer.map(|_| pick(theirs)));
        row.map(|row| row.beside(peer.unwrap_or_default()).aiming(aim))
    };
    let rows = [
        row(
            "start to first linearizable answer",
            "s",
            |figures| &figures.seconds,
            Aim::AtMost(RESTART_AIM_S),
        ),
        row(
            "memory of a member before the kill",
            "MiB",
            |figures| &figures.before_mib,
            Aim::RatioAtLeast(MEMORY_AIM),
        ),
        row(
            "memory of the member after the restart",
            "MiB",
            |figures| &figures.after_mib,
            Aim::RatioAtLeast(MEMORY_AIM),
        ),
    ];
    rows.into_iter().flatten().collect()
}

async fn measure_ours(
    servers: &mut Servers,
    args: &RestartArgs,
    progress: &Progress,
    figures: &mut Figures,
) -> Result<(), CliError> {
    let leader = servers.cluster.leader().await?;
    fill_ours(&servers.cluster, leader, args.objects, |done| {
        progress.begin(format_args!("Chamois: {done} of {} objects", args.objects));
    })
    .await?;
    progress.end(format_args!("Chamois: {} objects", args.objects));
    for round in 1..=args.rounds {
        progress.begin(format_args!("Chamois, round {round}"));
        let leader = servers.cluster.leader().await?;
        let member = servers.cluster.another(leader);
        servers.cluster.caught_up(member, CATCH_UP_MAX).await?;
        bench::settle(&[&servers.meter()?]).await?;
        figures
            .before_mib
            .add(mib(resident_bytes(pid_of(servers, member)?)?));
        servers.cluster.kill(member).await?;
        let client = BootParametersServiceClient::new(channel_to(&servers.cluster, member)?);
        let started = Instant::now();
        servers.cluster.restart(member)?;
        let objects = args.objects;
        let attempt = move |number: usize| read_ours(client.clone(), number as u32 % objects);
        let took = first_answer("the restarted member", started, attempt).await?;
        bench::settle(&[&servers.meter()?]).await?;
        let after = mib(resident_bytes(pid_of(servers, member)?)?);
        figures.add(took, after);
        progress.end(line("Chamois", round, took, after));
    }
    Ok(())
}

async fn read_ours(mut client: BootParametersServiceClient<Channel>, index: u32) -> Result<(), String> {
    let object = objects::ours(index);
    let asked = client.get_boot_parameters(objects::question(&object.hosts[0]));
    let answer = tokio::time::timeout(TRY_MAX, asked).await;
    let answer = answer.map_err(|_| "no answer in time".to_owned())?;
    let found = answer.map_err(|status| status.to_string())?.into_inner();
    match found.params == object.params {
        true => Ok(()),
        false => Err(format!("another object than {index}: {found:?}")),
    }
}

async fn measure_theirs(
    cluster: &mut etcd::Cluster,
    args: &RestartArgs,
    progress: &Progress,
    figures: &mut Figures,
) -> Result<(), CliError> {
    let leader = cluster.leader().await?;
    fill_theirs(cluster, leader, args.objects, |done| {
        progress.begin(format_args!("etcd: {done} of {} objects", args.objects));
    })
    .await?;
    progress.end(format_args!("etcd: {} objects", args.objects));
    for round in 1..=args.rounds {
        progress.begin(format_args!("etcd, round {round}"));
        let member = (cluster.leader().await? + 1) % cluster.size();
        cluster.wait_until_whole().await?;
        bench::settle(&[&Meter::new(cluster.pids()?)]).await?;
        figures.before_mib.add(mib(resident_bytes(cluster.pid(member)?)?));
        cluster.kill(member).await?;
        let kv = etcd::Kv::new(cluster.connect(member)?);
        let started = Instant::now();
        cluster.restart(member)?;
        let objects = args.objects;
        let attempt = move |number: usize| read_theirs(kv.clone(), number as u32 % objects);
        let took = first_answer("the restarted member of etcd", started, attempt).await?;
        bench::settle(&[&Meter::new(cluster.pids()?)]).await?;
        let after = mib(resident_bytes(cluster.pid(member)?)?);
        figures.add(took, after);
        progress.end(line("etcd", round, took, after));
    }
    Ok(())
}

async fn read_theirs(mut kv: etcd::Kv, index: u32) -> Result<(), String> {
    let (key, value) = objects::theirs(index);
    let answer = tokio::time::timeout(TRY_MAX, kv.get(key, false)).await;
    let found = answer.map_err(|_| "no answer in time".to_owned())?;
    match found.map_err(|status| status.to_string())? {
        found if found == value => Ok(()),
        other => Err(format!("another value than that of {index}: {other:?}")),
    }
}

impl Figures {
    fn add(&mut self, took: Duration, after_mib: f64) {
        self.seconds.add(took.as_secs_f64());
        self.after_mib.add(after_mib);
    }
}

fn pid_of(servers: &Servers, member: u64) -> Result<u32, CliError> {
    let found = servers
        .cluster
        .processes()
        .into_iter()
        .find(|(id, _)| *id == member);
    let (_, pid) = found.ok_or_else(|| CliError::other("cannot measure a member", "it does not run"))?;
    Ok(pid)
}

fn line(name: &str, round: u32, took: Duration, after_mib: f64) -> String {
    format!(
        "{name}, round {round}: {:.2} s, {after_mib:.0} MiB after the restart",
        took.as_secs_f64()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(seconds: f64, before: f64, after: f64) -> Figures {
        let mut figures = Figures::default();
        figures.seconds.add(seconds);
        figures.before_mib.add(before);
        figures.after_mib.add(after);
        figures
    }

    /// The time has a bound of its own, the memory is judged beside the peer's.
    #[test]
    fn time_and_memory_are_judged_as_they_are_aimed_at() {
        let (ours, theirs) = (figures(1.5, 300.0, 450.0), figures(2.7, 670.0, 850.0));
        let judged: Vec<_> = rows(&ours, &theirs, Some("etcd 3.4.23"))
            .iter()
            .map(|row| (row.ratio, row.met))
            .collect();
        let expected = [
            (Some(1.8), Some(true)),
            (Some(2.23), Some(true)),
            (Some(1.89), Some(false)),
        ];
        assert_eq!(judged, expected);
        let alone: Vec<_> = rows(&ours, &Figures::default(), None)
            .iter()
            .map(|row| row.met)
            .collect();
        assert_eq!(alone, [Some(true), None, None]);
    }
}
