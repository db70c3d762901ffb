//! Debian's `perfdhcp` as the load of both DHCP servers: it plays a relay with thousands of clients behind it.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use tokio::process::Command;

use crate::BenchError;
use crate::tools::{PERFDHCP, find};

/// The first of the clients that are the same in every run.
const FIRST_MAC: &str = "mac=02:00:00:00:00:00";
/// An answer that comes so long after the end of the load still counts.
const ANSWERS_WAIT: Duration = Duration::from_secs(1);
/// Beyond the load itself perfdhcp needs no longer than this.
const SPARE: Duration = Duration::from_secs(10);
/// An avalanche that takes longer is not over soon; it counts as longer than this.
pub const AVALANCHE_MAX: Duration = Duration::from_secs(60);
/// A load below this share of what was asked for is the generator's limit, not the server's.
const SENT_SHARE_MIN: f64 = 0.95;
/// Lost exchanges that count as none, of one hundred.
pub const DROPS_PERCENT_MAX: f64 = 1.0;

/// Whom it asks, as whom.
#[derive(Clone, Debug)]
pub struct PerfDhcp {
    program: PathBuf,
    relay: Ipv4Addr,
    clients: Clients,
}

/// Which MACs its clients have.
#[derive(Clone, Debug)]
enum Clients {
    /// So many, the same in every run: 02:00:00:00:00:00 and those after it.
    Same(u32),
    /// Others in every run; the number of the next one.
    New(Arc<AtomicU16>),
}

/// Where a server listens.
#[derive(Clone, Copy, Debug)]
pub struct Server {
    /// Its address.
    pub address: Ipv4Addr,
    /// Its port.
    pub port: u16,
}

/// What came of four-way exchanges at a rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exchanges {
    /// Asked for, exchanges a second.
    pub asked: u32,
    /// DHCPDISCOVERs that were sent.
    pub discovers: u64,
    /// DHCPOFFERs that came back.
    pub offers: u64,
    /// DHCPREQUESTs that were sent.
    pub requests: u64,
    /// DHCPACKs that came back.
    pub acks: u64,
    /// Mean time to a DHCPOFFER, milliseconds.
    pub offer_mean_ms: f64,
    /// Longest of them.
    pub offer_max_ms: f64,
    /// Answers that perfdhcp did not take.
    pub rejected: u64,
    /// How long was sent, seconds.
    pub seconds: f64,
}

/// What came of clients that all came at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Avalanche {
    /// From the first packet to the last lease, seconds.
    pub seconds: f64,
    /// Packets that had to be sent again.
    pub resent: u64,
}

impl PerfDhcp {
    /// A load of `clients` clients behind the relay `relay`, an address of this host. Their MACs are
    /// 02:00:00:00:00:00 and those after it.
    ///
    /// # Errors
    /// `Missing` without perfdhcp on this host.
    pub fn new(relay: Ipv4Addr, clients: u32) -> Result<PerfDhcp, BenchError> {
        Ok(PerfDhcp {
            program: find(PERFDHCP)?,
            relay,
            clients: Clients::Same(clients),
        })
    }

    /// A load in which no client comes twice: in run `r` they have the MACs 06:00 and `r` in two bytes, then a number.
    /// An address that two of them get counts as rejected.
    ///
    /// # Errors
    /// `Missing` without perfdhcp on this host.
    pub fn of_new_clients(relay: Ipv4Addr) -> Result<PerfDhcp, BenchError> {
        Ok(PerfDhcp {
            program: find(PERFDHCP)?,
            relay,
            clients: Clients::New(Arc::default()),
        })
    }

    /// Begins `rate` exchanges a second for `seconds`.
    ///
    /// # Errors
    /// If it cannot be run or prints something else than is known; `TimedOut` if it does not end.
    pub async fn exchanges(&self, server: Server, rate: u32, seconds: u64) -> Result<Exchanges, BenchError> {
        let wait = ANSWERS_WAIT.as_micros().to_string();
        let (rate_text, period) = (rate.to_string(), seconds.to_string());
        let mut options = vec!["-r", &rate_text, "-p", &period, "-W", &wait];
        // a little more than can come: after the last one they would begin anew
        let all = u64::from(rate) * (seconds + 1);
        let (base, clients) = match &self.clients {
            Clients::Same(clients) => (FIRST_MAC.to_owned(), clients.to_string()),
            Clients::New(next) => (new_macs(next.fetch_add(1, Ordering::Relaxed)), all.to_string()),
        };
        options.extend(["-b", &base, "-R", &clients]);
        if matches!(self.clients, Clients::New(_)) {
            options.push("-u");
        }
        let text = self
            .run(server, &options, Duration::from_secs(seconds) + SPARE)
            .await?;
        Exchanges::parse(&text, rate, seconds as f64)
    }

