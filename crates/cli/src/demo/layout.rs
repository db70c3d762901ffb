//! Where everything of a demo is: addresses inside its 127.B.0.0/16, ports, directories.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lab::LoopbackNet;

use super::args::Addresses;

/// Same as in production, where members have hosts of their own.
pub(crate) const PEER_PORT: u16 = 7440;
pub(crate) const GRPC_PORT: u16 = 7441;
pub(crate) const HTTPS_PORT: u16 = 8443;
pub(crate) const HTTP_PORT: u16 = 8081;
pub(crate) const ADVERT_PORT: u16 = 7442;
/// 67 and 69 need privileges; the emulated relay and firmware are told these.
pub(crate) const DHCP_PORT: u16 = 6767;
pub(crate) const TFTP_PORT: u16 = 6969;
/// 443 needs privileges.
pub(crate) const BMC_PORT: u16 = 4443;
/// Nodes behind one BMC, as [`xname`] numbers them.
pub(crate) const NODES_PER_BMC: u32 = 2;

/// Where Debian's `ipxe` puts the loaders; without them BIOS and UEFI firmware gets no boot file, which
/// the emulated nodes, being iPXE already, do not need.
const LOADERS_DIR: &str = "/usr/lib/ipxe";

/// Raft's timers, as a member's configuration names them.
const DEFAULT_PROFILE: &str = "lan";

/// Addresses and paths of one demo; cheap to clone. The network stays claimed until the last clone is gone.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    net: Arc<LoopbackNet>,
    dir: PathBuf,
    addresses: Addresses,
    profile: &'static str,
    loaders: PathBuf,
}

impl Layout {
    /// Everything that is written goes below `dir`.
    pub(crate) fn new(net: LoopbackNet, dir: &Path) -> Self {
        Self {
            net: Arc::new(net),
            dir: dir.to_owned(),
            addresses: Addresses::default(),
            profile: DEFAULT_PROFILE,
            loaders: PathBuf::from(LOADERS_DIR),
        }
    }

    /// The same, with another way for nodes to find a living member.
    pub(crate) fn with(mut self, addresses: Addresses) -> Self {
        self.addresses = addresses;
        self
    }

    /// The same, with other timers of Raft.
    pub(crate) fn in_profile(mut self, profile: &'static str) -> Self {
        self.profile = profile;
        self
    }

    /// The same, with the loaders of another folder.
    pub(crate) fn with_loaders(mut self, folder: PathBuf) -> Self {
        self.loaders = folder;
        self
    }

    /// The folder of the loaders that every member serves over TFTP.
    pub(crate) fn loaders(&self) -> &Path {
        &self.loaders
    }

    /// Raft's timers, by their name.
    pub(crate) fn profile(&self) -> &'static str {
        self.profile
    }

    /// The address that moves to a living member.
    pub(crate) fn service(&self) -> Ipv4Addr {
        self.net.service_address()
    }

    /// The same; none where nodes know every member's own.
    pub(crate) fn moving(&self) -> Option<Ipv4Addr> {
        match self.addresses {
            Addresses::Service => Some(self.service()),
            Addresses::List => None,
        }
    }

    /// The addresses that nodes may be told.
    pub(crate) fn told_to_nodes(&self, members: u64) -> Vec<Ipv4Addr> {
        match self.moving() {
            Some(service) => vec![service],
            None => (1..=members).map(|id| self.member(id)).collect(),
        }
    }

    /// The network, CIDR.
    pub(crate) fn network(&self) -> String {
        self.net.subnet().to_string()
    }

    /// Where the emulated DHCP relay sits.
    pub(crate) fn relay(&self) -> Ipv4Addr {
        self.net.relay_address()
    }

    /// A member's own address.
    pub(crate) fn member(&self, id: u64) -> Ipv4Addr {
        self.net.member_address(id)
    }

    /// The address reserved for node `index`.
    pub(crate) fn node(&self, index: u32) -> Ipv4Addr {
        let address = self.net.node_address(index as usize);
        address.expect("the number of nodes is bounded by the command line")
    }

    /// The address of the BMC of the `index`-th pair of nodes.
    pub(crate) fn bmc(&self, index: u32) -> Ipv4Addr {
        let address = self.net.bmc_address(index as usize);
        address.expect("the number of nodes with BMCs is bounded by the command line")
    }

    /// The network that all BMCs are in, CIDR.
    pub(crate) fn bmc_network(&self) -> String {
        self.net.bmc_subnet().to_string()
    }

    /// A port on a member's own address.
    pub(crate) fn on_member(&self, id: u64, port: u16) -> SocketAddrV4 {
        SocketAddrV4::new(self.member(id), port)
    }

    /// First and last address for clients without a reservation.
    pub(crate) fn pool(&self) -> (Ipv4Addr, Ipv4Addr) {
        self.net.pool()
    }

    /// The directory of everything.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// What `chamois init` writes: one directory per member, the CA, the token.
    pub(crate) fn identities(&self) -> PathBuf {
        self.dir.join("identities")
    }

    /// A member's own directory: configuration, data, boot files, log.
    pub(crate) fn member_dir(&self, id: u64) -> PathBuf {
        self.dir.join(format!("member-{id}"))
    }
}

