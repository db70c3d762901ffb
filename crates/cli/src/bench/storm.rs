//! A storm: all nodes are switched on at once and boot (DHCP, script, kernel, initrd, cloud-init, phone-home), and half-way
//! the member that holds their service address is killed.

use std::path::Path;
use std::time::Duration;

use bench::{Aim, Machine, Meter, Report, Rounds, Row};
use tokio::sync::watch;

use super::args::StormArgs;
use super::progress::Progress;
use super::servers::{MEMBERS, Servers};
use crate::demo::{Progress as DemoProgress, Storm, boot_storm};
use crate::error::{CliError, Kind};

/// Seconds from the first power-on to the last node's phone-home that are aimed at.
const SECONDS_AIM: f64 = 30.0;
/// From the kill to a new holder.
const HOLDER_MAX: Duration = Duration::from_secs(30);
/// Nodes that are switched on in a second, and that boot at once: those of a site after a power cut, as two cores can
/// emulate them.
const STORM: Storm = Storm {
    starts_per_second: 2_000,
    booting_max: 1_500,
};

pub(crate) async fn measure(args: &StormArgs) -> Result<Report, CliError> {
    let mut machine = Machine::read();
    let progress = Progress::new(1);
    progress.begin(format_args!("starting {MEMBERS} members"));
    let mut servers = Servers::start(args.place.state_dir.as_deref()).await?;
    servers.seed(args.nodes).await?;
    progress.begin(format_args!("{} nodes boot", args.nodes));
    let for_people = DemoProgress::new(args.nodes, true);
    let layout = servers.cluster.layout().clone();
    let meter = servers.meter()?;
    let (before, sent_before) = (meter.read()?, loopback_bytes()?);
    let (booted, count) = watch::channel(0);
    let fleet = boot_storm(&layout, MEMBERS as usize, args.nodes, STORM, booted, &for_people);
    let killing = kill_the_holder(&mut servers, count, args.nodes / 2, meter);
    let (report, cpu) = tokio::try_join!(fleet, killing)?;
    for_people.finish();
    let cpu = match cpu {
        Some((survivors, at_kill)) => at_kill + survivors.read()?.cpu,
        None => Duration::ZERO,
    };
    let nodes = args.nodes as usize;
    let bytes = loopback_bytes()?.saturating_sub(sent_before);
    progress.end(format_args!(
        "{} of {nodes} booted in {:.1} s, {} failed",
        report.booted, report.seconds, report.failed
    ));
    progress.finish();
    servers.stop().await?;
    machine.note(format!(
        "{MEMBERS} members on loopback, {nodes} nodes, at most {} switched on in a second and {} booting at once; kernel and \
         initrd of 1 MiB each; the holder of the service address killed (SIGKILL) when half of them were up; clients and \
         servers share the host",
        STORM.starts_per_second, STORM.booting_max
    ));
    machine.note("a node counts as failed that was given anything that is not its own".to_owned());
    let figure = |name: &str, unit, value: f64| {
        let mut rounds = Rounds::default();
        rounds.add(value);
        Row::less(name.to_owned(), unit, &rounds, None)
    };
    let cpu = cpu.saturating_sub(before.cpu);
    let each = |sum: f64| sum / f64::from(args.nodes);
    let rows = [
        figure(
            "errors: nodes that failed or got another's data",
            "",
            report.failed as f64,
        )
        .map(|row| row.aiming(Aim::Zero)),
        figure("all nodes up", "s", report.seconds).map(|row| row.aiming(Aim::Below(SECONDS_AIM))),
        figure(
            "longest time without an answer, of all nodes",
            "s",
            report.extra_boot_seconds_max,
        ),
        figure("boot script, p50", "ms", report.script_p50_ms),
        figure("boot script, p99", "ms", report.script_p99_ms),
        figure("bytes on the network per node", "B", each(bytes as f64)),
        figure("CPU of the members per node", "us", each(cpu.as_secs_f64() * 1e6)),
    ];
    Ok(Report {
        bench: "storm",
        machine,
        results: rows.into_iter().flatten().collect(),
    })
}

/// Kills the holder when `at` nodes are up; what the killed member had used until then, and the survivors to measure at the
/// end. Nothing if so many never come up.
async fn kill_the_holder(
    servers: &mut Servers,
    mut booted: watch::Receiver<u32>,
    at: u32,
    all: Meter,
) -> Result<Option<(Meter, Duration)>, CliError> {
    if booted.wait_for(|booted| *booted >= at).await.is_err() {
        return Ok(None);
    }
    let holder = servers.cluster.holder(HOLDER_MAX).await?;
    let of_all = all.read()?.cpu;
    let survivors = servers
        .cluster
        .processes()
        .into_iter()
        .filter(|(id, _)| *id != holder);
    let survivors = Meter::new(survivors.map(|(_, pid)| pid));
    let of_survivors = survivors.read()?.cpu;
    servers.cluster.kill(holder).await?;
    Ok(Some((survivors, of_all.saturating_sub(of_survivors))))
}

/// Bytes that this host's loopback has carried.
fn loopback_bytes() -> Result<u64, CliError> {
    let path = Path::new("/proc/net/dev");
    let text = std::fs::read_to_string(path).map_err(|e| CliError::other("cannot read /proc/net/dev", e))?;
    loopback_bytes_in(&text).ok_or_else(|| CliError::new(Kind::Other, "/proc/net/dev has no loopback"))
}

fn loopback_bytes_in(text: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.trim_start().strip_prefix("lo:"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_loopback_received_is_read() {
        let text = "Inter-|   Receive\n face |bytes    packets\n  eth0: 5 1 0\n    lo: 123456 78 0 0\n";
        assert_eq!(loopback_bytes_in(text), Some(123_456));
        assert_eq!(loopback_bytes_in("eth0: 5"), None);
    }
}
