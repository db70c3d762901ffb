//! Clients without an address of their own in SMD: they get one of the subnet's pools, where the subnet says so. Pure.
//!
//! A DHCPOFFER is a hint and changes nothing; a DHCPREQUEST is answered when the lease is committed.

use std::net::Ipv4Addr;
use std::sync::Arc;

use dhcproto::v4::MessageType;
use model::Xname;
use proto::dhcp::v1::DhcpLease;
use proto::dhcp::v1::dhcp_command::{Bind, EndLease};
use proto::dhcp::v1::dhcp_lease::State as LeaseState;
use proto::dhcp::v1::subnet::UnknownClients;
use state::State;
use state::bounds::CLIENT_ID_BYTES_MAX;
use state::dhcp::{LeaseClient, Pools, is_of, pool_lease_time_s};

use crate::answer::Answer;
use crate::counters::Count;
use crate::link::Link;
use crate::network::Site;
use crate::policy::{Binding, CLOCK_MARGIN_MS, Decision};
use crate::reply::Reply;
use crate::request::Request;
use crate::share::PLACES_MAX;
use crate::strangers::text;

/// After so many addresses that were looked at, one that somebody had before is good enough.
const PROBES_FOR_AN_UNUSED_ONE_MAX: usize = 8;

/// A client that can have an address of a pool.
pub(crate) struct Pooled<'a> {
    state: &'a State,
    client: LeaseClient,
    answer: Answer<'a>,
}

