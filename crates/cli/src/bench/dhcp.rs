//! DHCP exchanges of nodes with reserved addresses, behind a relay that perfdhcp plays, beside Kea with the same
//! reservations: at rising rates until more than 1 % is lost, then all clients at once.

use std::net::Ipv4Addr;

use bench::kea::{Kea, Settings};
use bench::perfdhcp::{DROPS_PERCENT_MAX, Exchanges, PerfDhcp, Server};
use bench::{Aim, BenchError, Machine, Meter, Report, Rounds, Row};

use super::args::DhcpArgs;
use super::progress::Progress;
use super::servers::{MEMBERS, Servers};
use crate::demo::{DHCP_PORT, Layout, mac};
use crate::error::{CliError, Kind};

/// Kea's port: its address is its own, but 67 is the relay's.
const KEA_PORT: u16 = 6768;
/// How often a rate that lost too much is tried before it counts as too high.
const TRIES: u32 = 2;
/// CPU is told for so many exchanges.
const EXCHANGES_OF_COST: f64 = 10_000.0;

/// One server under test.
struct Side {
    name: String,
    server: Server,
    meter: Meter,
    /// Highest rate of each round that lost at most 1 %.
    rate: Rounds,
    /// CPU seconds for 10,000 exchanges at the highest rate that both sides passed.
    cost: Rounds,
    offer_mean_ms: Rounds,
    avalanche_s: Rounds,
    resent: Rounds,
    /// Perfdhcp could not send more: the server's limit lies higher.
    beyond_generator: bool,
}

/// How far one side came in a round.
#[derive(Default)]
struct Climb {
    passed: Vec<Passed>,
    ended: bool,
}

/// A rate that lost at most 1 %.
#[derive(Clone, Copy)]
struct Passed {
    asked: u32,
    rate: f64,
    cpu_s: f64,
    offer_mean_ms: f64,
}

pub(crate) async fn measure(args: &DhcpArgs) -> Result<Report, CliError> {
    let mut machine = Machine::read();
    bench::prepare_loopback(&[])?;
    let progress = Progress::new(args.common.rounds as usize);
    progress.begin(format_args!("starting {MEMBERS} members"));
    let servers = Servers::start(args.common.state_dir.as_deref()).await?;
    let layout = servers.cluster.layout().clone();
    bench::prepare_loopback(&[layout.service(), kea_address(&layout), layout.relay()])?;
    let load = PerfDhcp::new(layout.relay(), args.nodes)?;
    servers.seed(args.nodes).await?;
    let kea = start_kea(&layout, args.nodes, &progress).await?;
    let mut sides = vec![Side::ours(&servers)];
    sides.extend(kea.as_ref().map(|kea| Side::theirs(kea, &layout)));
    for round in 1..=args.common.rounds {
        climb(&mut sides, &load, args, round, &progress).await?;
        if args.avalanche > 0 {
            avalanche(&mut sides, &load, args, &progress).await?;
        }
        progress.end(format_args!("round {round} is over"));
    }
    progress.finish();
    if let Some(kea) = kea {
        kea.stop().await;
    }
    servers.stop().await?;
    note_conditions(&mut machine, args, &sides);
    Ok(Report {
        bench: "dhcp",
        machine,
        results: rows(&sides, args),
    })
}

fn kea_address(layout: &Layout) -> Ipv4Addr {
    let [a, b, _, _] = layout.service().octets();
    Ipv4Addr::new(a, b, 0, 2)
}

