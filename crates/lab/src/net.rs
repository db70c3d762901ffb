//! Claims a 127.B.0.0/16 for one run, so that runs on one machine go side by side.
//!
//! | address | for |
//! |---|---|
//! | 127.B.0.1 | the service address |
//! | 127.B.1.m | member m's own address, m = 1 … 250 |
//! | 127.B.2.1 | the DHCP relay |
//! | 127.B.3.1 … 127.B.15.254 | BMCs, one after the other |
//! | 127.B.16.1 … 127.B.255.250 | nodes, 250 in each /24 |
//! | 127.B.100.1 … 127.B.255.250 | clients without a reservation, where there are fewer than 21,000 nodes |
//!
//! The claim is a lock on a file in the folder for temporary files; it ends with the process, however that ends.

use std::fs::{File, OpenOptions};
use std::io;
use std::net::Ipv4Addr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use model::Ipv4Net;
use nix::fcntl::{Flock, FlockArg};

/// Nodes that fit one network.
pub const NODES_MAX: usize = (256 - FIRST_NODE_OCTET as usize) * NODES_PER_OCTET;
/// Members that fit one network.
pub const MEMBERS_MAX: u64 = 250;

/// BMCs that fit one network.
pub const BMCS_MAX: usize = (FIRST_NODE_OCTET as usize - FIRST_BMC_OCTET as usize) * 256 - 2;

const FIRST_BMC_OCTET: u8 = 3;
const FIRST_NODE_OCTET: u8 = 16;
const NODES_PER_OCTET: usize = 250;
const FIRST_POOL_OCTET: u8 = 100;
/// B of 127.0.0.0/16 is everyone's localhost; 255 is left alone as well.
const OCTETS: std::ops::RangeInclusive<u8> = 1..=254;

/// No network could be claimed.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// All are in use.
    #[error("all 254 networks 127.B.0.0/16 are claimed by lock files in {0}; end other runs first")]
    AllClaimed(String),
}

/// A claimed 127.B.0.0/16. Dropping it, or the end of the process, frees it.
#[derive(Debug)]
pub struct LoopbackNet {
    octet: u8,
    _lock: Flock<File>,
}

/// Claims the first free network, starting at a place that differs between processes.
///
/// # Errors
/// When every network is claimed.
pub fn claim_loopback_net() -> Result<LoopbackNet, NetError> {
    let start = u8::try_from(std::process::id() % 254).expect("a number below 254");
    claim_in(&std::env::temp_dir(), start)
}

fn claim_in(folder: &Path, start: u8) -> Result<LoopbackNet, NetError> {
    let order = (0..254u16).map(|i| u8::try_from((u16::from(start) + i) % 254 + 1).expect("1 to 254"));
    debug_assert!(order.clone().all(|octet| OCTETS.contains(&octet)));
    for octet in order {
        if let Some(lock) = try_lock(folder, octet) {
            return Ok(LoopbackNet { octet, _lock: lock });
        }
    }
    Err(NetError::AllClaimed(folder.display().to_string()))
}

/// `None` if it is locked, or belongs to someone who lets nobody in: both mean "not ours".
fn try_lock(folder: &Path, octet: u8) -> Option<Flock<File>> {
    let path = folder.join(format!("chamois-lab-127.{octet}.lock"));
    let open = || -> io::Result<File> {
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o666)
            .open(&path)
    };
    Flock::lock(open().ok()?, FlockArg::LockExclusiveNonblock).ok()
}

impl LoopbackNet {
    /// The whole network.
    pub fn subnet(&self) -> Ipv4Net {
        format!("127.{}.0.0/16", self.octet)
            .parse()
            .expect("a network in its usual form")
    }

    /// The one address that nodes know.
    pub fn service_address(&self) -> Ipv4Addr {
        Ipv4Addr::new(127, self.octet, 0, 1)
    }

