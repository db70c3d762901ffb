//! A new address of a pool on its way to a client: asked for first, and put out of use if somebody answers.

use std::net::Ipv4Addr;

use model::MacAddr;
use proto::dhcp::v1::dhcp_command::{Change, QuarantineAddress};
use proto::dhcp::v1::dhcp_lease::State as LeaseState;
use state::dhcp::{LeaseClient, is_of};
use tokio::time::Instant;

use super::GuardCount;
use super::probe::{Found, How};
use crate::binder::propose;
use crate::counters::Count;
use crate::pending::Pending;
use crate::policy::Decision;
use crate::request::Request;
use crate::server::Server;

/// Addresses that are tried for one packet: by then its client has asked again.
const ADDRESSES_TRIED_MAX: usize = 4;

impl Server {
    /// The address that a decision gives to a client anew, where it should be asked for first. Not one that the client has
    /// (a renewal, or an offer of its own lease), and not for a client that uses it already.
    pub(crate) fn to_be_probed(
        &self,
        request: &Request<'_>,
        decision: &Decision,
    ) -> Option<(Ipv4Addr, LeaseClient)> {
        let (address, client) = match decision {
            Decision::Offer(reply, client) => (reply.yiaddr, client.clone()),
            // An answer to a ping does not say whether it is the client's own.
            Decision::Bind(binding) if request.ciaddr.is_unspecified() && !request.is_relayed() => {
                let address = binding.bind.address.parse().ok()?;
                (address, LeaseClient::new(request.mac, &binding.bind.client_id))
            }
            Decision::Bind(_)
            | Decision::Reply(_)
            | Decision::End(_)
            | Decision::Nak(_)
            | Decision::Silent(_) => return None,
        };
        if !self.0.guard.prober.wants(address, Instant::now()) {
            return None;
        }
        let (state, now_ms) = (self.0.store.state(), self.0.store.cluster_time_ms());
        let has_it = state.dhcp.lease(address).is_some_and(|lease| {
            is_of(&lease, &client) && lease.state() == LeaseState::Bound && lease.ends_at_ms > now_ms
        });
        (!has_it).then_some((address, client))
    }

    /// Nobody gets an address for which somebody has answered.
    async fn put_out_of_use(&self, address: Ipv4Addr, mac: Option<MacAddr>) -> Result<(), Count> {
        let mac = mac.map(|mac| mac.to_string()).unwrap_or_default();
        tracing::warn!(%address, mac, "dhcp: somebody uses an address of a pool without a lease; nobody gets it for a day");
        let quarantine = QuarantineAddress {
            address: address.to_string(),
            mac,
        };
        match propose(&self.0.store, Change::QuarantineAddress(quarantine)).await {
            // somebody else was first, or the client has it by now: the next look will tell
            Ok(()) | Err(rpc::Error::Conflict { .. }) => Ok(()),
            Err(_) => Err(Count::NoMajority),
        }
    }
}

impl Pending {
    /// Asks for the address that would be given, and for the next one if that is used; then answers.
    pub(crate) async fn probe(&self) -> Count {
        let server = &self.server;
        for _ in 0..ADDRESSES_TRIED_MAX {
            let request = match self.request() {
                Ok(request) => request,
                Err(why) => return why,
            };
            let decision = server.decide(&request);
            let Some((address, client)) = server.to_be_probed(&request, &decision) else {
                return self.conclude(&request, decision).await;
            };
            // meanwhile nobody else is offered it
            server.0.offers.note(address, &client, Instant::now());
            let how = match request.is_relayed() {
                true => How::Ping,
                false => How::Arp,
            };
            let counters = &server.0.guard.counters;
            match server.0.guard.prober.probe(address, request.mac, how).await {
                Found::UnderWay => return Count::ProbeUnderWay,
                Found::NotAsked => counters.add(GuardCount::ProbeLeftOut),
                Found::Free => counters.add(GuardCount::Probed),
                Found::InUse(mac) => {
                    counters.add(GuardCount::Probed);
                    counters.add(GuardCount::ProbeAnswered);
                    if let Err(why) = server.put_out_of_use(address, mac).await {
                        return why;
                    }
                }
            }
        }
        Count::AddressesInUse
    }

    async fn conclude(&self, request: &Request<'_>, decision: Decision) -> Count {
        match decision {
            Decision::Silent(why) => why,
            Decision::Offer(reply, client) => {
                self.server.0.offers.note(reply.yiaddr, &client, Instant::now());
                self.send(request, &reply)
            }
            Decision::Reply(reply) => self.send(request, &reply),
            Decision::Bind(_) => self.bind().await,
            Decision::Nak(_) => self.refuse().await,
            Decision::End(end) => self.server.end(end).await,
        }
    }
}
