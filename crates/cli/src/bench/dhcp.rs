//! DHCP exchanges of nodes with reserved addresses, behind a relay that perfdhcp plays, beside Kea with the same
//! reservations: at rising rates until more than 1 % is lost, then all clients at once. Then clients without a reservation,
//! each of which gets a lease of a pool; and a loader over TFTP, beside tftp-hpa's server.

mod pools;
mod result;
mod side;
mod tftp;

use bench::kea::{Kea, Settings};
use bench::perfdhcp::{AVALANCHE_MAX, PerfDhcp};
use bench::{BenchError, Machine, Report, TftpClient};

use self::result::{note_conditions, rows};
use self::side::{Climb, KEA_PORT, Side, kea_address};
use super::args::DhcpArgs;
use super::progress::Progress;
use super::servers::{MEMBERS, Servers};
use crate::demo::{Layout, mac};
use crate::error::CliError;

/// Longer than a run, so that no lease ends in it.
const LEASE_TIME_S: u32 = 3600;

pub(crate) async fn measure(args: &DhcpArgs) -> Result<Report, CliError> {
    let mut machine = Machine::read();
    bench::prepare_loopback(&[])?;
    let files = TftpClient::new()?;
    let progress = Progress::new(args.common.rounds as usize);
    progress.begin(format_args!("starting {MEMBERS} members"));
    let servers = Servers::start_as(args.common.place.state_dir.as_deref(), tftp::with_file).await?;
    let layout = servers.cluster.layout().clone();
    bench::prepare_loopback(&[layout.service(), kea_address(&layout), layout.relay()])?;
    let load = PerfDhcp::new(layout.relay(), args.nodes)?;
    servers.seed(args.nodes).await?;
    let mut kea = start_kea(&layout, args, &progress).await?;
    let mut sides = vec![Side::ours(&servers)?];
    if let Some(kea) = &mut kea {
        sides.push(Side::theirs(kea, &layout)?);
    }
    for side in &sides {
        progress.begin(format_args!("{}: reserved addresses", side.name));
        side.check_addresses(&layout, args.nodes).await?;
    }
    for round in 1..=args.common.rounds {
        climb(
            &mut sides,
            &load,
            (&args.rates, args.common.seconds),
            round,
            &progress,
        )
        .await?;
        if args.avalanche > 0 {
            avalanche(&mut sides, &load, args, &progress).await?;
        }
        progress.end(format_args!("round {round} is over"));
    }
    if let Some(kea) = kea {
        kea.stop().await;
    }
    let of_pools = pools::measure(&servers, args, &progress).await?;
    let of_files = tftp::measure(&servers, &files, args, &progress).await?;
    progress.finish();
    servers.stop().await?;
    note_conditions(&mut machine, args, &sides);
    pools::note_conditions(&mut machine, args, &of_pools);
    tftp::note_conditions(&mut machine, args);
    let mut results = rows(&sides, args);
    results.extend(pools::rows(&of_pools));
    results.extend(tftp::rows(&of_files));
    Ok(Report {
        bench: "dhcp",
        machine,
        results,
    })
}

async fn start_kea(layout: &Layout, args: &DhcpArgs, progress: &Progress) -> Result<Option<Kea>, CliError> {
    let settings = Settings {
        address: kea_address(layout),
        port: KEA_PORT,
        subnet: layout.network(),
        reservations: (0..args.nodes)
            .map(|node| (mac(node).to_string(), layout.node(node)))
            .collect(),
        pool: None,
        lease_time_s: LEASE_TIME_S,
        persist: !args.kea_in_memory,
    };
    start_peer(&settings, layout, progress).await
}

