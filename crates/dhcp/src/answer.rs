//! The answers that a client on a link can get, with the options that they carry.

use std::net::Ipv4Addr;

use dhcproto::v4::{DhcpOption, MessageType};
use model::Ipv4Net;
use state::dhcp::PolicyChoice;

use crate::boot::add_boot_options;
use crate::link::Link;
use crate::network::Site;
use crate::raw_options::add_raw_options;
use crate::reply::Reply;
use crate::request::Request;

/// What answers to one request have in common.
pub(crate) struct Answer<'a> {
    pub(crate) request: &'a Request<'a>,
    pub(crate) link: &'a Link,
    pub(crate) site: &'a Site<'a>,
    /// Option 12; none for a client that has no name.
    pub(crate) hostname: Option<String>,
    /// What counts more than what the subnet says.
    pub(crate) policies: PolicyChoice<'a>,
    /// Whether the client is given something to boot.
    pub(crate) boots: bool,
}

impl Answer<'_> {
    /// A DHCPOFFER or DHCPACK of an address for so many seconds.
    pub(crate) fn lease(&self, message_type: MessageType, address: Ipv4Addr, lease_time_s: u32) -> Reply {
        let mut reply = Reply::new(message_type);
        reply.yiaddr = address;
        if message_type == MessageType::Ack {
            reply.ciaddr = self.request.ciaddr;
        }
        reply.options.extend([
            DhcpOption::ServerIdentifier(self.server_id()),
            DhcpOption::AddressLeaseTime(lease_time_s),
            // RFC 2131 section 4.4.5: T1 is half of the lease, T2 seven eighths.
            DhcpOption::Renewal(lease_time_s / 2),
            DhcpOption::Rebinding(lease_time_s / 8 * 7),
        ]);
        self.add_network_options(&mut reply, address);
        reply
    }

    /// The client has an address by other means and wants the rest: no address and no times in the answer.
    pub(crate) fn inform(&self) -> Reply {
        let mut ack = Reply::new(MessageType::Ack);
        ack.ciaddr = self.request.ciaddr;
        ack.options.push(DhcpOption::ServerIdentifier(self.server_id()));
        self.add_network_options(&mut ack, self.request.ciaddr);
        ack
    }

    /// A DHCPNAK. It says what is not so: only to be sent after a read index.
    pub(crate) fn nak(&self) -> Reply {
        let mut nak = Reply::new(MessageType::Nak);
        nak.options.push(DhcpOption::ServerIdentifier(self.server_id()));
        nak
    }

    /// Option 54: a relay may want clients to see its own address there (RFC 5107).
    fn server_id(&self) -> Ipv4Addr {
        self.request
            .server_id_override
            .unwrap_or(self.site.network.service_address)
    }

    /// Of each option what a policy says, else the subnet, else what follows from the address.
    fn add_network_options(&self, reply: &mut Reply, address: Ipv4Addr) {
        let (subnet, policies) = (&self.link.subnet, &self.policies);
        let net = match policies.prefix_length() {
            Some(bits) => Ipv4Net::around(address, bits),
            None => self.link.net,
        };
        reply.options.push(DhcpOption::SubnetMask(net.mask()));
        self.add_servers(reply);
        if self.boots {
            add_boot_options(reply, self.request, self.site.network, self.site.loaders);
        }
        if let Some(hostname) = &self.hostname {
            reply.options.push(DhcpOption::Hostname(hostname.clone()));
        }
        let domain = policies.domain().unwrap_or(&subnet.domain);
        if !domain.is_empty() {
            reply.options.push(DhcpOption::DomainName(domain.to_owned()));
        }
        reply.options.push(DhcpOption::BroadcastAddr(net.broadcast()));
        let mtu = policies.mtu().or_else(|| u16::try_from(subnet.mtu).ok());
        if let Some(mtu @ 1..) = mtu {
            reply.options.push(DhcpOption::InterfaceMtu(mtu));
        }
        let ntp_servers = either(policies.ntp_servers(), &subnet.ntp_servers);
        if !ntp_servers.is_empty() {
            reply.options.push(DhcpOption::NtpServers(ntp_servers));
        }
        add_raw_options(reply, policies, subnet);
    }

    /// What a client cannot do without, first.
    fn add_servers(&self, reply: &mut Reply) {
        let (subnet, policies) = (&self.link.subnet, &self.policies);
        let routers = either(policies.routers(), &subnet.routers);
        if !routers.is_empty() {
            reply.options.push(DhcpOption::Router(routers));
        }
        let dns_servers = either(policies.dns_servers(), &subnet.dns_servers);
        if !dns_servers.is_empty() {
            reply.options.push(DhcpOption::DomainNameServer(dns_servers));
        }
    }
}

/// A policy's addresses, else the subnet's.
fn either(of_policy: Option<&[Ipv4Addr]>, of_subnet: &[String]) -> Vec<Ipv4Addr> {
    of_policy.map_or_else(
        || of_subnet.iter().filter_map(|text| text.parse().ok()).collect(),
        <[Ipv4Addr]>::to_vec,
    )
}

#[cfg(test)]
mod tests;