    /// Sends all clients at once and waits until every one has its lease; who hears nothing backs off and asks again.
    ///
    /// # Errors
    /// As [`PerfDhcp::exchanges`]; `TimedOut` if they have no leases within a minute.
    pub async fn avalanche(&self, server: Server, clients: u32) -> Result<Avalanche, BenchError> {
        let clients = clients.to_string();
        let options = ["--scenario", "avalanche", "-b", FIRST_MAC, "-R", &clients];
        let text = self.run(server, &options, AVALANCHE_MAX).await?;
        Avalanche::parse(&text)
    }

    async fn run(&self, server: Server, options: &[&str], at_most: Duration) -> Result<String, BenchError> {
        let mut command = Command::new(&self.program);
        command
            .args(["-4", "-l", &self.relay.to_string()])
            .args(["-N", &server.port.to_string()])
            .args(options)
            .arg(server.address.to_string())
            .kill_on_drop(true);
        let output = tokio::time::timeout(at_most, command.output()).await;
        let output = output.map_err(|_| BenchError::TimedOut {
            what: format!("perfdhcp {}", options.join(" ")),
            seconds: at_most.as_secs(),
        })?;
        // it ends with 3 when exchanges were lost: that is a result
        let output = output.map_err(BenchError::step("cannot run perfdhcp"))?;
        Ok(format!(
            "{}\n{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        ))
    }
}

impl Exchanges {
    /// Leases a second.
    pub fn rate(&self) -> f64 {
        self.acks as f64 / self.seconds
    }

    /// Of a hundred messages of the worse half of the exchange, how many were not answered.
    pub fn drops_percent(&self) -> f64 {
        let lost =
            |sent: u64, answered: u64| 100.0 * sent.saturating_sub(answered) as f64 / sent.max(1) as f64;
        lost(self.discovers, self.offers).max(lost(self.requests, self.acks))
    }

    /// Whether the server answered as good as everything, and with nothing that was refused.
    pub fn is_clean(&self) -> bool {
        self.acks > 0 && self.rejected == 0 && self.drops_percent() <= DROPS_PERCENT_MAX
    }

    /// Whether perfdhcp could not send what it was asked to.
    pub fn is_generators_limit(&self) -> bool {
        (self.discovers as f64) < SENT_SHARE_MIN * f64::from(self.asked) * self.seconds
    }

    fn parse(text: &str, asked: u32, seconds: f64) -> Result<Exchanges, BenchError> {
        let offers = section(text, "DISCOVER-OFFER")?;
        let acks = section(text, "REQUEST-ACK")?;
        Ok(Exchanges {
            asked,
            discovers: number(offers, "sent packets:")? as u64,
            offers: number(offers, "received packets:")? as u64,
            requests: number(acks, "sent packets:")? as u64,
            acks: number(acks, "received packets:")? as u64,
            // with no answer at all there are no times
            offer_mean_ms: number(offers, "avg delay:").unwrap_or(0.0),
            offer_max_ms: number(offers, "max delay:").unwrap_or(0.0),
            rejected: rejected(offers) + rejected(acks),
            seconds,
        })
    }
}

impl Avalanche {
    fn parse(text: &str) -> Result<Avalanche, BenchError> {
        let took = after(text, "It took ").and_then(|rest| rest.split(' ').next());
        let seconds = took
            .and_then(seconds_of_clock)
            .ok_or_else(|| missing(text, "It took"))?;
        Ok(Avalanche {
            seconds,
            resent: number(text, "Requests resent:")? as u64,
        })
    }
}

fn new_macs(run: u16) -> String {
    let [high, low] = run.to_be_bytes();
    format!("mac=06:00:{high:02x}:{low:02x}:00:00")
}

/// Kea's older perfdhcp does not count them.
fn rejected(section: &str) -> u64 {
    number(section, "rejected leases:").unwrap_or(0.0) as u64
}

/// The statistics of one kind of exchange.
fn section<'a>(text: &'a str, kind: &str) -> Result<&'a str, BenchError> {
    let title = format!("***Statistics for: {kind}***");
    let rest = after(text, &title).ok_or_else(|| missing(text, &title))?;
    Ok(rest.split("***Statistics").next().unwrap_or(rest))
}

