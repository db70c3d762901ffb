//! The subnet that a client asks from.

use std::net::Ipv4Addr;
use std::sync::Arc;

use dhcproto::v4::MessageType;
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

/// By what a link is found, the first that there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FoundBy {
    /// The relay (option 82.5) or the client (118) names it.
    Selection(Ipv4Addr),
    /// The relay's own address.
    Relay(Ipv4Addr),
    /// The address that the client has already: it may renew from behind a relay without it. Not by a broadcast: that
    /// shows which link the client is on now (REBINDING).
    OwnAddress(Ipv4Addr),
    /// The service address: the client is on this network itself.
    ServiceAddress(Ipv4Addr),
}

impl FoundBy {
    /// # Errors
    /// `RelayNotServed` where the relay or the client names a subnet that may not ask here.
    pub(crate) fn of(state: &State, request: &Request<'_>, network: &Network) -> Result<FoundBy, Count> {
        let serves = |address: Ipv4Addr| {
            Link::around(state, network.service_address).is_ok_and(|own| own.net.contains(address))
                || network
                    .relayed_subnets
                    .iter()
                    .any(|subnet| subnet.contains(address))
        };
        let found = match request.subnet_selection {
            Some(named) => FoundBy::Selection(named),
            None if request.is_relayed() => FoundBy::Relay(request.giaddr),
            None if renews(request) && serves(request.ciaddr) => {
                return Ok(FoundBy::OwnAddress(request.ciaddr));
            }
            None => return Ok(FoundBy::ServiceAddress(network.service_address)),
        };
        match serves(found.address()) {
            true => Ok(found),
            false => Err(Count::RelayNotServed),
        }
    }

    /// An address on the link.
    pub(crate) fn address(self) -> Ipv4Addr {
        match self {
            FoundBy::Selection(address)
            | FoundBy::Relay(address)
            | FoundBy::OwnAddress(address)
            | FoundBy::ServiceAddress(address) => address,
        }
    }
}

/// Whether the client speaks from an address that it has, wherever it is.
fn renews(request: &Request<'_>) -> bool {
    let rebinds = request.is_broadcast && request.message_type == MessageType::Request;
    !request.ciaddr.is_unspecified() && !rebinds
}

impl Link {
    /// The link that a request comes from.
    ///
    /// # Errors
    /// As [`FoundBy::of`], and `NoSubnet` where none is defined.
    pub(crate) fn of(state: &State, request: &Request<'_>, network: &Network) -> Result<Link, Count> {
        Link::around(state, FoundBy::of(state, request, network)?.address())
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

    /// Where policies see the interface: at its address on this link, else anywhere on it.
    pub(crate) fn place_of(&self, interface: &EthernetInterface) -> Ipv4Net {
        self.address_of(interface).map_or(self.net, Ipv4Net::host)
    }
}

/// The interface's addresses, whatever the link.
pub fn ipv4_addresses(interface: &EthernetInterface) -> impl Iterator<Item = Ipv4Addr> + '_ {
    interface
        .ip_addresses
        .iter()
        .filter_map(|mapping| mapping.ip_address.parse().ok())
}
