//! `[[network]]`: one network that this host is on, and what it answers there.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use model::{IpNet, Ipv4Net, Ipv6Net};
use serde::Deserialize;

use super::value;

/// One `[[network]]` of the configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct NetworkConfig {
    /// Name of the network, the same on all members.
    pub name: String,
    /// What the network is for; limits which roles it may have.
    pub kind: NetworkKind,
    /// Name of the interface here, e.g. `eth0`; `lo` with `address.mode = "loopback"`.
    pub interface: String,
    /// This member's own address there. It stays with the member.
    #[serde(deserialize_with = "value::ipv4")]
    pub member_address: Ipv4Addr,
    /// Every member's own address there, this one's included, by member id. Adverts go to them; nodes are sent to them
    /// for a boot file that this member has not; in address mode `list` nodes are told them for everything. Needed with
    /// any role (in mode `external`, where adverts tell of clients alone, with the role `boot`), and with a service address in
    /// mode `helper`.
    #[serde(default, deserialize_with = "value::addresses_by_member")]
    pub peers: BTreeMap<u64, Ipv4Addr>,
    /// The address that nodes know. It moves to a living member when its holder dies. Needed with any
    /// role, except in address mode `list`, which has none. On a management network, which has no roles, the API's ports
    /// answer on it too; name it in the certificates (`names` of `chamois init --static`).
    #[serde(default, deserialize_with = "value::optional_ipv4")]
    pub service_address: Option<Ipv4Addr>,
    /// What this member answers there: `boot` (plain HTTP), `dhcp`, `tftp`, `dns`; and with `discovery` that it works on BMCs from
    /// there, which needs `bmc-subnets`.
    #[serde(default)]
    pub roles: Vec<Role>,
    /// Networks (CIDR) behind DHCP relays whose nodes are served through this network.
    #[serde(default, deserialize_with = "value::networks")]
    pub relayed_subnets: Vec<Ipv4Net>,
    /// `true`: answer IPv6 Router Solicitations with "no router here", so that iPXE does not wait some 13 s for a
    /// router before it boots over IPv4. For boot networks without an IPv6 router of their own. With `prefixes-v6` they also
    /// say that addresses and the rest come by DHCPv6, and which prefixes are on the link. Not sent with `dhcp-mode` other than
    /// `answer` or with `dhcp-answer-only`: they reach everybody on the link, other servers' nodes too.
    #[serde(default)]
    pub router_advertisements: bool,
    /// IPv6 prefixes (CIDR) of the network's own link. With them the role `dhcp` is DHCPv6 too: nodes get those of their
    /// addresses in SMD that lie in them. The roles `boot` and `tftp` then answer over IPv6 as well.
    #[serde(default, deserialize_with = "value::networks_v6")]
    pub prefixes_v6: Vec<Ipv6Net>,
    /// IPv6 prefixes (CIDR) behind DHCPv6 relays whose nodes are served through this network, one per link.
    #[serde(default, deserialize_with = "value::networks_v6")]
    pub relayed_prefixes_v6: Vec<Ipv6Net>,
    /// IPv6 addresses of the name servers that DHCPv6 tells.
    #[serde(default, deserialize_with = "value::addresses_v6")]
    pub dns_servers_v6: Vec<Ipv6Addr>,
    /// Host of the URLs that DHCPv6 tells: an address that something else brings to a living member (address mode
    /// `external`). Without it each member tells its own address in `prefixes-v6`.
    #[serde(default, deserialize_with = "value::optional_ipv6")]
    pub service_address_v6: Option<Ipv6Addr>,
    /// What becomes of DHCP's answers, for a move from another server: `answer`, `observe` (they are compared with those of
    /// the server that answers now and not sent: `chamois dhcp observed`) or `proxy` (the other server keeps giving the
    /// addresses, nodes are told what to boot). Nothing is served over IPv6 but with `answer`.
    #[serde(default)]
    pub dhcp_mode: DhcpMode,
    /// Labels of SMD's groups: DHCP answers their components alone, over IPv6 too. Empty: everybody.
    #[serde(default)]
    pub dhcp_answer_only: Vec<String>,
    /// DHCP servers (their identifiers) that are to answer on the network, too. Others are reported as rogues.
    #[serde(default, deserialize_with = "value::ipv4_list")]
    pub dhcp_other_servers: Vec<Ipv4Addr>,
    /// Networks (CIDR, IPv4 and IPv6) of the BMCs that this member reaches through this network; needed with the role `discovery`.
    /// Jobs about them are worked on here, and nothing else is connected to with a BMC's password, whatever name or address
    /// somebody gives.
    #[serde(default, deserialize_with = "value::ip_networks")]
    pub bmc_subnets: Vec<IpNet>,
}

impl NetworkConfig {
    /// Whether everything of it is on this host's loopback interface, as in a demo.
    pub fn is_loopback(&self) -> bool {
        self.interface == "lo"
    }

    /// Whether nodes are answered there in any role. To work on BMCs opens no port.
    pub fn answers_nodes(&self) -> bool {
        self.roles.iter().any(|role| Role::OF_NODES.contains(role))
    }

    /// Every member's own address there, as far as this one has been told.
    pub fn member_addresses(&self) -> impl Iterator<Item = Ipv4Addr> + '_ {
        let others = self
            .peers
            .values()
            .filter(|address| **address != self.member_address);
        std::iter::once(self.member_address).chain(others.copied())
    }

    /// Whether nodes are answered over IPv6 there. There is nothing to compare with another server's DHCPv6, and no proxy of
    /// it: such a network is silent.
    pub fn serves_ipv6(&self) -> bool {
        !self.prefixes_v6.is_empty() && self.dhcp_mode == DhcpMode::Answer
    }

    /// Whether Router Advertisements are sent there. They reach everybody on the link, so only where everybody is answered.
    pub fn advertises_no_router(&self) -> bool {
        let answers_everybody = self.dhcp_mode == DhcpMode::Answer && self.dhcp_answer_only.is_empty();
        self.router_advertisements && answers_everybody
    }
}

/// What becomes of DHCP's answers on a network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DhcpMode {
    /// They are sent.
    #[default]
    Answer,
    /// They are compared with another server's.
    Observe,
    /// Addresses are another server's, boot files come from here.
    Proxy,
}

/// What a network is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkKind {
    /// Compute nodes boot there: any role.
    Boot,
    /// BMCs: the roles `dhcp`, `dns` and `discovery` only.
    Bmc,
    /// Administrators and services: `discovery` at most.
    Management,
    /// Members among themselves: no roles.
    Peer,
}

/// What a member does on a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Boot scripts, cloud-init data and boot files over plain HTTP.
    Boot,
    /// DHCPv4, and with `prefixes-v6` DHCPv6.
    Dhcp,
    /// Network boot loaders.
    Tftp,
    /// Names and addresses of nodes and BMCs.
    Dns,
    /// Scans, crawls, power, firmware and consoles of the BMCs in `bmc-subnets`.
    Discovery,
}

impl fmt::Display for NetworkKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Boot => "boot",
            Self::Bmc => "bmc",
            Self::Management => "management",
            Self::Peer => "peer",
        })
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Boot => "boot",
            Self::Dhcp => "dhcp",
            Self::Tftp => "tftp",
            Self::Dns => "dns",
            Self::Discovery => "discovery",
        })
    }
}

impl Role {
    /// Those in which nodes are answered.
    pub const OF_NODES: [Role; 4] = [Role::Boot, Role::Dhcp, Role::Tftp, Role::Dns];
}
