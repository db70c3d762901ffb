//! What the configuration of a DHCP server says, in whatever language.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;
use std::sync::Arc;

use model::{Ipv4Net, MacAddr};
use proto::dhcp::v1::subnet::UnknownClients;

use super::options::Options;
use super::rule::Rule;
use crate::import::diff::quoted;

/// Where something stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) file: Arc<str>,
    /// From 1.
    pub(super) line: usize,
}

impl Place {
    pub(super) fn new(file: &str, line: usize) -> Place {
        let file = file.into();
        Place { file, line }
    }

    /// The same file, another line.
    pub(super) fn at_line(&self, line: usize) -> Place {
        let file = Arc::clone(&self.file);
        Place { file, line }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// A configuration, read. Nothing of it is checked against this cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct DhcpImport {
    /// By network, each once.
    pub(super) subnets: Vec<FoundSubnet>,
    /// In their order; a MAC may have several.
    pub(super) reservations: Vec<Reservation>,
    /// coresmd's, in their order.
    pub(super) rules: Vec<Rule>,
    /// What would be imported if it were right.
    pub(super) wrong: Vec<Told>,
    /// What has no counterpart here, or none that a machine can find.
    pub(super) not_understood: Vec<Told>,
}

/// Something of a configuration that somebody has to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) at: Place,
    /// The statement, shown safely.
    pub(super) what: String,
    /// What stands against it, and what to do.
    pub(super) why: String,
}

/// A network and what its clients are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FoundSubnet {
    pub(super) at: Place,
    pub(super) network: Ipv4Net,
    pub(super) options: Options,
    /// Sorted and apart from each other once [`DhcpImport::finish`] is done.
    pub(super) pools: Vec<RangeInclusive<Ipv4Addr>>,
    /// Pools for declared hosts only, until [`DhcpImport::finish`] is done.
    pub(super) closed: Vec<Told>,
    pub(super) closed_ranges: Vec<RangeInclusive<Ipv4Addr>>,
    /// Lease time of the pools, seconds, if they have one of their own.
    pub(super) pool_lease_time_s: Option<u32>,
    /// What clients hear that have no reservation; `None`: the configuration does not say.
    pub(super) unknown: Option<UnknownClients>,
}

/// What one MAC is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reservation {
    pub(super) at: Place,
    pub(super) mac: MacAddr,
    pub(super) addresses: Vec<IpAddr>,
    /// Empty for none.
    pub(super) hostname: String,
}

impl DhcpImport {
    /// Something that is left out.
    pub(super) fn tell(&mut self, at: &Place, what: &str, why: impl Into<String>) {
        self.not_understood.push(told(at, what, why.into()));
    }

    /// Something that should be imported and cannot.
    pub(super) fn refuse(&mut self, at: &Place, what: &str, why: impl Into<String>) {
        self.wrong.push(told(at, what, why.into()));
    }

    /// The subnet of this network; a new one if there is none.
    pub(super) fn subnet(&mut self, at: &Place, network: Ipv4Net) -> &mut FoundSubnet {
        let known = self.subnets.iter().position(|subnet| subnet.network == network);
        let place = known.unwrap_or_else(|| {
            self.subnets.push(FoundSubnet::new(at.clone(), network));
            self.subnets.len() - 1
        });
        &mut self.subnets[place]
    }

    /// The subnet that an address lies in.
    pub(super) fn covering(&mut self, address: Ipv4Addr) -> Option<&mut FoundSubnet> {
        let mut subnets = self.subnets.iter_mut();
        subnets.find(|subnet| subnet.network.contains(address))
    }

    /// Gives a subnet the pool that lies in it; one that lies in none, or partly in one, is wrong.
    pub(super) fn add_pool(&mut self, at: &Place, what: &str, pool: &FoundPool) {
        let (first, last) = (*pool.range.start(), *pool.range.end());
        if last < first {
            let why = format!("{last} comes before {first}; write the lower address first");
            return self.refuse(at, what, why);
        }
        let Some(subnet) = self.covering(first) else {
            let why =
                format!("no subnet of the configuration has {first}; add the subnet, or correct the address");
            return self.refuse(at, what, why);
        };
        if !subnet.network.contains(last) {
            let why = format!(
                "it leaves {}; end it at the last address of the network",
                subnet.network
            );
            return self.refuse(at, what, why);
        }
        subnet.pool_lease_time_s = subnet.pool_lease_time_s.or(pool.lease_time_s);
        let hosts = hosts_of(&subnet.network, &pool.range);
        if pool.unknown == UnknownClients::Ignore {
            let why = "it is for declared hosts only, beside a pool for all: declared hosts have their reservations, strangers \
                       get nothing of it; add a pool by hand if they should";
            subnet.closed.push(told(at, what, why.to_owned()));
            subnet.closed_ranges.extend(hosts);
            return;
        }
        subnet.pools.extend(hosts);
        subnet.unknown = Some(more_open(subnet.unknown, pool.unknown));
    }

