//! Where everything of a demo is: addresses inside its 127.B.0.0/16, ports, directories.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};

/// Same as in production, where members have hosts of their own.
pub(crate) const PEER_PORT: u16 = 7440;
pub(crate) const GRPC_PORT: u16 = 7441;
pub(crate) const HTTPS_PORT: u16 = 8443;
pub(crate) const HTTP_PORT: u16 = 8081;
pub(crate) const ADVERT_PORT: u16 = 7442;
/// 67 and 69 need privileges; the emulated relay and firmware are told these.
pub(crate) const DHCP_PORT: u16 = 6767;
pub(crate) const TFTP_PORT: u16 = 6969;

/// First node: 127.B.16.0.
const NODES_OFFSET: u32 = 16 << 8;
/// Members: 127.B.1.<id>.
const MEMBERS_OFFSET: u32 = 1 << 8;
/// Service address of the boot network: 127.B.0.1.
const SERVICE_OFFSET: u32 = 1;

/// Addresses and paths of one demo.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    base: Ipv4Addr,
    dir: PathBuf,
}

impl Layout {
    /// `base` is 127.B.0.0; `dir` holds everything that is written.
    pub(crate) fn new(base: Ipv4Addr, dir: &Path) -> Self {
        Self {
            base,
            dir: dir.to_owned(),
        }
    }

    /// The network, CIDR.
    pub(crate) fn network(&self) -> String {
        format!("{}/16", self.base)
    }

    /// The address that nodes know.
    pub(crate) fn service(&self) -> Ipv4Addr {
        self.at(SERVICE_OFFSET)
    }

    /// A member's own address.
    pub(crate) fn member(&self, id: u64) -> Ipv4Addr {
        let id = u32::try_from(id).expect("a demo has at most five members");
        self.at(MEMBERS_OFFSET + id)
    }

    /// The address reserved for node `index`.
    pub(crate) fn node(&self, index: u32) -> Ipv4Addr {
        self.at(NODES_OFFSET + index)
    }

    /// A port on a member's own address.
    pub(crate) fn on_member(&self, id: u64, port: u16) -> SocketAddrV4 {
        SocketAddrV4::new(self.member(id), port)
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

    fn at(&self, offset: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.base.to_bits() + offset)
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

    /// Members, service address, relays and nodes share one /16 and must not meet.
    #[test]
    fn addresses_do_not_meet() {
        let layout = Layout::new(Ipv4Addr::new(127, 77, 0, 0), Path::new("/tmp/x"));
        assert_eq!(layout.service().to_string(), "127.77.0.1");
        assert_eq!(layout.member(3).to_string(), "127.77.1.3");
        assert_eq!(layout.node(0).to_string(), "127.77.16.0");
        assert_eq!(layout.node(NODES_MAX - 1).to_string(), "127.77.111.255");
        assert_eq!(layout.network(), "127.77.0.0/16");
    }
}
