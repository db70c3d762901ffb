//! What stands around the answers of one network: whether this member answers at all, how often it listens to one client, and
//! what it knows of other servers and of addresses that somebody uses.

mod counters;
mod groups;
mod limits;
mod observed;
mod ping;
mod probe;
mod probing;
mod proxy;
mod proxy_port;
mod servers;
mod service;
mod told;
mod wire;

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dhcproto::v4::MessageType;
use model::{MacAddr, Xname};
use state::State;
use tokio::time::Instant;

pub use self::counters::{GuardCount, GuardCounters};
pub use self::groups::is_answered;
pub use self::limits::{Excess, Limiter, Limits};
pub use self::proxy_port::PROXY_PORT;
pub use self::service::WatchService;

use self::observed::Observed;
use self::probe::Prober;
use self::servers::{Servers, Sign};
use crate::counters::Count;
use crate::network::{Network, Site};
use crate::policy::{Decision, decide};
use crate::request::Request;
use crate::server::Server;

/// What a network's server does besides answering.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// What becomes of the answers.
    pub mode: Mode,
    /// Labels of SMD's groups whose components alone are answered; none: everybody is.
    pub answer_only: Vec<String>,
    /// Servers that are known to answer on the network, too, by their identifier.
    pub other_servers: Vec<Ipv4Addr>,
    /// How often clients may ask.
    pub limits: Limits,
    /// How long a new address of a pool is asked for before it is offered; 0: it is not. At most half a second.
    pub probe: Duration,
}

/// What becomes of the answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// They are sent.
    #[default]
    Answer,
    /// They are compared with those of the server that answers now, and nothing is sent.
    Observe,
    /// Another server gives the addresses; known nodes are told what to boot (proxyDHCP, PXE 2.1 section 2.2.3).
    Proxy,
}

/// The guard of one network.
#[derive(Debug)]
pub(crate) struct Guard {
    rules: Rules,
    limiter: Mutex<Limiter<MacAddr>>,
    servers: Servers,
    observed: Observed,
    prober: Prober,
    counters: Arc<GuardCounters>,
}

impl Default for Guard {
    fn default() -> Guard {
        Guard::new(Rules::default())
    }
}

impl Guard {
    fn new(rules: Rules) -> Guard {
        Guard {
            limiter: Mutex::new(Limiter::new(rules.limits, Instant::now())),
            servers: Servers::default(),
            observed: Observed::default(),
            prober: Prober::new(rules.probe),
            counters: Arc::default(),
            rules,
        }
    }

    /// Whether a packet is looked at any further, and what it says of other servers.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn admit(
        &self,
        state: &State,
        request: &Request<'_>,
        network: &Network,
        now_ms: u64,
    ) -> Result<(), Count> {
        let (now, is_known) = (Instant::now(), state.smd.interface(&request.mac).is_some());
        let mut limiter = self.limiter.lock().unwrap_or_else(PoisonError::into_inner);
        limiter.take(request.mac, is_known, now)?;
        drop(limiter);
        if let Some(server) = foreign_server(request, network) {
            self.note_server(server, Sign::Chosen, None, request.mac, now_ms);
        }
        Ok(())
    }

    /// Decides about a request, as far as this network's rules leave something to decide.
    pub(crate) fn decide(&self, state: &State, request: &Request<'_>, site: &Site<'_>) -> Decision {
        if let Some(why) = self.keeps_out(state, request) {
            return Decision::Silent(why);
        }
        match self.rules.mode {
            Mode::Answer | Mode::Observe => decide(state, request, site),
            Mode::Proxy => proxy::decide(state, request, site),
        }
    }

    /// Why a client is not answered, where only some are.
    fn keeps_out(&self, state: &State, request: &Request<'_>) -> Option<Count> {
        if self.rules.answer_only.is_empty() {
            return None;
        }
        let Some(interface) = state.smd.interface(&request.mac) else {
            return Some(Count::UnknownMac);
        };
        let component = interface.component_id.parse::<Xname>().ok();
        let is_in_group = is_answered(state, component.as_ref(), &self.rules.answer_only);
        (!is_in_group).then_some(Count::NotInGroups)
    }

    pub(crate) fn observes(&self) -> bool {
        self.rules.mode == Mode::Observe
    }

    /// Another server was seen at work.
    fn note_server(&self, server: Ipv4Addr, sign: Sign, mac: Option<MacAddr>, client: MacAddr, now_ms: u64) {
        let is_expected = self.rules.other_servers.contains(&server);
        self.counters.add(match (is_expected, sign) {
            (true, _) => GuardCount::ExpectedServer,
            (false, Sign::Chosen) => GuardCount::RogueRequests,
            (false, Sign::Offer | Sign::Ack | Sign::Nak) => GuardCount::RogueAnswers,
        });
        let is_news = self
            .servers
            .note(server, sign, mac, client, is_expected, Instant::now(), now_ms);
        if is_news {
            tracing::warn!(
                %server, mac = ?mac.map(|mac| mac.to_string()), %client,
                "dhcp: another server answers on this network; find it, or name it in `dhcp-other-servers` if it is to"
            );
        }
    }
}

/// The server that a client has chosen, where it is none of this cluster's members.
fn foreign_server(request: &Request<'_>, network: &Network) -> Option<Ipv4Addr> {
    let server = request
        .server_id
        .filter(|_| request.message_type == MessageType::Request)?;
    let is_ours = is_own(server, network)
        || request.server_id_override == Some(server)
        // a relay that overrides the identifier and does not say so in every message
        || (request.is_relayed() && request.giaddr == server);
    (!is_ours).then_some(server)
}

/// Whether a server identifier is one that this cluster's members give on the network.
fn is_own(server: Ipv4Addr, network: &Network) -> bool {
    server == network.service_address || network.alternatives.contains(&server) || server.is_unspecified()
}

impl Server {
    /// With rules of its own. Before the server runs: its clones do not follow.
    ///
    /// # Panics
    /// If the server has been cloned already: a mistake of the caller's.
    #[must_use]
    pub fn guarded(mut self, rules: Rules) -> Server {
        Arc::get_mut(&mut self.0)
            .expect("rules are set before the server is cloned")
            .guard = Guard::new(rules);
        self
    }

    /// What was seen besides the packets that were answered.
    pub fn guard_counters(&self) -> Arc<GuardCounters> {
        Arc::clone(&self.0.guard.counters)
    }
}

#[cfg(test)]
mod tests;