    /// Brings everything into its normal form, and tells what only shows when all is read.
    pub(super) fn finish(mut self) -> DhcpImport {
        self.subnets.sort_by_key(|subnet| subnet.network);
        for subnet in &mut self.subnets {
            let (closed, ranges) = (
                std::mem::take(&mut subnet.closed),
                std::mem::take(&mut subnet.closed_ranges),
            );
            match subnet.pools.is_empty() {
                // all of them: the pools stay, and are opened to nobody
                true if !closed.is_empty() => {
                    subnet.pools = ranges;
                    subnet.unknown = Some(UnknownClients::Ignore);
                }
                true => {}
                false => self.not_understood.extend(closed),
            }
            subnet.pools = joined(std::mem::take(&mut subnet.pools));
            if subnet.pools.is_empty() {
                // without addresses there is nothing that strangers could get
                subnet.unknown = subnet
                    .unknown
                    .filter(|unknown| *unknown == UnknownClients::Ignore);
            }
        }
        let masks = self.subnets.iter().filter_map(|subnet| {
            let mask = subnet
                .options
                .mask
                .filter(|mask| *mask != subnet.network.mask())?;
            let why = format!(
                "option 1 is {mask}, but the mask of {} is {}: clients are sent this one",
                subnet.network,
                subnet.network.mask()
            );
            Some(told(&subnet.at, "subnet mask", why))
        });
        let masks: Vec<Told> = masks.collect();
        self.not_understood.extend(masks);
        self
    }
}

/// A range of addresses, and for whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FoundPool {
    pub(super) range: RangeInclusive<Ipv4Addr>,
    pub(super) lease_time_s: Option<u32>,
    pub(super) unknown: UnknownClients,
}

impl FoundSubnet {
    fn new(at: Place, network: Ipv4Net) -> FoundSubnet {
        FoundSubnet {
            at,
            network,
            options: Options::default(),
            pools: Vec::new(),
            closed: Vec::new(),
            closed_ranges: Vec::new(),
            pool_lease_time_s: None,
            unknown: None,
        }
    }
}

fn told(at: &Place, what: &str, why: String) -> Told {
    let (at, what) = (at.clone(), quoted(what));
    Told { at, what, why }
}

/// Without the network's own address and its broadcast; nothing is left of a range of only these.
fn hosts_of(network: &Ipv4Net, range: &RangeInclusive<Ipv4Addr>) -> Option<RangeInclusive<Ipv4Addr>> {
    let from = u32::from(*range.start()).max(u32::from(network.network()).saturating_add(1));
    let to = u32::from(*range.end()).min(u32::from(network.broadcast()).saturating_sub(1));
    (from <= to).then(|| Ipv4Addr::from(from)..=Ipv4Addr::from(to))
}

/// Of two pools for strangers in one subnet the one that gives more decides: what they hear is said once for a subnet here.
fn more_open(before: Option<UnknownClients>, now: UnknownClients) -> UnknownClients {
    before.map_or(now, |before| before.max(now))
}

/// Ranges that touch or overlap become one.
fn joined(mut ranges: Vec<RangeInclusive<Ipv4Addr>>) -> Vec<RangeInclusive<Ipv4Addr>> {
    ranges.sort_by_key(|range| *range.start());
    let mut apart: Vec<RangeInclusive<Ipv4Addr>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match apart.last_mut() {
            Some(before) if u32::from(*range.start()) <= u32::from(*before.end()).saturating_add(1) => {
                *before = *before.start()..=*before.end().max(range.end());
            }
            _ => apart.push(range),
        }
    }
    apart
}

/// The network of an address with this mask.
///
/// # Errors
/// With what is accepted, for a mask with ones behind a zero.
pub(super) fn network_of(address: Ipv4Addr, mask: Ipv4Addr) -> Result<Ipv4Net, String> {
    let bits = u32::from(mask);
    if bits.leading_ones() + bits.trailing_zeros() != u32::BITS && bits != 0 {
        return Err(format!("{mask} is no netmask; write e.g. 255.255.0.0"));
    }
    network_of_prefix(address, bits.leading_ones())
}

