//! Other DHCP servers that were seen on a network, bounded.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use model::MacAddr;
use proto::dhcp::v1::DhcpServer;
use tokio::time::Instant;

/// Servers remembered at most; whoever invents more is not listed.
const SERVERS_MAX: usize = 64;
/// Pause between two warnings about one server. After as long without a sign a server makes room for another one.
const WARNED_AGAIN_AFTER: Duration = Duration::from_secs(3600);

/// What was seen of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    Offer,
    Ack,
    Nak,
    /// A client has chosen it.
    Chosen,
}

/// The servers by their identifier.
#[derive(Debug, Default)]
pub(super) struct Servers(Mutex<BTreeMap<Ipv4Addr, Seen>>);

#[derive(Debug)]
struct Seen {
    about: DhcpServer,
    last: Instant,
    warned: Option<Instant>,
}

impl Servers {
    /// Notes a sign of a server; true if an administrator should hear of it now.
    #[allow(clippy::too_many_arguments, reason = "one sign with all that is known of it")]
    pub(super) fn note(
        &self,
        server: Ipv4Addr,
        sign: Sign,
        mac: Option<MacAddr>,
        client: MacAddr,
        is_expected: bool,
        now: Instant,
        now_ms: u64,
    ) -> bool {
        let mut servers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !servers.contains_key(&server) && !has_room(&mut servers, now) {
            return false;
        }
        let seen = servers.entry(server).or_insert_with(|| Seen {
            about: DhcpServer {
                address: server.to_string(),
                first_seen_at_ms: now_ms,
                ..DhcpServer::default()
            },
            last: now,
            warned: None,
        });
        seen.last = now;
        seen.about.last_seen_at_ms = now_ms;
        seen.about.last_client = client.to_string();
        seen.about.is_expected = is_expected;
        if let Some(mac) = mac {
            seen.about.mac = mac.to_string();
        }
        *match sign {
            Sign::Offer => &mut seen.about.offers,
            Sign::Ack => &mut seen.about.acks,
            Sign::Nak => &mut seen.about.naks,
            Sign::Chosen => &mut seen.about.requests,
        } += 1;
        let is_due = seen.warned.is_none_or(|at| now >= at + WARNED_AGAIN_AFTER);
        if is_expected || !is_due {
            return false;
        }
        seen.warned = Some(now);
        true
    }

    /// All of them, sorted by address.
    pub(super) fn list(&self, network: &str) -> Vec<DhcpServer> {
        let servers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let about = servers.values().map(|seen| DhcpServer {
            network: network.to_owned(),
            ..seen.about.clone()
        });
        about.collect()
    }
}

/// Whether one more can be remembered, in the place of one that has been silent for long if need be.
fn has_room(servers: &mut BTreeMap<Ipv4Addr, Seen>, now: Instant) -> bool {
    if servers.len() < SERVERS_MAX {
        return true;
    }
    let Some((&oldest, seen)) = servers.iter().min_by_key(|(_, seen)| seen.last) else {
        return true;
    };
    let is_gone = now >= seen.last + WARNED_AGAIN_AFTER;
    if is_gone {
        servers.remove(&oldest);
    }
    is_gone
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROGUE: Ipv4Addr = Ipv4Addr::new(10, 97, 9, 9);
    const CLIENT: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
    const MAC: MacAddr = MacAddr([2, 0, 0, 0, 9, 9]);

    fn note(servers: &Servers, server: Ipv4Addr, sign: Sign, now: Instant) -> bool {
        servers.note(server, sign, None, CLIENT, false, now, 1000)
    }

    #[test]
    fn a_server_is_listed_with_what_it_did() {
        let (servers, now) = (Servers::default(), Instant::now());
        servers.note(ROGUE, Sign::Offer, Some(MAC), CLIENT, false, now, 1000);
        servers.note(ROGUE, Sign::Offer, None, CLIENT, false, now, 2000);
        for sign in [Sign::Ack, Sign::Nak, Sign::Chosen] {
            servers.note(ROGUE, sign, None, CLIENT, false, now, 3000);
        }
        let expected = DhcpServer {
            network: "boot".into(),
            address: "10.97.9.9".into(),
            mac: MAC.to_string(),
            is_expected: false,
            offers: 2,
            acks: 1,
            naks: 1,
            requests: 1,
            first_seen_at_ms: 1000,
            last_seen_at_ms: 3000,
            last_client: CLIENT.to_string(),
        };
        assert_eq!(servers.list("boot"), [expected]);
    }

    #[test]
    fn a_server_is_warned_of_once_an_hour() {
        let (servers, now) = (Servers::default(), Instant::now());
        assert!(note(&servers, ROGUE, Sign::Offer, now));
        assert!(!note(&servers, ROGUE, Sign::Ack, now));
        let other = Ipv4Addr::new(10, 97, 9, 8);
        assert!(note(&servers, other, Sign::Chosen, now), "each of them");
        let hour = now + WARNED_AGAIN_AFTER;
        assert!(!note(&servers, ROGUE, Sign::Ack, hour - Duration::from_nanos(1)));
        assert!(note(&servers, ROGUE, Sign::Ack, hour));
    }

    /// The site's own server beside proxyDHCP, say.
    #[test]
    fn a_server_that_is_expected_is_listed_and_not_warned_of() {
        let (servers, now) = (Servers::default(), Instant::now());
        assert!(!servers.note(ROGUE, Sign::Offer, None, CLIENT, true, now, 1));
        assert!(servers.list("boot")[0].is_expected);
    }

    #[test]
    fn invented_servers_take_no_more_memory_and_no_more_warnings() {
        let (servers, now) = (Servers::default(), Instant::now());
        let at = |n: u32| Ipv4Addr::from(0x0a61_0000 + n);
        let warned = |from: u32, now| {
            (from..from + 1000)
                .filter(|n| note(&servers, at(*n), Sign::Chosen, now))
                .count()
        };
        assert_eq!(warned(0, now), SERVERS_MAX);
        assert_eq!(servers.list("boot").len(), SERVERS_MAX);
        assert_eq!(warned(5000, now + Duration::from_secs(60)), 0);
        assert!(
            note(&servers, ROGUE, Sign::Offer, now + WARNED_AGAIN_AFTER),
            "in the place of one that is gone"
        );
        assert_eq!(servers.list("boot").len(), SERVERS_MAX);
    }
}