fn number(text: &str, label: &str) -> Result<f64, BenchError> {
    let word = after(text, label).and_then(|rest| rest.split_whitespace().next());
    word.and_then(|word| word.parse().ok())
        .ok_or_else(|| missing(text, label))
}

fn after<'a>(text: &'a str, label: &str) -> Option<&'a str> {
    text.find(label).map(|at| &text[at + label.len()..])
}

/// `00:00:02.010351`
fn seconds_of_clock(text: &str) -> Option<f64> {
    let mut parts = text.split(':').map(|part| part.parse::<f64>().ok());
    let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
    Some(hours * 3600.0 + minutes * 60.0 + seconds)
}

fn missing(text: &str, label: &str) -> BenchError {
    let last = text
        .lines()
        .rev()
        .find(|line| !line.trim().is_empty())
        .unwrap_or("nothing");
    BenchError::Output {
        program: "perfdhcp",
        problem: format!("no `{label}`; it ends with: {last}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As perfdhcp 2.2.0 prints it, shortened.
    const BASIC: &str = "\
Running: perfdhcp -4 -r 3000 -R 1000 -p 3 127.173.0.1
***Rate statistics***
Rate: 2998.7 4-way exchanges/second, expected rate: 3000

***Statistics for: DISCOVER-OFFER***
sent packets: 9000
received packets: 8955
drops: 45
drops ratio: 0.5 %
rejected leases: 0

min delay: 0.019 ms
avg delay: 0.040 ms
max delay: 2.306 ms
***Statistics for: REQUEST-ACK***
sent packets: 8955
received packets: 8775
drops: 180
avg delay: 0.041 ms
";
    const AVALANCHE: &str = "\
2026-Nov-25 12:50:06.829866 REQUEST-ACK: still waiting for 1 answers, resent 1, retrying 77
***Statistics for: DISCOVER-OFFER***
sent packets: 1000
It took 00:01:02.010351 to provision 1000 clients. \n\
Requests sent + resent: 2543
Requests resent: 543
Responses received: 2000
";

    #[test]
    fn the_statistics_of_both_halves_are_read() {
        let run = Exchanges::parse(BASIC, 3000, 3.0).unwrap();
        assert_eq!(
            (run.discovers, run.offers, run.requests, run.acks),
            (9000, 8955, 8955, 8775)
        );
        assert_eq!((run.offer_mean_ms, run.offer_max_ms), (0.040, 2.306));
        assert_eq!(run.rate(), 2925.0);
        let refused = BASIC.replace("rejected leases: 0", "rejected leases: 3");
        assert_eq!(Exchanges::parse(&refused, 3000, 3.0).unwrap().rejected, 3);
        assert!(
            (run.drops_percent() - 100.0 * 180.0 / 8955.0).abs() < 1e-9,
            "the worse half counts"
        );
        assert!(!run.is_clean() && !run.is_generators_limit());
    }

    /// A server that answers nothing must not pass as one that lost nothing.
    #[test]
    fn no_answers_are_not_clean() {
        let silent = Exchanges {
            asked: 10,
            discovers: 10,
            offers: 0,
            requests: 0,
            acks: 0,
            offer_mean_ms: 0.0,
            offer_max_ms: 0.0,
            rejected: 0,
            seconds: 1.0,
        };
        assert!(!silent.is_clean());
        let slow = Exchanges {
            discovers: 9,
            offers: 9,
            requests: 9,
            acks: 9,
            ..silent
        };
        assert!(slow.is_clean() && slow.is_generators_limit(), "9 of 10 were sent");
        let refused = Exchanges { rejected: 1, ..slow };
        assert!(!refused.is_clean(), "an answer that no client would take");
    }

    #[test]
    fn an_avalanche_has_a_time_and_what_was_sent_again() {
        let avalanche = Avalanche::parse(AVALANCHE).unwrap();
        assert_eq!(avalanche.resent, 543);
        assert!((avalanche.seconds - 62.010_351).abs() < 1e-9);
    }

    #[test]
    fn new_clients_are_others_in_every_run() {
        assert_eq!(new_macs(0), "mac=06:00:00:00:00:00");
        assert_eq!(new_macs(0x0107), "mac=06:00:01:07:00:00");
    }

    /// When it refuses to run, its own last words are what helps.
    #[test]
    fn other_output_is_an_error_with_its_last_line() {
        let text = "Scenario: basic.\n\nERROR: running perfdhcp: There is no such address 127.1.2.1\n\n";
        let error = Exchanges::parse(text, 1, 1.0).unwrap_err().to_string();
        assert!(error.contains("There is no such address"), "{error}");
        assert!(Avalanche::parse(text).is_err());
    }
}
