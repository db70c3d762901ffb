//! The subnet that a client asks from.

use std::net::Ipv4Addr;
use std::sync::Arc;

use model::Ipv4Net;
use proto::dhcp::v1::Subnet;
use proto::smd::v1::EthernetInterface;
use state::State;

use crate::counters::Count;
use crate::network::Network;
use crate::request::Request;

/// The subnet a client asks from.
pub(crate) struct Link {
    pub(crate) net: Ipv4Net,
    pub(crate) subnet: Arc<Subnet>,
}

impl Link {
    /// By what the relay or the client says of it, else by the relay's address, else by the address the client has already (it may renew from behind a relay without
    /// it), else the subnet of the service address.
    pub(crate) fn of(state: &State, request: &Request<'_>, network: &Network) -> Result<Link, Count> {
        let own = Link::around(state, network.service_address);
        let serves = |address: Ipv4Addr| {
            own.as_ref().is_ok_and(|own| own.net.contains(address))
                || network
                    .relayed_subnets
                    .iter()
                    .any(|subnet| subnet.contains(address))
        };
        let relays = request.is_relayed().then_some(request.giaddr);
        if let Some(named) = request.subnet_selection.or(relays) {
            if !serves(named) {
                return Err(Count::RelayNotServed);
            }
            return Link::around(state, named);
        }
        if !request.ciaddr.is_unspecified() && serves(request.ciaddr) {
            return Link::around(state, request.ciaddr);
        }
        own
    }

    fn around(state: &State, address: Ipv4Addr) -> Result<Link, Count> {
        let subnet = state.dhcp.subnet_of(address).ok_or(Count::NoSubnet)?;
        let net = subnet.network.parse().map_err(|_| Count::NoSubnet)?;
        Ok(Link { net, subnet })
    }

    /// The interface's address on this link.
    pub(crate) fn address_of(&self, interface: &EthernetInterface) -> Option<Ipv4Addr> {
        ipv4_addresses(interface).find(|address| self.net.contains(*address))
    }
}

/// The interface's addresses, whatever the link.
pub(crate) fn ipv4_addresses(interface: &EthernetInterface) -> impl Iterator<Item = Ipv4Addr> + '_ {
    interface
        .ip_addresses
        .iter()
        .filter_map(|mapping| mapping.ip_address.parse().ok())
}
