//! From the death of a leader to the first acknowledged write, beside etcd: ours in profile `steady`, whose members
//! notice it as late as etcd's at worst, and in profile `fast`.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::{Duration, Instant};

use bench::{Aim, Machine, Report, Rounds, Row, etcd, first_answer};
use proto::bss::v1::boot_parameters_service_client::BootParametersServiceClient;
use rpc::client::Channel;

use super::args::FailoverArgs;
use super::objects::{self, channel_to};
use super::peers;
use super::progress::Progress;
use super::servers::{MEMBERS, Servers};
use crate::error::{CliError, Kind};

/// Profile whose worst case is etcd's: it notices within 2 s.
const STEADY: &str = "steady";
const FAST: &str = "fast";
/// Median that is aimed at in profile `fast`, milliseconds.
const FAST_P50_AIM_MS: f64 = 600.0;
/// A killed member has caught up within this: little was written.
const CATCH_UP_MAX: Duration = Duration::from_secs(30);
/// Between two rounds: everybody has heard heartbeats of the leader for a while, as before any failure.
const CALM: Duration = Duration::from_secs(2);
/// One try is given up after this; the next ones do not wait for it.
const TRY_MAX: Duration = Duration::from_secs(5);

/// The three clusters.
struct Clusters {
    steady: Servers,
    fast: Servers,
    theirs: Option<etcd::Cluster>,
}

/// Milliseconds of all rounds.
#[derive(Default)]
struct Figures {
    steady: Rounds,
    fast: Rounds,
    theirs: Rounds,
}

type Try = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

pub(crate) async fn measure(args: &FailoverArgs) -> Result<Report, CliError> {
    let mut machine = Machine::read();
    let progress = Progress::new(3 * args.rounds as usize);
    progress.begin(format_args!("starting {MEMBERS} members of each"));
    let dir = |profile: &str| -> Option<PathBuf> {
        let named = args.place.state_dir.as_deref();
        named.map(|dir: &Path| dir.join(profile))
    };
    let steady = Servers::start_in_profile(dir(STEADY).as_deref(), STEADY).await?;
    let fast = Servers::start_in_profile(dir(FAST).as_deref(), FAST).await?;
    let theirs = peers::start(&steady, &progress).await?;
    let mut clusters = Clusters { steady, fast, theirs };
    let mut figures = Figures::default();
    for round in 1..=args.rounds {
        progress.begin(format_args!("Chamois, {STEADY}, round {round}"));
        let took = kill_ours(&mut clusters.steady).await?;
        progress.end(line(STEADY, round, took));
        figures.steady.add(millis(took));
        if let Some(cluster) = &mut clusters.theirs {
            progress.begin(format_args!("etcd, round {round}"));
            let took = kill_theirs(cluster).await?;
            progress.end(line("etcd", round, took));
            figures.theirs.add(millis(took));
        }
        progress.begin(format_args!("Chamois, {FAST}, round {round}"));
        let took = kill_ours(&mut clusters.fast).await?;
        progress.end(line(FAST, round, took));
        figures.fast.add(millis(took));
    }
    progress.finish();
    let peer = clusters.theirs.as_ref().map(|cluster| cluster.name().to_owned());
    note_conditions(&mut machine, args, peer.as_deref());
    if let Some(cluster) = clusters.theirs {
        cluster.stop().await;
    }
    clusters.steady.stop().await?;
    clusters.fast.stop().await?;
    Ok(Report {
        bench: "failover",
        machine,
        results: rows(&figures, peer.as_deref()),
    })
}

fn note_conditions(machine: &mut Machine, args: &FailoverArgs, peer: Option<&str>) {
    machine.note(format!(
        "{} rounds: SIGKILL of the leader, then a write every {} ms at the survivors in turn until the first is acknowledged; the member comes back, {} s of calm",
        args.rounds,
        bench::TRY_PAUSE.as_millis(),
        CALM.as_secs()
    ));
    machine.note(format!(
        "Chamois `{STEADY}`: heartbeat 100 ms, election 500-1000 ms, a dead leader is noticed in 1.5-2.0 s; `{FAST}`: 50 ms, 150-300 ms, 450-600 ms"
    ));
    if let Some(peer) = peer {
        machine.note(format!(
            "{peer}: its defaults, heartbeat 100 ms, election 1000 ms, a dead leader is noticed in 1.0-2.0 s"
        ));
    }
    machine.note(format!(
        "{MEMBERS} members of each on loopback, all clusters beside each other all the time; TLS for clients and peers"
    ));
}

fn rows(figures: &Figures, peer: Option<&str>) -> Vec<Row> {
    let theirs = peer.map(|_| &figures.theirs);
    let beside = |row: Row| row.beside(peer.unwrap_or_default());
    let worst = |rounds: &Rounds| {
        let mut worst = Rounds::default();
        rounds.spread().into_iter().for_each(|(_, most)| worst.add(most));
        worst
    };
    let row = |what: &str, profile: &str, ours: &Rounds, theirs: Option<&Rounds>| {
        Row::less(
            format!("{what} of kill to first write, {profile}"),
            "ms",
            ours,
            theirs,
        )
        .map(beside)
    };
    let worst_theirs = theirs.map(worst);
    let no_worse = |row: Row| row.aiming(Aim::RatioAtLeast(1.0));
    let rows = [
        row("p50", STEADY, &figures.steady, theirs).map(no_worse),
        row("worst", STEADY, &worst(&figures.steady), worst_theirs.as_ref()).map(no_worse),
        row("p50", FAST, &figures.fast, theirs).map(|row| row.aiming(Aim::AtMost(FAST_P50_AIM_MS))),
        row("worst", FAST, &worst(&figures.fast), worst_theirs.as_ref()),
    ];
    rows.into_iter().flatten().collect()
}

