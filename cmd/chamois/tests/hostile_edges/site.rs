//! A member, whoever uses it as it is meant, and his attackers.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::common::exposition::{Page, parse};
use crate::common::http::{Administrator, connect_from, get};
use crate::common::{Member, Single};
use crate::frames::Raw;

pub(crate) const GRPC: u16 = 7441;
pub(crate) const HTTPS: u16 = 8443;
pub(crate) const PEERS: u16 = 7440;
/// Whose clients need no certificate.
pub(crate) const API_PORTS: [u16; 2] = [GRPC, HTTPS];

/// Nothing here takes longer, but what waits for a member's own time-out.
pub(crate) const BOUND: Duration = Duration::from_secs(20);
/// Rounds of the healthy client before an attack, and at least as many during it.
const HEALTHY_ROUNDS: usize = 30;
/// Between two of his rounds: he is one of many, and no flood.
const HEALTHY_PAUSE: Duration = Duration::from_millis(10);
/// No round of his takes longer, on however slow a machine; how much longer than before is for the long tests.
const ROUND_MAX: Duration = Duration::from_secs(10);
/// What an attack may add to the memory of a member, bytes. A healthy round adds some; a leak of what was sent here, far more.
const MEMORY_MORE_MAX: u64 = 192 << 20;
const COMPONENTS: &str = "/hsm/v2/State/Components";

/// A running member.
pub(crate) struct Site {
    pub(crate) single: Single,
    pub(crate) administrator: Administrator,
    member: Member,
}

impl Site {
    pub(crate) fn start() -> Site {
        Self::start_with("")
    }

    /// With more lines in `[api]`.
    pub(crate) fn start_with(api: &str) -> Site {
        rpc::tls::install_crypto_provider();
        let single = Single::prepare();
        single.configure_api(1, api);
        let mut member = single.start();
        let administrator = Administrator::new(&single.identities());
        let own = single.own();
        member.until("it leads", || {
            administrator.send(own, "GET", COMPONENTS, "").status == 200
        });
        Site {
            single,
            administrator,
            member,
        }
    }

    pub(crate) fn address(&self, port: u16) -> SocketAddr {
        SocketAddr::new(IpAddr::V4(self.single.own()), port)
    }

    /// A connection from 127.1.2.`last`: the limits of one address must not be another's.
    pub(crate) fn tcp(&self, last: u8, port: u16) -> std::io::Result<TcpStream> {
        let stream = connect_from(Ipv4Addr::new(127, 1, 2, last), self.address(port))?;
        stream.set_read_timeout(Some(BOUND))?;
        stream.set_write_timeout(Some(BOUND))?;
        Ok(stream)
    }

    /// One that speaks HTTP/2 by the frame.
    pub(crate) fn raw(&self, last: u8, port: u16) -> Raw {
        let stream = self.tcp(last, port).unwrap();
        Raw::connect(&self.single.ca(), stream)
    }

    pub(crate) fn page(&self) -> Page {
        let answer = self.administrator.send(self.single.own(), "GET", "/metrics", "");
        assert_eq!(answer.status, 200, "{answer:?}");
        parse(&answer.body).unwrap()
    }

    /// What the port says that it has refused for this reason.
    pub(crate) fn refused(&self, port: u16, reason: &str) -> f64 {
        let (family, name) = match port {
            HTTPS => ("chamois_gateway_events_total", "api"),
            GRPC => ("chamois_grpc_events_total", "api"),
            _ => ("chamois_grpc_events_total", "peer"),
        };
        self.page().value(family, &[("port", name), ("reason", reason)])
    }

    /// Does `attack`, while somebody else uses the member as it is meant: all that he asks is answered, in order, and the
    /// member is as it was. How much longer he waited is printed.
    pub(crate) fn while_it_serves<T>(&mut self, attack: impl FnOnce(&Site) -> T) -> T {
        let (quiet, memory) = (self.healthy_rounds(&AtomicBool::new(false)), self.memory_bytes());
        let attacked = AtomicBool::new(true);
        let site = &*self;
        let (given, during) = std::thread::scope(|scope| {
            let healthy = scope.spawn(|| site.healthy_rounds(&attacked));
            // he is let go whatever becomes of the attack
            let given = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| attack(site)));
            attacked.store(false, Ordering::Relaxed);
            let during = healthy.join().unwrap();
            (
                given.unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
                during,
            )
        });
        let more = self.memory_bytes().saturating_sub(memory);
        assert!(more < MEMORY_MORE_MAX, "it takes {more} bytes more");
        let (before, now) = (slowest_but_few(&quiet), slowest_but_few(&during));
        let ratio = now.as_secs_f64() / before.as_secs_f64();
        println!(
            "healthy client, 90 % of rounds within: {before:?} before, {now:?} during ({ratio:.1}x), {} rounds; {more} bytes more",
            during.len()
        );
        let slowest = during.iter().max().copied().unwrap_or_default();
        assert!(
            slowest < ROUND_MAX,
            "the slowest of {} rounds took {slowest:?}",
            during.len()
        );
        if std::env::var_os("CHAMOIS_LONG").is_some_and(|value| value == "1") {
            assert!(ratio < 2.0, "{before:?} before, {now:?} during");
        }
        self.assert_unharmed();
        given
    }

    /// Asks, until it is told to stop and has done its rounds, as many components as are there; the time of each round.
    fn healthy_rounds(&self, goes_on: &AtomicBool) -> Vec<Duration> {
        let (own, http) = (self.single.own(), self.single.http());
        let mut rounds = Vec::new();
        while rounds.len() < HEALTHY_ROUNDS || goes_on.load(Ordering::Relaxed) {
            let began = Instant::now();
            let answer = self.administrator.send(own, "GET", COMPONENTS, "");
            assert_eq!(answer.status, 200, "round {}: {answer:?}", rounds.len());
            let ready = get(http, "/readyz");
            assert_eq!(ready.status, 200, "round {}: {ready:?}", rounds.len());
            rounds.push(began.elapsed());
            std::thread::sleep(HEALTHY_PAUSE);
        }
        rounds
    }

    fn memory_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.member.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_ascii_whitespace()
            .nth(1)
            .unwrap()
            .parse::<u64>()
            .unwrap()
            * 1024
    }

    fn assert_unharmed(&mut self) {
        assert_eq!(self.member.child.try_wait().unwrap(), None);
        assert!(!self.member.log().contains("panic"), "{}", self.member.log());
    }
}

/// The longest round but a tenth.
fn slowest_but_few(rounds: &[Duration]) -> Duration {
    let mut sorted = rounds.to_vec();
    sorted.sort_unstable();
    sorted[sorted.len() * 9 / 10]
}