    /// Member `id`'s own address; ids run from 1 to [`MEMBERS_MAX`].
    pub fn member_address(&self, id: u64) -> Ipv4Addr {
        let id = u8::try_from(id.min(MEMBERS_MAX)).expect("at most 250");
        Ipv4Addr::new(127, self.octet, 1, id)
    }

    /// Where the nodes' DHCP relay sits.
    pub fn relay_address(&self) -> Ipv4Addr {
        Ipv4Addr::new(127, self.octet, 2, 1)
    }

    /// The address of BMC `index`, counted from 0; `None` from [`BMCS_MAX`] on. They follow each other without a gap, so that a rule
    /// can compute with them.
    pub fn bmc_address(&self, index: usize) -> Option<Ipv4Addr> {
        let first = u32::from(Ipv4Addr::new(127, self.octet, FIRST_BMC_OCTET, 1));
        let index = u32::try_from(index).ok().filter(|_| index < BMCS_MAX)?;
        Some(Ipv4Addr::from(first + index))
    }

    /// The network of all BMCs.
    pub fn bmc_subnet(&self) -> Ipv4Net {
        format!("127.{}.0.0/20", self.octet)
            .parse()
            .expect("a network in its usual form")
    }

    /// The address of node `index`, counted from 0; `None` from [`NODES_MAX`] on.
    pub fn node_address(&self, index: usize) -> Option<Ipv4Addr> {
        let third = u8::try_from(usize::from(FIRST_NODE_OCTET) + index / NODES_PER_OCTET).ok()?;
        let fourth = u8::try_from(index % NODES_PER_OCTET + 1).expect("at most 250");
        Some(Ipv4Addr::new(127, self.octet, third, fourth))
    }

    /// First and last address for clients without a reservation: 39,930 of them.
    pub fn pool(&self) -> (Ipv4Addr, Ipv4Addr) {
        let of = |third, fourth| Ipv4Addr::new(127, self.octet, third, fourth);
        (of(FIRST_POOL_OCTET, 1), of(255, 250))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn two_claims_never_share_a_network() {
        let folder = tempfile::tempdir().unwrap();
        let first = claim_in(folder.path(), 7).unwrap();
        let second = claim_in(folder.path(), 7).unwrap();
        assert_ne!(first.octet, second.octet);
        let freed = first.octet;
        drop(first);
        assert_eq!(claim_in(folder.path(), 7).unwrap().octet, freed);
    }

    #[test]
    fn the_last_network_is_claimed_and_then_none() {
        let folder = tempfile::tempdir().unwrap();
        let all: Vec<LoopbackNet> = (0..254).map(|_| claim_in(folder.path(), 253).unwrap()).collect();
        let octets: BTreeSet<u8> = all.iter().map(|net| net.octet).collect();
        assert_eq!(octets, OCTETS.collect());
        let error = claim_in(folder.path(), 0).unwrap_err().to_string();
        assert!(error.contains("end other runs"), "{error}");
    }

    #[test]
    fn every_address_is_in_the_network_and_has_one_use() {
        let folder = tempfile::tempdir().unwrap();
        let net = claim_in(folder.path(), 0).unwrap();
        let mut used = BTreeSet::from([net.service_address(), net.relay_address()]);
        used.extend((1..=MEMBERS_MAX).map(|id| net.member_address(id)));
        used.extend((0..NODES_MAX).map(|index| net.node_address(index).unwrap()));
        let bmcs: BTreeSet<Ipv4Addr> = (0..BMCS_MAX)
            .map(|index| net.bmc_address(index).unwrap())
            .collect();
        assert!(bmcs.iter().all(|address| net.bmc_subnet().contains(*address)));
        used.extend(bmcs);
        assert_eq!(used.len(), 2 + 250 + NODES_MAX + BMCS_MAX);
        assert!(used.iter().all(|address| net.subnet().contains(*address)));
        assert_eq!(
            (net.node_address(NODES_MAX), net.bmc_address(BMCS_MAX)),
            (None, None)
        );
    }
}
