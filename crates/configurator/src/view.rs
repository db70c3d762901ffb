//! What targets and templates see of the state: names resolved, sorted by xname in natural order, plain data.

mod boots;
mod build;
mod collections;
mod places;
#[cfg(test)]
mod tests;
mod words;

use std::net::IpAddr;

use serde::Serialize;

use crate::{Inventory, RawOption};

pub(crate) use places::Places;

/// The inventory as files tell it. Whatever cannot be read in it (an address that is none, a component of no known type) is
/// left out; every name of a host in it is one: letters, digits, `-`, `_` and dots.
#[derive(Clone, Debug, Default, Serialize)]
pub struct View {
    /// The cluster's name.
    pub cluster: String,
    /// Every node that SMD knows.
    pub nodes: Vec<Node>,
    /// Every controller that SMD knows.
    pub bmcs: Vec<Bmc>,
    /// By label.
    pub groups: Vec<Group>,
    /// SMD's partitions, as groups whose label is their name.
    pub partitions: Vec<Group>,
    /// By network.
    pub subnets: Vec<Subnet>,
    /// What else has an interface: switches, PDUs, and nodes of which nothing but the interface is known.
    pub others: Vec<Other>,
    pub(crate) revision: u64,
}

impl View {
    /// What the inventory says.
    pub fn of(inventory: &Inventory) -> View {
        build::view(inventory)
    }

    /// The revision that it is as of.
    pub fn revision(&self) -> u64 {
        self.revision
    }
}

/// A node.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Node {
    /// Where it is.
    pub xname: String,
    /// What it is called, by Chamois' own DNS, DHCP and cloud-init, without domain; of two nodes of one name the second goes by
    /// its xname, as in DNS. Lower case, and no other node's.
    pub name: String,
    /// Node id.
    pub nid: Option<u64>,
    /// SMD's word, e.g. `Ready`; empty: not known.
    pub state: String,
    /// SMD's word, e.g. `OK`; empty: not known.
    pub flag: String,
    /// SMD's or a site's word, e.g. `Compute`; may be empty.
    pub role: String,
    /// SMD's or a site's word, e.g. `Worker`; may be empty.
    pub sub_role: String,
    /// `X86`, `ARM`, `UNKNOWN` or `Other`; empty: not known.
    pub arch: String,
    /// `River`, `Mountain` or `Hill`; empty: not known.
    pub class: String,
    /// Whether it is to be used.
    pub enabled: bool,
    /// Labels of its groups, sorted.
    pub groups: Vec<String>,
    /// By MAC.
    pub interfaces: Vec<Interface>,
    /// Xname of its controller, if that is one of [`View::bmcs`].
    pub bmc: Option<String>,
    /// What it boots with; none for a node that boots nothing, and where an image of it was not told.
    pub boot: Option<Boot>,
}

impl Node {
    /// The first IPv4 address, else the first of IPv6.
    pub fn address(&self) -> Option<IpAddr> {
        first_address(&self.interfaces)
    }

    /// The first with a MAC and an address.
    pub fn boot_interface(&self) -> Option<&Interface> {
        let mut interfaces = self.interfaces.iter();
        interfaces.find(|interface| !interface.mac.is_empty() && !interface.addresses.is_empty())
    }
}

pub(crate) fn first_address(interfaces: &[Interface]) -> Option<IpAddr> {
    let all = || {
        interfaces
            .iter()
            .flat_map(|interface| &interface.addresses)
            .copied()
    };
    all().find(IpAddr::is_ipv4).or_else(|| all().next())
}

/// An Ethernet interface.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Interface {
    /// Lower case with colons; may be empty.
    pub mac: String,
    /// Free text on one line.
    pub description: String,
    /// What SMD calls the network of its addresses; may be empty.
    pub network: String,
    /// In the order that SMD has them.
    pub addresses: Vec<IpAddr>,
}

/// A controller: of nodes, a chassis, a switch.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Bmc {
    /// Where it is.
    pub xname: String,
    /// Its endpoint's FQDN or host name; else what a DHCP policy calls it, else the xname. Lower case.
    pub name: String,
    /// SMD's type, e.g. `NodeBMC`.
    pub kind: String,
    /// Its endpoint's address, else that of its interface.
    pub address: Option<IpAddr>,
    /// Its endpoint's MAC, else that of its interface; lower case with colons.
    pub mac: Option<String>,
    /// User name that it is logged in to with; may be empty.
    pub user: String,
    /// Xnames of the nodes behind it.
    pub nodes: Vec<String>,
    /// By MAC.
    pub interfaces: Vec<Interface>,
}

/// A group.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Group {
    /// Its label.
    pub label: String,
    /// Free text on one line.
    pub description: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// Xnames, in natural order.
    pub members: Vec<String>,
    /// Names of those members that are nodes, in the order of `members`.
    pub member_names: Vec<String>,
}

/// A network in which DHCP gives addresses.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Subnet {
    /// E.g. `10.97.0.0/16`.
    pub cidr: String,
    /// The same as a name that programs take: `10-97-0-0-16`.
    pub name: String,
    /// The first router.
    pub gateway: Option<IpAddr>,
    /// Servers of names.
    pub dns: Vec<IpAddr>,
    /// Servers of time.
    pub ntp: Vec<IpAddr>,
    /// What follows the names of hosts in it; empty: none.
    pub domain: String,
    /// First and last address of each range for clients that SMD does not know.
    pub pools: Vec<(IpAddr, IpAddr)>,
    /// Lease of known nodes, seconds.
    pub lease_seconds: u32,
    /// Largest packet on its links, bytes; `None`: nothing is said.
    pub mtu: Option<u16>,
    /// Further options of DHCP by their number, sorted, each once.
    pub options: Vec<RawOption>,
    /// Where nodes get their boot files from. Subnets name none: members answer themselves. Targets have it as an option.
    pub boot_server: Option<String>,
}

/// A component with interfaces that is neither node nor controller.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Other {
    /// Where it is.
    pub xname: String,
    /// What a DHCP policy calls it, else the xname. Lower case.
    pub name: String,
    /// SMD's type, e.g. `MgmtSwitch`.
    pub kind: String,
    /// By MAC.
    pub interfaces: Vec<Interface>,
}

impl Other {
    /// The first IPv4 address, else the first of IPv6.
    pub fn address(&self) -> Option<IpAddr> {
        first_address(&self.interfaces)
    }
}

/// What a node boots with, as its boot script has it: of its boot configurations and boot parameters those that win, merged, with the
/// image that they name. The decision is the script's own (`boot_choice`), of a node that asks by its xname and tells no
/// architecture beside SMD's.
///
/// What nobody who watches is told is not in it: to which nodes a rollout has come (they are shown with what the configuration
/// says until the rollout is over), and profiles, which end by the clock, without a change of the state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Boot {
    /// URL of the kernel as it is stored: a boot file's is its path (`/files/…`) at the service address of the node's network, one
    /// in S3 is not signed. Empty: only parameters are set, and the node gets no script.
    pub kernel: String,
    /// The same of the initrd; may be empty.
    pub initrd: String,
    /// Kernel parameters, on one line, without the words that a script adds for one boot (`xname=`, `nid=`, `BOOTIF=`, `ds=`).
    pub params: String,
}
