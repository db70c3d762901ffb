//! `ExplainDhcp`: what a client would hear from this member now, and why. The packet is built, read and decided as one from the
//! wire; nothing is sent, offered, bound or noted.

mod answers;
mod ignored;
mod packet;

use model::{MacAddr, Xname};
use proto::dhcp::v1::dhcp_answer::Outcome;
use proto::dhcp::v1::{
    DhcpExplanation, DhcpKnownAddress, DhcpKnownInterface, DhcpLease, ExplainDhcpRequest, HeldAddress,
    dhcp_explain_service_server,
};
use proto::smd::v1::EthernetInterface;
use raft::Store;
use rpc::Error;
use state::State;
use tonic::{Request, Response, Status};

use crate::link::ipv4_addresses;
use crate::server::Server;
use crate::servers::Servers;

use self::packet::Client;

/// Explains what the servers of this member answer.
#[derive(Clone, Debug)]
pub struct ExplainService {
    store: Store,
    servers: Servers,
}

impl ExplainService {
    /// A service that explains `servers`, which read `store`.
    #[must_use]
    pub fn new(store: Store, servers: Servers) -> ExplainService {
        ExplainService { store, servers }
    }

    /// The servers that are asked: the one of a network, or all.
    fn asked(&self, network: &str) -> Result<Vec<(String, Server)>, Error> {
        let mut all = self.servers.all();
        let names: Vec<String> = all.iter().map(|(name, _)| name.clone()).collect();
        if names.is_empty() {
            let detail =
                "this member answers DHCP on no network now; ask one with the role `dhcp` by --endpoints";
            let detail = detail.to_owned();
            return Err(Error::Conflict { detail });
        }
        all.retain(|(name, _)| network.is_empty() || name == network);
        if all.is_empty() {
            let problem = format!(
                "this member does not answer DHCP on `{}`; accepted: {}, or nothing for all",
                network.escape_debug(),
                names.join(", ")
            );
            return Err(rpc::invalid("network", problem));
        }
        Ok(all)
    }

    fn explain(&self, request: &ExplainDhcpRequest) -> Result<DhcpExplanation, Error> {
        let client = Client::of(request)?;
        let (state, now_ms) = (self.store.state(), self.store.cluster_time_ms());
        let has_leader = self.store.has_leader();
        let mut networks = Vec::new();
        for (name, server) in self.asked(&request.network)? {
            networks.push(answers::on(&server, &name, &state, &client, has_leader)?);
        }
        let is_answered = |outcome: Option<Outcome>| outcome.is_some_and(|it| it != Outcome::Silence);
        let answered = |network: &proto::dhcp::v1::DhcpNetworkAnswer| {
            is_answered(network.discover.as_ref().map(|answer| answer.outcome()))
                || is_answered(network.request.as_ref().map(|answer| answer.outcome()))
        };
        if networks.iter().any(answered) {
            networks.retain(answered);
        }
        let mac = &client.mac;
        let interface = state.smd.interface(mac);
        Ok(DhcpExplanation {
            mac: mac.to_string(),
            member: self.store.status().member_id,
            revision: state.applied_index(),
            has_leader,
            leases: leases_of(&state, mac),
            held: held_around(&state, mac, interface.as_deref(), now_ms),
            unknown: state.dhcp.unknown_client(mac).map(|known| known.as_ref().clone()),
            interface: interface.map(|interface| known(&state, &interface)),
            networks,
        })
    }
}

fn known(state: &State, interface: &EthernetInterface) -> DhcpKnownInterface {
    let address = |address: std::net::Ipv4Addr| DhcpKnownAddress {
        address: address.to_string(),
        subnet: state
            .dhcp
            .subnet_of(address)
            .map(|subnet| subnet.network.clone())
            .unwrap_or_default(),
    };
    let xname = interface.component_id.parse::<Xname>();
    DhcpKnownInterface {
        component_id: interface.component_id.clone(),
        description: interface.description.clone(),
        boots: xname.is_ok_and(|xname| xname.is_node()),
        addresses: ipv4_addresses(interface).map(address).collect(),
    }
}

/// Under whatever option 61: one interface may be several clients.
fn leases_of(state: &State, mac: &MacAddr) -> Vec<DhcpLease> {
    let mac = mac.to_string();
    let leases = state.dhcp.leases().filter(|lease| lease.mac == mac);
    leases.map(|lease| lease.as_ref().clone()).collect()
}

/// What was this client's, and what is to be its.
fn held_around(
    state: &State,
    mac: &MacAddr,
    interface: Option<&EthernetInterface>,
    now_ms: u64,
) -> Vec<HeldAddress> {
    let (mac, own) = (
        mac.to_string(),
        interface.map(|interface| &interface.ip_addresses),
    );
    let is_own = |address: &str| own.is_some_and(|own| own.iter().any(|own| own.ip_address == address));
    let held = state.dhcp.held_addresses();
    let held = held.filter(|held| held.ends_at_ms == 0 || held.ends_at_ms > now_ms);
    let around = held.filter(|held| held.mac == mac || is_own(&held.address));
    around.map(|held| held.as_ref().clone()).collect()
}

#[tonic::async_trait]
impl dhcp_explain_service_server::DhcpExplainService for ExplainService {
    #[tracing::instrument(level = "debug", name = "dhcp.explain", skip_all, fields(mac = %request.get_ref().mac))]
    async fn explain_dhcp(
        &self,
        request: Request<ExplainDhcpRequest>,
    ) -> Result<Response<DhcpExplanation>, Status> {
        Ok(Response::new(self.explain(request.get_ref())?))
    }
}

#[cfg(test)]
mod tests;