/// `None`, with a note, where Kea is not installed.
async fn start_peer(
    settings: &Settings,
    layout: &Layout,
    progress: &Progress,
) -> Result<Option<Kea>, CliError> {
    match Kea::start(settings, layout.dir()).await {
        Ok(kea) => Ok(Some(kea)),
        Err(missing @ BenchError::Missing { .. }) => {
            progress.note(format_args!("without a peer: {missing}"));
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// One round of rising rates; at each rate both sides are loaded, in turn, while they pass.
async fn climb(
    sides: &mut [Side],
    load: &PerfDhcp,
    (rates, seconds): (&[u32], u64),
    round: u32,
    progress: &Progress,
) -> Result<(), CliError> {
    let mut climbs: Vec<Climb> = sides.iter().map(|_| Climb::default()).collect();
    let mut order: Vec<usize> = (0..sides.len()).collect();
    if round.is_multiple_of(2) {
        order.reverse();
    }
    for rate in rates {
        for at in &order {
            let (side, climb) = (&mut sides[*at], &mut climbs[*at]);
            if !climb.ended {
                progress.begin(format_args!("{}, {rate} exchanges/s, round {round}", side.name));
                side.try_rate(climb, load, *rate, seconds, progress).await?;
            }
        }
    }
    let together = highest_of_all(&climbs);
    for (side, climb) in sides.iter_mut().zip(&climbs) {
        let best = climb.passed.iter().map(|passed| passed.rate).fold(0.0, f64::max);
        side.rate.add(best);
        if let Some(passed) = climb.passed.iter().find(|passed| Some(passed.asked) == together) {
            side.cost.add(passed.cpu_s);
            side.disk_kib.add(passed.disk_kib);
            side.offer_mean_ms.add(passed.offer_mean_ms);
        }
    }
    Ok(())
}

/// The highest rate that every side passed.
fn highest_of_all(climbs: &[Climb]) -> Option<u32> {
    let passed_by_all = |asked: &u32| {
        climbs
            .iter()
            .all(|climb| climb.passed.iter().any(|passed| passed.asked == *asked))
    };
    let first = climbs.first()?;
    first
        .passed
        .iter()
        .map(|passed| passed.asked)
        .filter(passed_by_all)
        .max()
}

async fn avalanche(
    sides: &mut [Side],
    load: &PerfDhcp,
    args: &DhcpArgs,
    progress: &Progress,
) -> Result<(), CliError> {
    let clients = args.avalanche.min(args.nodes);
    for side in sides {
        progress.begin(format_args!("{}, {clients} clients at once", side.name));
        match load.avalanche(side.server, clients).await {
            Ok(result) => {
                progress.note(format_args!(
                    "{}: {clients} clients at once in {:.2} s, {} packets sent again",
                    side.name, result.seconds, result.resent
                ));
                side.avalanche_s.add(result.seconds);
                side.resent.add(result.resent as f64);
            }
            Err(BenchError::TimedOut { what, seconds }) => {
                progress.note(format_args!("{}: {what} took more than {seconds} s", side.name));
                side.avalanche_s.add_above(AVALANCHE_MAX.as_secs_f64());
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::side::Passed;
    use super::*;

    fn climb_to(rates: &[u32]) -> Climb {
        let passed = |asked: &u32| Passed {
            asked: *asked,
            rate: f64::from(*asked),
            cpu_s: 1.0,
            disk_kib: 1.0,
            offer_mean_ms: 0.5,
        };
        Climb {
            passed: rates.iter().map(passed).collect(),
            ended: true,
        }
    }

    /// CPU at different rates cannot be compared: a busy server batches.
    #[test]
    fn cost_is_compared_at_the_highest_rate_that_both_passed() {
        let both = [climb_to(&[2000, 3000, 4000, 8000]), climb_to(&[2000, 4000])];
        assert_eq!(highest_of_all(&both), Some(4000));
        assert_eq!(highest_of_all(&[climb_to(&[2000]), climb_to(&[])]), None);
        assert_eq!(
            highest_of_all(&[climb_to(&[2000, 3000])]),
            Some(3000),
            "without a peer: its own"
        );
        assert_eq!(highest_of_all(&[]), None);
    }
}
