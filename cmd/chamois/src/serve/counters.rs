//! What the servers of this member have counted, gathered in one place: for [`super::metrics`], and for the log.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::ServeError;
use super::drain::Stop;
use super::metrics::{Exposition, Kind};

/// Pause between two looks for the log: an operator sees in the same minute that packets are dropped.
const LOG_PAUSE: Duration = Duration::from_secs(60);

type Read = Box<dyn Fn() -> Vec<(&'static str, u64)> + Send + Sync>;

/// One server's counters.
struct Source {
    server: Server,
    /// Value of the server's label: which network, or which port.
    place: String,
    read: Read,
}

/// Whose counters they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Server {
    /// Answers and reasons of silence, per network.
    Dhcp,
    /// The same of DHCPv6, and messages by type.
    Dhcp6,
    /// Other DHCP servers that were seen, and addresses that were asked for, per network.
    DhcpGuard,
    /// Transfers, refusals and bytes, per network.
    Tftp,
    /// Questions by what became of them, per network.
    Dns,
    /// Router Advertisements and what asked for them, per network.
    RouterAdverts,
    /// What members tell each other of service addresses, and what was not believed, per network.
    Adverts,
    /// What the HTTP ports refused or survived, per port.
    Gateway,
    /// What the gRPC ports refused, per port.
    Grpc,
    /// What Raft's log has written.
    Raft,
    /// What was seen of boots, and what became of it.
    Timeline,
    /// Jobs about BMCs, and connections to BMCs.
    Discovery,
    /// Certificates that a CA gives by itself.
    Acme,
}

/// All sources; cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Counters(Arc<Mutex<Vec<Source>>>);

/// Every count by server, place and reason.
type Counts = BTreeMap<(Server, String, &'static str), u64>;

impl Server {
    /// Metric, name of the label that tells its series apart, and what it counts.
    fn metric(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Dhcp => (
                "chamois_dhcp_packets_total",
                "network",
                "DHCP packets by what became of them.",
            ),
            Self::Dhcp6 => (
                "chamois_dhcp6_packets_total",
                "network",
                "DHCPv6 packets by type and by what became of them.",
            ),
            Self::DhcpGuard => (
                "chamois_dhcp_guard_total",
                "network",
                "Answers of other DHCP servers (`rogue_…`, `expected_…`, `observed_…`), and new addresses that were asked for.",
            ),
            Self::Tftp => (
                "chamois_tftp_events_total",
                "network",
                "TFTP requests by what became of them; `bytes` counts bytes of data.",
            ),
            Self::Dns => (
                "chamois_dns_events_total",
                "network",
                "DNS questions by what became of them, and connections that were ended.",
            ),
            Self::RouterAdverts => (
                "chamois_router_advertisements_total",
                "network",
                "Router Solicitations heard and Router Advertisements sent, or why not.",
            ),
            Self::Adverts => (
                "chamois_address_adverts_total",
                "network",
                "Datagrams between members about service addresses, by what became of them.",
            ),
            Self::Gateway => (
                "chamois_gateway_events_total",
                "port",
                "What the HTTP ports refused or survived.",
            ),
            Self::Grpc => (
                "chamois_grpc_events_total",
                "port",
                "What the gRPC ports refused: connections, handshakes, and clients that ask or read nothing.",
            ),
            Self::Raft => (
                "chamois_raft_events_total",
                "part",
                "What Raft's log has written; `syncs` counts calls that bring it to disk.",
            ),
            Self::Timeline => (
                "chamois_boot_timeline_events_total",
                "part",
                "What was seen of boots (`dropped`: no room), and the entries of the log that tell of it (`told`).",
            ),
            Self::Discovery => (
                "chamois_discovery_events_total",
                "part",
                "Jobs that this member has taken, by kind, and its connections to BMCs, by what became of them.",
            ),
            Self::Acme => (
                "chamois_acme_events_total",
                "port",
                "Certificates that this member has ordered by ACME, and orders that failed.",
            ),
        }
    }

    /// As the log names it.
    fn name(self) -> &'static str {
        match self {
            Self::Dhcp => "dhcp",
            Self::Dhcp6 => "dhcpv6",
            Self::DhcpGuard => "other dhcp servers",
            Self::Tftp => "tftp",
            Self::Dns => "dns",
            Self::RouterAdverts => "router advertisements",
            Self::Adverts => "address adverts",
            Self::Gateway => "gateway",
            Self::Grpc => "grpc",
            Self::Raft => "raft",
            Self::Timeline => "boot timeline",
            Self::Discovery => "discovery",
            Self::Acme => "acme",
        }
    }
}

