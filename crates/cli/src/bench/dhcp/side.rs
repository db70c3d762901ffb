//! One server under test: whom to ask, and how it bears a rate.

use std::net::Ipv4Addr;

use bench::kea::Kea;
use bench::perfdhcp::{Exchanges, PerfDhcp, Server};
use bench::{BenchError, Meter, Rounds};

use super::super::progress::Progress;
use super::super::servers::Servers;
use crate::demo::{DHCP_PORT, Layout, mac};
use crate::error::{CliError, Kind};

/// Kea's port: its address is its own, but 67 is the relay's.
pub(super) const KEA_PORT: u16 = 6768;
/// How often a rate that lost too much is tried before it counts as too high.
pub(super) const TRIES: u32 = 2;
/// So many nodes, spread over all of them, are asked for their addresses before the load.
pub(super) const CHECKED_NODES: u32 = 100;
/// CPU and bytes to disk are told for so many exchanges.
const EXCHANGES_OF_COST: f64 = 10_000.0;
const KIB: f64 = 1024.0;

/// One server under test.
pub(super) struct Side {
    pub(super) name: String,
    pub(super) server: Server,
    pub(super) meter: Meter,
    /// Highest rate of each round that lost at most 1 %.
    pub(super) rate: Rounds,
    /// CPU seconds for 10,000 exchanges at the highest rate that both sides passed.
    pub(super) cost: Rounds,
    /// KiB to disk for as many exchanges at that rate.
    pub(super) disk_kib: Rounds,
    pub(super) offer_mean_ms: Rounds,
    pub(super) avalanche_s: Rounds,
    pub(super) resent: Rounds,
    /// Perfdhcp could not send more: the server's limit lies higher.
    pub(super) beyond_generator: bool,
}

/// How far one side came in a round.
#[derive(Default)]
pub(super) struct Climb {
    pub(super) passed: Vec<Passed>,
    pub(super) ended: bool,
}

/// A rate that lost at most 1 %.
#[derive(Clone, Copy)]
pub(super) struct Passed {
    pub(super) asked: u32,
    pub(super) rate: f64,
    pub(super) cpu_s: f64,
    pub(super) disk_kib: f64,
    pub(super) offer_mean_ms: f64,
}

impl Side {
    pub(super) fn ours(servers: &Servers) -> Result<Self, CliError> {
        let server = Server {
            address: servers.cluster.layout().service(),
            port: DHCP_PORT,
        };
        Ok(Self::new("Chamois", server, servers.meter()?))
    }

    pub(super) fn theirs(kea: &mut Kea, layout: &Layout) -> Result<Self, CliError> {
        let server = Server {
            address: kea_address(layout),
            port: KEA_PORT,
        };
        let meter = Meter::new([kea.pid()?]);
        Ok(Self::new(kea.name(), server, meter))
    }

    pub(super) fn new(name: &str, server: Server, meter: Meter) -> Self {
        Self {
            name: name.to_owned(),
            server,
            meter,
            rate: Rounds::default(),
            cost: Rounds::default(),
            disk_kib: Rounds::default(),
            offer_mean_ms: Rounds::default(),
            avalanche_s: Rounds::default(),
            resent: Rounds::default(),
            beyond_generator: false,
        }
    }

    /// Asks for some nodes' addresses: whoever gives wrong ones quickly must not be measured.
    pub(super) async fn check_addresses(&self, layout: &Layout, nodes: u32) -> Result<(), CliError> {
        for node in sample(nodes) {
            let (mac, own) = (mac(node), layout.node(node));
            let offered = bench::offered_address(layout.relay(), self.server, mac.0).await?;
            if offered != own {
                let text = format!("{} offers {offered} to {mac}, reserved is {own}", self.name);
                return Err(CliError::new(Kind::Other, text));
            }
        }
        Ok(())
    }

    /// Loads it at one rate; too many losses end its climb, as does a load that could not be sent.
    pub(super) async fn try_rate(
        &mut self,
        climb: &mut Climb,
        load: &PerfDhcp,
        rate: u32,
        seconds: u64,
        progress: &Progress,
    ) -> Result<(), CliError> {
        for _ in 0..TRIES {
            let before = self.meter.read()?;
            let run = match load.exchanges(self.server, rate, seconds).await {
                Ok(run) => run,
                // a rate that cannot be got through is too high
                Err(BenchError::TimedOut { what, seconds }) => {
                    progress.note(format_args!("{}: {what} took more than {seconds} s", self.name));
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let cost = self.meter.read()?.since(before);
            progress.note(line(&self.name, &run));
            self.check_answers(&run, climb.passed.is_empty())?;
            if run.is_clean() {
                let share = EXCHANGES_OF_COST / run.acks as f64;
                climb.passed.push(Passed {
                    asked: rate,
                    rate: run.rate(),
                    cpu_s: cost.cpu.as_secs_f64() * share,
                    disk_kib: cost.disk_bytes as f64 / KIB * share,
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

    /// A server that answers nothing at its first rate, or what perfdhcp does not take, has no rate.
    fn check_answers(&self, run: &Exchanges, is_first: bool) -> Result<(), CliError> {
        if run.acks == 0 && is_first {
            let text = format!("{} answered no DHCP exchange at {}/s", self.name, run.asked);
            return Err(CliError::new(Kind::Unavailable, text));
        }
        if run.rejected > 0 {
            let text = format!("perfdhcp rejected {} answers of {}", run.rejected, self.name);
            return Err(CliError::new(Kind::Other, text));
        }
        Ok(())
    }
}

/// Up to [`CHECKED_NODES`], the first and the last among them.
fn sample(nodes: u32) -> impl Iterator<Item = u32> {
    let count = nodes.min(CHECKED_NODES);
    let last = u64::from(nodes.saturating_sub(1));
    let steps = u64::from(count.saturating_sub(1)).max(1);
    (0..count).map(move |at| (u64::from(at) * last / steps) as u32)
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

pub(super) fn kea_address(layout: &Layout) -> Ipv4Addr {
    let [a, b, _, _] = layout.service().octets();
    Ipv4Addr::new(a, b, 0, 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first and the last node are those that an error in counting would miss.
    #[test]
    fn the_checked_nodes_are_spread_over_all() {
        assert_eq!(sample(0).count(), 0);
        assert_eq!(sample(1).collect::<Vec<_>>(), [0]);
        assert_eq!(sample(3).collect::<Vec<_>>(), [0, 1, 2]);
        let many: Vec<u32> = sample(10_000).collect();
        assert_eq!((many.len(), many[0], many[99]), (100, 0, 9999));
        assert!(many.windows(2).all(|two| two[0] < two[1]));
    }

    #[test]
    fn answers_that_are_refused_end_the_run() {
        let server = Server {
            address: Ipv4Addr::LOCALHOST,
            port: 1,
        };
        let side = Side::new("Chamois", server, Meter::new([]));
        let run = |acks, rejected| Exchanges {
            asked: 10,
            discovers: 10,
            offers: 10,
            requests: 10,
            acks,
            offer_mean_ms: 0.1,
            offer_max_ms: 0.1,
            rejected,
            seconds: 1.0,
        };
        assert!(side.check_answers(&run(10, 0), true).is_ok());
        assert!(
            side.check_answers(&run(0, 0), false).is_ok(),
            "the end of its climb"
        );
        assert!(side.check_answers(&run(0, 0), true).is_err());
        assert!(side.check_answers(&run(9, 1), false).is_err());
    }
}