/// Xname of node `index`: 2 nodes a BMC, 2 BMCs a slot, 8 slots a chassis, 8 chassis a cabinet.
pub(crate) fn xname(index: u32) -> String {
    let (node, rest) = (index % 2, index / 2);
    let (bmc, rest) = (rest % 2, rest / 2);
    let (slot, rest) = (rest % 8, rest / 8);
    let (chassis, cabinet) = (rest % 8, 1000 + rest / 8);
    format!("x{cabinet}c{chassis}s{slot}b{bmc}n{node}")
}

/// Xname of BMC `index`.
pub(crate) fn bmc_xname(index: u32) -> String {
    let node = xname(index * NODES_PER_BMC);
    node.trim_end_matches("n0").to_owned()
}

/// NID of node `index`.
pub(crate) fn nid(index: u32) -> u64 {
    u64::from(index) + 1
}

/// MAC of node `index`; 02 marks it as locally administered.
pub(crate) fn mac(index: u32) -> model::MacAddr {
    let [_, high, middle, low] = index.to_be_bytes();
    model::MacAddr([0x02, 0, 0, high, middle, low])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::demo::args::NODES_MAX;

    #[test]
    fn every_node_has_a_valid_xname_and_mac_of_its_own() {
        let names: BTreeSet<String> = (0..NODES_MAX).map(xname).collect();
        assert_eq!(names.len(), NODES_MAX as usize);
        for name in &names {
            let parsed: model::Xname = name.parse().unwrap();
            assert!(parsed.is_node() && parsed.as_str() == name, "{name}");
        }
        let macs: BTreeSet<String> = (0..NODES_MAX).map(|index| mac(index).to_string()).collect();
        assert_eq!(macs.len(), NODES_MAX as usize);
    }

    #[test]
    fn every_pair_of_nodes_has_a_bmc() {
        assert_eq!(
            (bmc_xname(0), bmc_xname(33)),
            ("x1000c0s0b0".to_owned(), "x1000c2s0b1".to_owned())
        );
        for index in 0..1000 {
            let bmc = bmc_xname(index);
            for node in [2 * index, 2 * index + 1] {
                assert_eq!(xname(node), format!("{bmc}n{}", node % 2));
            }
        }
    }

    /// As many nodes as the command line accepts have an address each.
    #[test]
    fn every_node_has_an_address_in_the_network() {
        let layout = Layout::new(lab::claim_loopback_net().unwrap(), Path::new("/tmp/x"));
        let network: model::Ipv4Net = layout.network().parse().unwrap();
        let addresses: BTreeSet<Ipv4Addr> = (0..NODES_MAX).map(|index| layout.node(index)).collect();
        assert_eq!(addresses.len(), NODES_MAX as usize);
        assert!(addresses.iter().all(|address| network.contains(*address)));
        assert!(!addresses.contains(&layout.service()) && !addresses.contains(&layout.member(5)));
    }
}