/// One round of ours.
async fn kill_ours(servers: &mut Servers) -> Result<Duration, CliError> {
    let cluster = &mut servers.cluster;
    let leader = cluster.leader().await?;
    let survivors = (1..=MEMBERS).filter(|id| *id != leader);
    let clients: Result<Vec<_>, CliError> = survivors
        .map(|id| channel_to(cluster, id).map(BootParametersServiceClient::new))
        .collect();
    let clients = clients?;
    let attempt = move |number: usize| -> Try {
        let client = clients[number % clients.len()].clone();
        Box::pin(bounded(write_ours(client, number)))
    };
    warm_up(&attempt).await?;
    let killed = Instant::now();
    cluster.kill(leader).await?;
    let took = first_answer("a write after the leader's death", killed, attempt).await?;
    cluster.restart(leader)?;
    cluster.caught_up(leader, CATCH_UP_MAX).await?;
    tokio::time::sleep(CALM).await;
    Ok(took)
}

async fn write_ours(mut client: BootParametersServiceClient<Channel>, number: usize) -> Result<(), String> {
    let answer = client.replace_boot_parameters(objects::ours(number as u32)).await;
    answer.map(drop).map_err(|status| status.to_string())
}

/// One round of etcd's.
async fn kill_theirs(cluster: &mut etcd::Cluster) -> Result<Duration, CliError> {
    let leader = cluster.leader().await?;
    let survivors = (0..cluster.size()).filter(|member| *member != leader);
    let clients: Result<Vec<_>, _> = survivors
        .map(|member| cluster.connect(member).map(etcd::Kv::new))
        .collect();
    let clients = clients?;
    let attempt = move |number: usize| -> Try {
        let mut kv = clients[number % clients.len()].clone();
        Box::pin(bounded(async move {
            let (key, value) = objects::theirs(number as u32);
            kv.put(key, value).await.map_err(|status| status.to_string())
        }))
    };
    warm_up(&attempt).await?;
    let killed = Instant::now();
    cluster.kill(leader).await?;
    let took = first_answer("a write after the leader's death", killed, attempt).await?;
    cluster.restart(leader)?;
    cluster.wait_until_whole().await?;
    tokio::time::sleep(CALM).await;
    Ok(took)
}

/// A write at each survivor before the fault: connections stand, as those of a service that writes all day.
async fn warm_up(attempt: &impl Fn(usize) -> Try) -> Result<(), CliError> {
    for number in 0..MEMBERS as usize - 1 {
        let failed = |error| CliError::new(Kind::Unavailable, format!("a write before the fault: {error}"));
        attempt(number).await.map_err(failed)?;
    }
    Ok(())
}

async fn bounded(attempt: impl Future<Output = Result<(), String>>) -> Result<(), String> {
    match tokio::time::timeout(TRY_MAX, attempt).await {
        Ok(outcome) => outcome,
        Err(_) => Err(format!("no answer within {} s", TRY_MAX.as_secs())),
    }
}

fn millis(took: Duration) -> f64 {
    took.as_secs_f64() * 1000.0
}

fn line(name: &str, round: u32, took: Duration) -> String {
    format!("{name}, round {round}: {:.0} ms", millis(took))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures() -> Figures {
        let mut figures = Figures::default();
        for (steady, fast, theirs) in [
            (1400.0, 500.0, 1000.0),
            (1600.0, 510.0, 1500.0),
            (1900.0, 700.0, 1990.0),
        ] {
            figures.steady.add(steady);
            figures.fast.add(fast);
            figures.theirs.add(theirs);
        }
        figures
    }

    /// A median that is worse and a worst case that is better must both be seen.
    #[test]
    fn median_and_worst_case_are_judged_each_for_itself() {
        let rows = rows(&figures(), Some("etcd 3.4.23"));
        let judged: Vec<_> = rows.iter().map(|row| (row.ours, row.peer, row.met)).collect();
        assert_eq!(
            judged,
            [
                (1600.0, Some(1500.0), Some(false)),
                (1900.0, Some(1990.0), Some(true)),
                (510.0, Some(1500.0), Some(true)),
                (700.0, Some(1990.0), None),
            ]
        );
        assert_eq!(rows[0].name, "p50 of kill to first write, steady");
    }

    #[test]
    fn without_a_peer_only_our_own_bound_is_judged() {
        let rows = rows(&figures(), None);
        let judged: Vec<_> = rows.iter().map(|row| (row.peer, row.met)).collect();
        assert_eq!(
            judged,
            [(None, None), (None, None), (None, Some(true)), (None, None)]
        );
    }
}
