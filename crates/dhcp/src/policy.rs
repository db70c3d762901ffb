//! Who gets what answer: RFC 2131 section 4.3 for nodes whose addresses are reserved in SMD. Pure.

use std::net::Ipv4Addr;

use dhcproto::v4::{DhcpOption, MessageType};
use model::{Ipv4Net, Xname};
use proto::dhcp::v1::Subnet;
use proto::smd::v1::EthernetInterface;
use state::State;

use crate::boot::add_boot_options;
use crate::counters::Count;
use crate::network::{Loaders, Network};
use crate::reply::Reply;
use crate::request::Request;

/// Option 51 where the subnet says nothing, seconds.
const LEASE_TIME_S_DEFAULT: u32 = 3600;

/// What is done with a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// An answer that this member may give by itself: it only says what the member has.
    Reply(Reply),
    /// A DHCPNAK. It says what is *not* so, hence only after a read index (design section 5).
    Nak(Reply),
    /// No answer, and why.
    Silent(Count),
}

/// Decides about a request from the applied state.
pub fn decide(state: &State, request: &Request<'_>, network: &Network, loaders: &Loaders) -> Decision {
    answer(state, request, network, loaders).unwrap_or_else(Decision::Silent)
}

/// As [`decide`], with silences as errors.
fn answer(
    state: &State,
    request: &Request<'_>,
    network: &Network,
    loaders: &Loaders,
) -> Result<Decision, Count> {
    if !is_of_a_client(request.message_type) {
        return Err(Count::UnsupportedMessageType);
    }
    if request.server_id.is_some_and(|id| id != network.service_address) {
        return Err(Count::OtherServer);
    }
    let interface = state.smd.interface(&request.mac).ok_or(Count::UnknownMac)?;
    let link = Link::of(state, request, network)?;
    let client = Known {
        state,
        interface: &interface,
        link: &link,
        network,
        loaders,
    };
    let address = link.address_of(&interface);
    match request.message_type {
        MessageType::Discover => {
            let address = address.ok_or(Count::NoAddressHere)?;
            Ok(Decision::Reply(client.lease(
                request,
                MessageType::Offer,
                address,
            )))
        }
        MessageType::Request => client.answer_request(request, address),
        MessageType::Inform => client.answer_inform(request),
        MessageType::Release if address == Some(request.ciaddr) => Err(Count::Released),
        MessageType::Release => Err(Count::ReleaseByOther),
        // Only DHCPDECLINE is left, see `is_of_a_client`.
        _ if address.is_some() && address == request.requested => Err(Count::DeclinedReservation),
        _ => Err(Count::DeclineByOther),
    }
}

fn is_of_a_client(message_type: MessageType) -> bool {
    use MessageType::{Decline, Discover, Inform, Release, Request};
    matches!(message_type, Discover | Request | Decline | Release | Inform)
}

/// The subnet a client asks from.
struct Link {
    net: Ipv4Net,
    subnet: std::sync::Arc<Subnet>,
}

impl Link {
    /// By the relay's address, else by the address the client has already (it may renew from behind a relay without
    /// it), else the subnet of the service address.
    fn of(state: &State, request: &Request<'_>, network: &Network) -> Result<Link, Count> {
        let own = Link::around(state, network.service_address);
        let serves = |address: Ipv4Addr| {
            own.as_ref().is_ok_and(|own| own.net.contains(address))
                || network
                    .relayed_subnets
                    .iter()
                    .any(|subnet| subnet.contains(address))
        };
        if request.is_relayed() {
            if !serves(request.giaddr) {
                return Err(Count::RelayNotServed);
            }
            return Link::around(state, request.giaddr);
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
    fn address_of(&self, interface: &EthernetInterface) -> Option<Ipv4Addr> {
        ipv4_addresses(interface).find(|address| self.net.contains(*address))
    }
}

fn ipv4_addresses(interface: &EthernetInterface) -> impl Iterator<Item = Ipv4Addr> + '_ {
    interface
        .ip_addresses
        .iter()
        .filter_map(|mapping| mapping.ip_address.parse().ok())
}

/// A client whose MAC is in SMD.
struct Known<'a> {
    state: &'a State,
    interface: &'a EthernetInterface,
    link: &'a Link,
    network: &'a Network,
    loaders: &'a Loaders,
}