impl Counters {
    /// Adds the counters of one server; `place` is its network or port.
    pub(super) fn add<I>(
        &self,
        server: Server,
        place: impl Into<String>,
        read: impl Fn() -> I + Send + Sync + 'static,
    ) where
        I: IntoIterator<Item = (&'static str, u64)>,
    {
        let source = Source {
            server,
            place: place.into(),
            read: Box::new(move || read().into_iter().collect()),
        };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(source);
    }

    fn now(&self) -> Counts {
        let sources = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut counts = Counts::new();
        for source in sources.iter() {
            for (reason, count) in (source.read)() {
                *counts
                    .entry((source.server, source.place.clone(), reason))
                    .or_default() += count;
            }
        }
        counts
    }

    /// Adds one family for each kind of server that has counters.
    pub(super) fn add_to(&self, page: &mut Exposition) {
        let counts = self.now();
        let servers: BTreeSet<Server> = counts.keys().map(|(server, ..)| *server).collect();
        for server in servers {
            let (metric, label, help) = server.metric();
            let mut family = page.family(metric, Kind::Counter, help);
            for ((of, place, reason), count) in &counts {
                if *of == server {
                    family.sample(&[(label, place), ("reason", reason)], count);
                }
            }
        }
    }

    /// Logs every minute, and at the drain, what has been counted since the last time, if anything was.
    pub(super) async fn log(self, stop: Stop) -> Result<(), ServeError> {
        let mut before = Counts::new();
        loop {
            let goes_on = stop.unless(tokio::time::sleep(LOG_PAUSE)).await.is_some();
            let now = self.now();
            for ((server, place), increments) in increments(&before, &now) {
                tracing::info!(server = server.name(), place, increments, "counted");
            }
            before = now;
            if !goes_on {
                return Ok(());
            }
        }
    }
}

/// `offers +3, unknown_mac +1` per server and place; nothing for those that did not count.
fn increments(before: &Counts, now: &Counts) -> BTreeMap<(Server, String), String> {
    let mut lines: BTreeMap<(Server, String), String> = BTreeMap::new();
    for (key, count) in now {
        let increment = count.saturating_sub(before.get(key).copied().unwrap_or(0));
        if increment > 0 {
            let (server, place, reason) = key;
            let line = lines.entry((*server, place.clone())).or_default();
            let comma = if line.is_empty() { "" } else { ", " };
            let _infallible = write!(line, "{comma}{reason} +{increment}");
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    fn counted(offers: u64) -> (Counters, Arc<AtomicU64>) {
        let (counters, value) = (Counters::default(), Arc::new(AtomicU64::new(offers)));
        let read = Arc::clone(&value);
        counters.add(Server::Dhcp, "boot", move || {
            [("offers", read.load(Ordering::Relaxed)), ("unknown_mac", 1)]
        });
        counters.add(Server::Gateway, "nodes", || [("connections_refused", 0)]);
        (counters, value)
    }

    /// A page with one family in two pieces is refused as a whole.
    #[test]
    fn the_counters_of_all_places_are_one_family() {
        let (counters, _) = counted(7);
        counters.add(Server::Dhcp, "management", || [("offers", 2)]);
        let mut page = Exposition::default();
        counters.add_to(&mut page);
        let expected = "\
# HELP chamois_dhcp_packets_total DHCP packets by what became of them.
# TYPE chamois_dhcp_packets_total counter
chamois_dhcp_packets_total{network=\"boot\",reason=\"offers\"} 7
chamois_dhcp_packets_total{network=\"boot\",reason=\"unknown_mac\"} 1
chamois_dhcp_packets_total{network=\"management\",reason=\"offers\"} 2
# HELP chamois_gateway_events_total What the HTTP ports refused or survived.
# TYPE chamois_gateway_events_total counter
chamois_gateway_events_total{port=\"nodes\",reason=\"connections_refused\"} 0
";
        assert_eq!(page.into_text(), expected);
    }

    /// A quiet member must not fill the log, and a busy one says only what is new.
    #[test]
    fn the_log_has_what_changed_and_nothing_else() {
        let (counters, offers) = counted(7);
        let first = counters.now();
        let lines = increments(&Counts::new(), &first);
        let boot = (Server::Dhcp, "boot".to_owned());
        assert_eq!(
            lines,
            BTreeMap::from([(boot.clone(), "offers +7, unknown_mac +1".to_owned())])
        );
        assert!(increments(&first, &counters.now()).is_empty());
        offers.store(9, Ordering::Relaxed);
        let lines = increments(&first, &counters.now());
        assert_eq!(lines, BTreeMap::from([(boot, "offers +2".to_owned())]));
    }
}