async fn start_kea(layout: &Layout, nodes: u32, progress: &Progress) -> Result<Option<Kea>, CliError> {
    let settings = Settings {
        address: kea_address(layout),
        port: KEA_PORT,
        subnet: layout.network(),
        reservations: (0..nodes)
            .map(|node| (mac(node).to_string(), layout.node(node)))
            .collect(),
    };
    match Kea::start(&settings, layout.dir()).await {
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
    args: &DhcpArgs,
    round: u32,
    progress: &Progress,
) -> Result<(), CliError> {
    let mut climbs: Vec<Climb> = sides.iter().map(|_| Climb::default()).collect();
    let mut order: Vec<usize> = (0..sides.len()).collect();
    if round.is_multiple_of(2) {
        order.reverse();
    }
    for rate in &args.rates {
        for at in &order {
            let (side, climb) = (&mut sides[*at], &mut climbs[*at]);
            if !climb.ended {
                progress.begin(format_args!("{}, {rate} exchanges/s, round {round}", side.name));
                side.try_rate(climb, load, *rate, args.common.seconds, progress)
                    .await?;
            }
        }
    }
    let together = highest_of_all(&climbs);
    for (side, climb) in sides.iter_mut().zip(&climbs) {
        let best = climb.passed.iter().map(|passed| passed.rate).fold(0.0, f64::max);
        side.rate.add(best);
        if let Some(passed) = climb.passed.iter().find(|passed| Some(passed.asked) == together) {
            side.cost.add(passed.cpu_s);
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
    for side in sides {
        progress.begin(format_args!("{}, {} clients at once", side.name, args.avalanche));
        let result = load
            .avalanche(side.server, args.avalanche.min(args.nodes))
            .await?;
        progress.note(format_args!(
            "{}: {} clients at once in {:.2} s, {} packets sent again",
            side.name, args.avalanche, result.seconds, result.resent
        ));
        side.avalanche_s.add(result.seconds);
        side.resent.add(result.resent as f64);
    }
    Ok(())
}

impl Side {
    fn ours(servers: &Servers) -> Self {
        let server = Server {
            address: servers.cluster.layout().service(),
            port: DHCP_PORT,
        };
        Self::new("Chamois", server, servers.meter())
    }

    fn theirs(kea: &Kea, layout: &Layout) -> Self {
        let server = Server {
            address: kea_address(layout),
            port: KEA_PORT,
        };
        Self::new(kea.name(), server, Meter::new(kea.pid()))
    }

    fn new(name: &str, server: Server, meter: Meter) -> Self {
        Self {
            name: name.to_owned(),
            server,
            meter,
            rate: Rounds::default(),
            cost: Rounds::default(),
            offer_mean_ms: Rounds::default(),
            avalanche_s: Rounds::default(),
            resent: Rounds::default(),
            beyond_generator: false,
        }
    }

    /// Loads it at one rate; too many losses end its climb, as does a load that could not be sent.
    async fn try_rate(
        &mut self,
        climb: &mut Climb,
        load: &PerfDhcp,
        rate: u32,
        seconds: u64,
        progress: &Progress,
    ) -> Result<(), CliError> {
        for _ in 0..TRIES {
            let before = self.meter.read();
            let run = load.exchanges(self.server, rate, seconds).await?;
            let cpu = self.meter.read().since(before);
            progress.note(line(&self.name, &run));
            if run.acks == 0 && climb.passed.is_empty() {
                let text = format!("{} answered no DHCP exchange at {rate}/s", self.name);
                return Err(CliError::new(Kind::Unavailable, text));
            }
            if run.is_clean() {
                climb.passed.push(Passed {
                    asked: rate,
                    rate: run.rate(),
                    cpu_s: cpu.cpu.as_secs_f64() * EXCHANGES_OF_COST / run.acks as f64,
                    offer_mean_ms: run.offer_mean_ms,
                });
                climb.ended = run.is_generators_limit();
                self.beyond_generator |= climb.ended;
                return Ok(());
            }
        }
        climb.ended = true;
        Ok(())
    }
}

fn line(name: &str, run: &Exchanges) -> String {
    format!(
        "{name} at {}/s: {:.0}/s, {:.2} % lost, first answer {:.2} ms on average, {:.1} ms at most",
        run.asked,
        run.rate(),
        run.drops_percent(),
        run.offer_mean_ms,
        run.offer_max_ms
    )
}

fn note_conditions(machine: &mut Machine, args: &DhcpArgs, sides: &[Side]) {
    machine.note(format!(
        "{MEMBERS} members, one Kea (memfile, persisted, one thread), {} reservations each; perfdhcp as a relay, on loopback in a network namespace of their own, all at normal priority",
        args.nodes
    ));
    machine.note(format!(
        "{} s at each rate, at most {DROPS_PERCENT_MAX} % lost, best of {TRIES}; {} rounds in turn; perfdhcp and servers share the host",
        args.common.seconds, args.common.rounds
    ));
    for side in sides.iter().filter(|side| side.beyond_generator) {
        machine.note(format!(
            "{} took all that perfdhcp could send; its limit lies higher",
            side.name
        ));
    }
}

fn rows(sides: &[Side], args: &DhcpArgs) -> Vec<Row> {
    let Some((ours, others)) = sides.split_first() else {
        return Vec::new();
    };
    let theirs = others.first();
    let peer = theirs.map(|side| side.name.as_str()).unwrap_or_default();
    let less = |name: String, unit, pick: fn(&Side) -> &Rounds| {
        Row::less(name, unit, pick(ours), theirs.map(pick)).beside(peer)
    };
    let rate = Row::more(
        "exchanges with at most 1 % lost",
        "1/s",
        &ours.rate,
        theirs.map(|side| &side.rate),
    );
    let mut rows = vec![
        rate.beside(peer).aiming(Aim::RatioAtLeast(1.0)),
        less("CPU per 10,000 exchanges".to_owned(), "s", |side| &side.cost),
        less("mean time to a DHCPOFFER".to_owned(), "ms", |side| {
            &side.offer_mean_ms
        }),
    ];
    if args.avalanche > 0 {
        let clients = args.avalanche;
        rows.push(less(format!("{clients} clients at once"), "s", |side| {
            &side.avalanche_s
        }));
        rows.push(less(
            format!("packets sent again, {clients} clients at once"),
            "",
            |side| &side.resent,
        ));
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn climb_to(rates: &[u32]) -> Climb {
        let passed = |asked: &u32| Passed {
            asked: *asked,
            rate: f64::from(*asked),
            cpu_s: 1.0,
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

    #[test]
    fn without_kea_our_figures_stand_alone() {
        let server = Server {
            address: Ipv4Addr::LOCALHOST,
            port: 1,
        };
        let mut side = Side::new("Chamois", server, Meter::new([]));
        side.rate.add(9000.0);
        let args = DhcpArgs {
            common: super::super::args::Common {
                seconds: 1,
                rounds: 1,
                json: true,
                state_dir: None,
            },
            nodes: 10,
            rates: vec![100],
            avalanche: 0,
        };
        let alone = rows(&[side], &args);
        assert_eq!(alone.len(), 3, "no avalanche was asked for");
        assert_eq!((alone[0].ours, alone[0].peer, alone[0].met), (9000.0, None, None));
    }
}