impl Known<'_> {
    /// RFC 2131 section 4.3.2. SELECTING names the server (54) and the address (50), INIT-REBOOT the address only,
    /// RENEWING and REBINDING have it in `ciaddr`: here they differ only in where the address stands.
    fn answer_request(&self, request: &Request<'_>, address: Option<Ipv4Addr>) -> Result<Decision, Count> {
        let in_use = (!request.ciaddr.is_unspecified()).then_some(request.ciaddr);
        let asked = request.requested.or(in_use).ok_or(Count::NoAddressAsked)?;
        if address == Some(asked) {
            let mut ack = self.lease(request, MessageType::Ack, asked);
            ack.ciaddr = request.ciaddr;
            return Ok(Decision::Reply(ack));
        }
        // Without an address in any subnet the client is not ours to refuse: it may hold another server's.
        let is_ours = ipv4_addresses(self.interface).any(|known| self.state.dhcp.subnet_of(known).is_some());
        if !is_ours {
            return Err(Count::NoAddressHere);
        }
        let mut nak = Reply::new(MessageType::Nak);
        nak.options
            .push(DhcpOption::ServerIdentifier(self.network.service_address));
        Ok(Decision::Nak(nak))
    }

    /// The client has an address by other means and wants the rest: no address and no times in the answer.
    fn answer_inform(&self, request: &Request<'_>) -> Result<Decision, Count> {
        // Within the link only, so that nobody can have the answer sent elsewhere.
        if !self.link.net.contains(request.ciaddr) {
            return Err(Count::NoAddressAsked);
        }
        let mut ack = Reply::new(MessageType::Ack);
        ack.ciaddr = request.ciaddr;
        ack.options
            .push(DhcpOption::ServerIdentifier(self.network.service_address));
        self.add_network_options(&mut ack, request);
        Ok(Decision::Reply(ack))
    }

    fn lease(&self, request: &Request<'_>, message_type: MessageType, address: Ipv4Addr) -> Reply {
        let lease_time_s = match self.link.subnet.lease_time_s {
            0 => LEASE_TIME_S_DEFAULT,
            seconds => seconds,
        };
        let mut reply = Reply::new(message_type);
        reply.yiaddr = address;
        reply.options.extend([
            DhcpOption::ServerIdentifier(self.network.service_address),
            DhcpOption::AddressLeaseTime(lease_time_s),
            // RFC 2131 section 4.4.5: T1 is half of the lease, T2 seven eighths.
            DhcpOption::Renewal(lease_time_s / 2),
            DhcpOption::Rebinding(lease_time_s / 8 * 7),
        ]);
        self.add_network_options(&mut reply, request);
        reply
    }

    fn add_network_options(&self, reply: &mut Reply, request: &Request<'_>) {
        let subnet = &self.link.subnet;
        let addresses = |texts: &[String]| {
            texts
                .iter()
                .filter_map(|text| text.parse().ok())
                .collect::<Vec<_>>()
        };
        let (routers, dns_servers) = (addresses(&subnet.routers), addresses(&subnet.dns_servers));
        reply.options.push(DhcpOption::SubnetMask(self.link.net.mask()));
        if !routers.is_empty() {
            reply.options.push(DhcpOption::Router(routers));
        }
        if !dns_servers.is_empty() {
            reply.options.push(DhcpOption::DomainNameServer(dns_servers));
        }
        let xname = self.interface.component_id.parse::<Xname>().ok();
        if xname.as_ref().is_some_and(Xname::is_node) {
            add_boot_options(reply, request, self.network, self.loaders);
        }
        if let Some(xname) = xname {
            reply
                .options
                .push(DhcpOption::Hostname(self.state.hostname(&xname)));
        }
        if !subnet.domain.is_empty() {
            reply.options.push(DhcpOption::DomainName(subnet.domain.clone()));
        }
        reply
            .options
            .push(DhcpOption::BroadcastAddr(self.link.net.broadcast()));
        if let Ok(mtu @ 1..) = u16::try_from(subnet.mtu) {
            reply.options.push(DhcpOption::InterfaceMtu(mtu));
        }
    }
}

#[cfg(test)]
mod tests;
