//! Which transfers another member can carry on, and how it knows them: by the port they come from.
//!
//! A PXE ROM whose transfer breaks off gives up the network, so a transfer must outlive the member that began it.
//! What a server needs to go on is the file, the block size and the block that the client has. The client's ACK says
//! the last; the first two are told by the server's port, which is a hash of them. A member that has taken over the
//! service address receives the ACK on that port and sends the next block. Members agree without a word.
//!
//! A member with another version of the file listens on another port but by chance: two versions meet with odds of 1 in
//! 12,000 for each block size, and 12,000 is what 16 bits of a port leave room for. Then a node whose member dies in the
//! transfer would get the rest of the other version. So give all members the same loaders before nodes are switched on.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::files::Files;

/// The ports, UDP 20000 to 31999: below those that the kernel gives out by itself (32768 and up). As many as may be, as
/// their number is the odds that two versions of a file meet. Firewalls must let them pass (`member-1.toml`).
const PORT_FIRST: u16 = 20_000;
const PORTS: u32 = 12_000;
/// Most ports that one server listens on.
const LISTENING_MAX: usize = 512;
/// Block sizes that clients end up with: without the option, of old ROMs, of iPXE and of UEFI.
const BLKSIZES: [u16; 7] = [512, 1024, 1408, 1428, 1432, 1456, 1468];

/// The files and block sizes of transfers that can be carried on, by their ports.
#[derive(Debug, Default)]
pub(crate) struct Resumable(BTreeMap<u16, (Bytes, u16)>);

impl Resumable {
    /// All files with all usual block sizes. Two that fall on one port are both left out.
    pub(crate) fn of(files: &Files) -> Resumable {
        let mut by_port: BTreeMap<u16, Option<(Bytes, u16)>> = BTreeMap::new();
        for data in files.names().filter_map(|name| files.get(name)) {
            for blksize in BLKSIZES {
                let port = port_of(&data, blksize);
                let entry = by_port
                    .entry(port)
                    .or_insert_with(|| Some((data.clone(), blksize)));
                // one file under two names is no clash
                if *entry != Some((data.clone(), blksize)) {
                    *entry = None;
                }
            }
        }
        let unique = by_port
            .into_iter()
            .filter_map(|(port, found)| Some((port, found?)));
        Resumable(unique.take(LISTENING_MAX).collect())
    }

    /// The port from which `data` is sent in blocks of `blksize`; `None` if nobody could carry it on.
    pub(crate) fn port(&self, data: &Bytes, blksize: usize) -> Option<u16> {
        let blksize = u16::try_from(blksize).ok()?;
        let port = port_of(data, blksize);
        let (same_data, same_blksize) = self.0.get(&port)?;
        (same_data == data && *same_blksize == blksize).then_some(port)
    }

    /// What is sent from this port.
    pub(crate) fn transfer(&self, port: u16) -> Option<(Bytes, usize)> {
        let (data, blksize) = self.0.get(&port)?;
        Some((data.clone(), usize::from(*blksize)))
    }

    /// The ports to listen on.
    pub(crate) fn ports(&self) -> impl Iterator<Item = u16> + '_ {
        self.0.keys().copied()
    }
}

fn port_of(data: &Bytes, blksize: u16) -> u16 {
    let mut hash = crc32fast::Hasher::new();
    hash.update(&blksize.to_le_bytes());
    hash.update(data);
    let offset = u16::try_from(hash.finalize() % PORTS).expect("below PORTS");
    PORT_FIRST + offset
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(entries: &[(&str, &[u8])]) -> Files {
        let mut files = Files::default();
        for (name, content) in entries {
            files.insert(name, content.to_vec());
        }
        files
    }

    #[test]
    fn two_members_with_the_same_file_agree_on_its_port() {
        let one = files(&[("undionly.kpxe", b"loader"), ("other", b"x")]);
        let two = files(&[("undionly.kpxe", b"loader")]);
        let data = two.get("undionly.kpxe").unwrap();
        let port = Resumable::of(&one).port(&data, 1432).unwrap();
        assert_eq!(Resumable::of(&two).transfer(port), Some((data, 1432)));
    }

    #[test]
    fn another_version_and_another_block_size_have_other_ports() {
        let all = Resumable::of(&files(&[("a", b"version 1"), ("b", b"version 2")]));
        let ports: Vec<u16> = all.ports().collect();
        assert_eq!(ports.len(), 2 * BLKSIZES.len(), "no clash among these");
        let old = Resumable::of(&files(&[("a", b"version 1")]));
        let new = Bytes::from_static(b"version 2");
        assert_eq!(old.port(&new, 512), None, "these two do not meet");
    }

    /// Firewalls are told of these ports, and the kernel must not give one of them to somebody else.
    #[test]
    fn all_ports_are_in_the_range_that_is_documented() {
        let mut many = Files::default();
        for n in 0..70_u32 {
            many.insert(&format!("f{n}"), n.to_le_bytes().to_vec());
        }
        let ports: Vec<u16> = Resumable::of(&many).ports().collect();
        assert!(ports.iter().all(|port| (20_000..32_000).contains(port)));
        assert!(ports.last() > Some(&31_900), "all of the range is used");
    }

    /// The odds that the documents state: each version has this port with 1 in 12,000.
    #[test]
    fn two_versions_seldom_have_one_port() {
        let port = |n: u32| port_of(&Bytes::copy_from_slice(&n.to_le_bytes()), 1432);
        let first = port(0);
        let met = (1..=120_000).filter(|n| port(*n) == first).count();
        assert!((1..=30).contains(&met), "{met} of 120,000; expected are 10");
    }

    #[test]
    fn an_unusual_block_size_is_not_carried_on() {
        let files = files(&[("a", b"content")]);
        assert_eq!(Resumable::of(&files).port(&files.get("a").unwrap(), 700), None);
    }

    #[test]
    fn one_file_under_two_names_is_no_clash() {
        let all = Resumable::of(&files(&[("a", b"same"), ("b", b"same")]));
        assert_eq!(all.ports().count(), BLKSIZES.len());
    }

    /// With so many files that ports clash, a port still means one file only.
    #[test]
    fn a_port_means_one_file_and_there_are_never_too_many() {
        let mut many = Files::default();
        for n in 0..250_u32 {
            many.insert(&format!("f{n}"), n.to_le_bytes().to_vec());
        }
        let all = Resumable::of(&many);
        assert!(all.ports().count() <= LISTENING_MAX);
        for port in all.ports() {
            let (data, blksize) = all.transfer(port).unwrap();
            assert_eq!(all.port(&data, blksize), Some(port));
        }
    }
}