impl<'a> Pooled<'a> {
    /// `component` is whose interface it is, where SMD knows that.
    ///
    /// # Errors
    /// `why` where the subnet has nothing for such clients, and for one that a policy ignores.
    pub(crate) fn new(
        state: &'a State,
        request: &'a Request<'a>,
        link: &'a Link,
        site: &'a Site<'a>,
        component: Option<&Xname>,
        why: Count,
    ) -> Result<Pooled<'a>, Count> {
        let boots = match link.subnet.unknown_clients() {
            UnknownClients::Unspecified | UnknownClients::Ignore => return Err(why),
            UnknownClients::Address => false,
            UnknownClients::Boot => true,
        };
        let client_id = request.client_id.as_deref().unwrap_or_default();
        if client_id.len() > CLIENT_ID_BYTES_MAX {
            return Err(Count::MalformedOption);
        }
        let policies = state.policies_for(component, Some(link.net));
        if policies.ignores() {
            return Err(Count::IgnoredByPolicy);
        }
        Ok(Pooled {
            state,
            client: LeaseClient::new(request.mac, client_id),
            answer: Answer {
                request,
                link,
                site,
                hostname: None,
                boots,
                policies,
            },
        })
    }

    pub(crate) fn answer(&self) -> Result<Decision, Count> {
        let request = self.answer.request;
        match request.message_type {
            MessageType::Discover => {
                let address = self.free_address().ok_or(Count::PoolFull)?;
                // nothing new can be committed: an offer would only cost the client its time
                if self.answer.site.isolated_lease_s.is_some() && !self.has_now(address) {
                    return Err(Count::NoMajority);
                }
                let offer = self
                    .answer
                    .lease(MessageType::Offer, address, self.lease_time_s());
                Ok(Decision::Offer(offer, self.client.clone()))
            }
            MessageType::Request => self.answer_request(),
            MessageType::Inform => self.answer.answer_inform(),
            MessageType::Release => {
                let lease = self.bound(request.ciaddr).ok_or(Count::ReleaseByOther)?;
                Ok(self.end(&lease, false))
            }
            // Only DHCPDECLINE is left, see `policy::is_of_a_client`.
            _ => {
                let lease = request.requested.and_then(|address| self.bound(address));
                let lease = lease.ok_or(Count::DeclineByOther)?;
                Ok(self.end(&lease, true))
            }
        }
    }

    /// RFC 2131 section 4.3.2.
    fn answer_request(&self) -> Result<Decision, Count> {
        let request = self.answer.request;
        let asked = request.asked().ok_or(Count::NoAddressAsked)?;
        let is_selecting = request.server_id.is_some() && request.requested.is_some();
        let lease = self.state.dhcp.lease(asked);
        let was_own = lease.as_ref().is_some_and(|lease| is_of(lease, &self.client));
        let (is_free, nak) = (self.is_free(asked), || Ok(Decision::Nak(self.answer.nak())));
        match self
            .bound(asked)
            .filter(|lease| lease.ends_at_ms > self.answer.site.now_ms)
        {
            Some(lease) if is_free => return Ok(self.extend(asked, &lease)),
            Some(_) => return nak(),
            None if (is_selecting || was_own) && is_free => return Ok(self.bind(asked, None)),
            None if is_selecting || was_own => return nak(),
            None => {}
        }
        let has_another = self
            .leases_here()
            .any(|lease| lease.state() == LeaseState::Bound && lease.ends_at_ms > self.answer.site.now_ms);
        // A client without a record that comes back after a restart may hold another server's address (INIT-REBOOT); one
        // that uses an address (RENEWING, REBINDING) which is somebody else's must stop.
        let is_used = request.requested.is_none() && self.answer.link.net.contains(asked);
        if has_another || (is_used && self.is_somebodys(asked, lease.as_deref())) {
            return nak();
        }
        Err(Count::NoLease)
    }

    /// Without a commit as long as more than half of the lease is left.
    fn extend(&self, address: Ipv4Addr, lease: &DhcpLease) -> Decision {
        let left_ms = lease.ends_at_ms.saturating_sub(self.answer.site.now_ms);
        if left_ms >= u64::from(self.lease_time_s()) * 1000 / 2 {
            return Decision::Reply(self.ack(address, left_ms));
        }
        self.bind(
            address,
            left_ms
                .checked_sub(CLOCK_MARGIN_MS)
                .filter(|left_ms| *left_ms >= 1000),
        )
    }

    fn bind(&self, address: Ipv4Addr, otherwise_ms: Option<u64>) -> Decision {
        let request = self.answer.request;
        Decision::Bind(Box::new(Binding {
            bind: Bind {
                address: address.to_string(),
                mac: self.client.mac().to_string(),
                client_id: self.client.client_id().to_vec(),
                hostname: text(request.hostname.as_deref()),
                vendor_class: text(request.vendor_class.as_deref()),
            },
            otherwise: otherwise_ms.map(|left_ms| self.ack(address, left_ms)),
            lost: self.answer.nak(),
        }))
    }

    /// Never for longer than what is committed.
    fn ack(&self, address: Ipv4Addr, left_ms: u64) -> Reply {
        let left_s = u32::try_from(left_ms / 1000).unwrap_or(u32::MAX);
        self.answer
            .lease(MessageType::Ack, address, left_s.min(self.lease_time_s()))
    }

    fn end(&self, lease: &DhcpLease, declined: bool) -> Decision {
        Decision::End(EndLease {
            address: lease.address.clone(),
            mac: lease.mac.clone(),
            client_id: lease.client_id.clone(),
            declined,
        })
    }

    fn lease_time_s(&self) -> u32 {
        pool_lease_time_s(&self.answer.link.subnet)
    }

    /// The client's lease of an address, also one whose time is over.
    fn bound(&self, address: Ipv4Addr) -> Option<Arc<DhcpLease>> {
        let lease = self.state.dhcp.lease(address)?;
        (is_of(&lease, &self.client) && lease.state() == LeaseState::Bound).then_some(lease)
    }

    fn has_now(&self, address: Ipv4Addr) -> bool {
        let now_ms = self.answer.site.now_ms;
        self.bound(address).is_some_and(|lease| lease.ends_at_ms > now_ms)
    }

    /// What the client has or had on this link.
    fn leases_here(&self) -> impl Iterator<Item = &Arc<DhcpLease>> {
        let is_here = move |lease: &&Arc<DhcpLease>| {
            let address = lease.address.parse();
            address.is_ok_and(|address| self.answer.link.net.contains(address))
        };
        self.state.dhcp.leases_of(&self.client).filter(is_here)
    }

    /// What the client has, had last, or wishes for, whoever asks; else one that is found from its name, so that each client begins
    /// at another place (`share.rs`).
    fn free_address(&self) -> Option<Ipv4Addr> {
        let mut own: Vec<&Arc<DhcpLease>> = self.leases_here().collect();
        own.sort_by_key(|lease| {
            (
                lease.state() != LeaseState::Bound,
                std::cmp::Reverse(lease.ends_at_ms),
            )
        });
        let own = own.into_iter().filter_map(|lease| lease.address.parse().ok());
        let wished = own
            .chain(self.answer.request.requested)
            .find(|address| self.can_offer(*address));
        wished.or_else(|| self.probe())
    }

    /// One of this member's share of the pools; where none of them is free, one of the others'.
    fn probe(&self) -> Option<Ipv4Addr> {
        let pools = Pools::of(&self.answer.link.subnet);
        let share = (self.answer.site.share)();
        // where not all places are looked at, a client that goes on asking is shown others
        let asked_for_s = match pools.size() > PLACES_MAX {
            true => self.answer.request.secs,
            false => 0,
        };
        let client = hash(&self.client).wrapping_add(asked_for_s.into());
        let (own, others) = share.places(pools.size(), client);
        self.first_free(&pools, own)
            .or_else(|| self.first_free(&pools, others))
    }

    /// An address that nobody has ever had, if one is found soon; else the first that is free.
    fn first_free(&self, pools: &Pools, places: impl Iterator<Item = u64>) -> Option<Ipv4Addr> {
        let mut had_before = None;
        for (step, place) in places.enumerate() {
            if step >= PROBES_FOR_AN_UNUSED_ONE_MAX && had_before.is_some() {
                break;
            }
            let Some(address) = pools.at(place).filter(|address| self.can_offer(*address)) else {
                continue;
            };
            if self.state.dhcp.lease(address).is_none() {
                return Some(address);
            }
            had_before.get_or_insert(address);
        }
        had_before
    }

    fn can_offer(&self, address: Ipv4Addr) -> bool {
        !(self.answer.site.is_offered)(address, &self.client) && self.is_free(address)
    }

    /// Whether the client could be bound to the address; the log decides.
    fn is_free(&self, address: Ipv4Addr) -> bool {
        let Answer {
            request, link, site, ..
        } = &self.answer;
        let is_server = address == site.network.service_address
            || address == request.giaddr
            || site.network.members.contains(&address);
        let is_anothers =
            |lease: Arc<DhcpLease>| lease.ends_at_ms > site.now_ms && !is_of(&lease, &self.client);
        // the cheapest first: in a pool that is full most addresses end here
        link.net.contains(address)
            && !is_server
            && !self.state.dhcp.lease(address).is_some_and(is_anothers)
            && self
                .state
                .dhcp
                .check_free(address, &self.client, &self.state.smd, site.now_ms)
                .is_ok()
    }

    /// Whether this member knows of somebody else who has the address.
    fn is_somebodys(&self, address: Ipv4Addr, lease: Option<&DhcpLease>) -> bool {
        let (now_ms, mac) = (self.answer.site.now_ms, self.client.mac());
        lease.is_some_and(|lease| lease.ends_at_ms > now_ms)
            || self
                .state
                .dhcp
                .held(address.into(), now_ms)
                .is_some_and(|held| held.mac != mac.to_string())
            || self.state.smd.interfaces_by_ip(address.into()).next().is_some()
    }
}

/// FNV-1a: the same on every member, whatever its version.
fn hash(client: &LeaseClient) -> u64 {
    let bytes = client.mac().0.iter().chain(client.client_id());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests;