/// The network of an address with this prefix length.
///
/// # Errors
/// With what is accepted, for a length above 32.
pub(super) fn network_of_prefix(address: Ipv4Addr, length: u32) -> Result<Ipv4Net, String> {
    if length > u32::BITS {
        return Err(format!("/{length} is no prefix length; write 0 to 32"));
    }
    let bits = u32::MAX.checked_shl(u32::BITS - length).unwrap_or(0);
    let network = Ipv4Addr::from(u32::from(address) & bits);
    let text = format!("{network}/{length}");
    text.parse()
        .map_err(|problem: model::InvalidValue| problem.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> Ipv4Net {
        text.parse().unwrap()
    }

    fn range(first: &str, last: &str) -> RangeInclusive<Ipv4Addr> {
        first.parse().unwrap()..=last.parse().unwrap()
    }

    fn pool(first: &str, last: &str) -> FoundPool {
        FoundPool {
            range: range(first, last),
            lease_time_s: None,
            unknown: UnknownClients::Address,
        }
    }

    fn with_pools(pools: &[FoundPool]) -> DhcpImport {
        let at = Place::new("a", 1);
        let mut import = DhcpImport::default();
        import.subnet(&at, net("10.0.0.0/24"));
        for pool in pools {
            import.add_pool(&at, "range", pool);
        }
        import.finish()
    }

    /// A cluster takes sixteen pools for a subnet; old configurations have one for each hole.
    #[test]
    fn pools_that_touch_become_one() {
        let import = with_pools(&[
            pool("10.0.0.30", "10.0.0.39"),
            pool("10.0.0.10", "10.0.0.19"),
            pool("10.0.0.20", "10.0.0.25"),
            pool("10.0.0.15", "10.0.0.16"),
        ]);
        let expected = [range("10.0.0.10", "10.0.0.25"), range("10.0.0.30", "10.0.0.39")];
        assert_eq!(import.subnets[0].pools, expected);
    }

    /// Kea's `10.0.0.0/24` as a pool has both.
    #[test]
    fn a_pool_loses_the_address_of_the_network_and_its_broadcast() {
        let import = with_pools(&[pool("10.0.0.0", "10.0.0.255")]);
        assert_eq!(import.subnets[0].pools, [range("10.0.0.1", "10.0.0.254")]);
        let nothing = with_pools(&[pool("10.0.0.0", "10.0.0.0")]);
        assert!(nothing.subnets[0].pools.is_empty() && nothing.wrong.is_empty());
    }

    /// A pool that was closed to strangers must not be opened by the import.
    #[test]
    fn a_pool_for_declared_hosts_is_opened_to_nobody() {
        let closed = |first, last| FoundPool {
            unknown: UnknownClients::Ignore,
            ..pool(first, last)
        };
        for both in [
            [closed("10.0.0.10", "10.0.0.19"), pool("10.0.0.30", "10.0.0.39")],
            [pool("10.0.0.30", "10.0.0.39"), closed("10.0.0.10", "10.0.0.19")],
        ] {
            let import = with_pools(&both);
            let subnet = &import.subnets[0];
            assert_eq!(subnet.pools, [range("10.0.0.30", "10.0.0.39")]);
            assert_eq!(subnet.unknown, Some(UnknownClients::Address));
            assert!(import.not_understood[0].why.contains("declared hosts only"));
        }
        let alone = with_pools(&[closed("10.0.0.10", "10.0.0.19")]);
        assert_eq!(alone.subnets[0].pools, [range("10.0.0.10", "10.0.0.19")]);
        assert_eq!(alone.subnets[0].unknown, Some(UnknownClients::Ignore));
        assert!(alone.not_understood.is_empty());
    }

    #[test]
    fn a_pool_that_fits_no_subnet_is_wrong_with_its_place() {
        for (bad, why) in [
            (
                pool("10.9.0.1", "10.9.0.2"),
                "no subnet of the configuration has 10.9.0.1",
            ),
            (pool("10.0.0.9", "10.0.1.2"), "it leaves 10.0.0.0/24"),
            (pool("10.0.0.9", "10.0.0.2"), "10.0.0.2 comes before 10.0.0.9"),
        ] {
            let import = with_pools(&[bad]);
            assert!(import.wrong[0].why.starts_with(why), "{:?}", import.wrong);
            assert_eq!(import.wrong[0].at.to_string(), "a:1");
        }
    }

    #[test]
    fn masks_and_prefix_lengths_name_networks() {
        let address = Ipv4Addr::new(10, 97, 3, 4);
        let of = |mask: &str| network_of(address, mask.parse().unwrap());
        assert_eq!(of("255.255.0.0"), Ok(net("10.97.0.0/16")));
        assert_eq!(of("255.255.255.255"), Ok(net("10.97.3.4/32")));
        assert_eq!(of("0.0.0.0"), Ok(net("0.0.0.0/0")));
        for wrong in ["255.0.255.0", "0.0.0.255", "255.255.0.1"] {
            assert!(of(wrong).unwrap_err().contains("is no netmask"), "{wrong}");
        }
        assert_eq!(network_of_prefix(address, 12), Ok(net("10.96.0.0/12")));
        assert!(network_of_prefix(address, 33).is_err());
    }

    /// The mask is not stored here, it follows from the network: another one would be lost in silence.
    #[test]
    fn a_mask_that_is_not_the_networks_is_told() {
        let mut import = DhcpImport::default();
        let at = Place::new("a", 7);
        let subnet = import.subnet(&at, net("10.0.0.0/24"));
        subnet.options.mask = Some(Ipv4Addr::new(255, 255, 0, 0));
        let import = import.finish();
        assert!(import.not_understood[0].why.contains("option 1 is 255.255.0.0"));
    }
}
