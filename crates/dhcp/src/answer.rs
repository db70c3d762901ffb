//! The answers that a client on a link can get, with the options that they carry.

use std::net::Ipv4Addr;

use dhcproto::v4::{DhcpOption, MessageType};

use crate::boot::add_boot_options;
use crate::link::Link;
use crate::network::Site;
use crate::reply::Reply;
use crate::request::Request;

/// What answers to one request have in common.
pub(crate) struct Answer<'a> {
    pub(crate) request: &'a Request<'a>,
    pub(crate) link: &'a Link,
    pub(crate) site: &'a Site<'a>,
    /// Option 12; none for a client that has no name.
    pub(crate) hostname: Option<String>,
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
        self.add_network_options(&mut reply);
        reply
    }

    /// The client has an address by other means and wants the rest: no address and no times in the answer.
    pub(crate) fn inform(&self) -> Reply {
        let mut ack = Reply::new(MessageType::Ack);
        ack.ciaddr = self.request.ciaddr;
        ack.options.push(DhcpOption::ServerIdentifier(self.server_id()));
        self.add_network_options(&mut ack);
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

    fn add_network_options(&self, reply: &mut Reply) {
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
        if self.boots {
            add_boot_options(reply, self.request, self.site.network, self.site.loaders);
        }
        if let Some(hostname) = &self.hostname {
            reply.options.push(DhcpOption::Hostname(hostname.clone()));
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
