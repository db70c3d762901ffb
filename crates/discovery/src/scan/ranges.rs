//! Addresses as ranges of numbers: a network of a million addresses is two numbers, whatever is cut out of it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use model::IpNet;

/// Addresses of one version of IP, both ends included. Ordered by version, then by the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Range {
    is_v6: bool,
    first: u128,
    last: u128,
}

impl Range {
    /// From one address to another one; `None` if they are of two versions, or in the wrong order.
    pub(super) fn of(first: IpAddr, last: IpAddr) -> Option<Range> {
        let ((is_v6, first), (last_is_v6, last)) = (number(first), number(last));
        (is_v6 == last_is_v6 && first <= last).then_some(Range { is_v6, first, last })
    }

    /// Every address of a network.
    pub(super) fn whole(network: IpNet) -> Range {
        let (first, prefix_len, bits) = match network {
            IpNet::V4(network) => (IpAddr::V4(network.network()), network.prefix_len(), 32),
            IpNet::V6(network) => (IpAddr::V6(network.network()), network.prefix_len(), 128),
        };
        // not by `number`: `::ffff:0:0/96` is a network of IPv6
        let first = match first {
            IpAddr::V4(address) => u128::from(address.to_bits()),
            IpAddr::V6(address) => address.to_bits(),
        };
        let free_bits: u32 = bits - u32::from(prefix_len);
        let last = first + u128::MAX.checked_shr(128 - free_bits).unwrap_or(0);
        Range {
            is_v6: bits == 128,
            first,
            last,
        }
    }

    /// The addresses of a network that a BMC can have: not the one that names it, nor the broadcast address of IPv4. Networks of
    /// one or two addresses have no such.
    pub(super) fn hosts(network: IpNet) -> Range {
        let mut range = Range::whole(network);
        if range.count() > 2 {
            range.first += 1;
            range.last -= u128::from(!range.is_v6);
        }
        range
    }

    /// How many there are; `u128::MAX` stands for one more, too.
    pub(super) fn count(&self) -> u128 {
        (self.last - self.first).saturating_add(1)
    }

    /// The address at a place, from 0.
    pub(super) fn nth(&self, place: u64) -> Option<IpAddr> {
        let number = self.first.checked_add(u128::from(place))?;
        if number > self.last {
            return None;
        }
        match self.is_v6 {
            true => Some(IpAddr::V6(Ipv6Addr::from_bits(number))),
            false => u32::try_from(number)
                .ok()
                .map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits))),
        }
    }

    /// Whether the address is one of them.
    pub(super) fn holds(&self, address: IpAddr) -> bool {
        let (is_v6, number) = number(address);
        is_v6 == self.is_v6 && (self.first..=self.last).contains(&number)
    }
}

/// Whether an address is of IPv6, and its number. `::ffff:10.0.0.1` is `10.0.0.1`.
fn number(address: IpAddr) -> (bool, u128) {
    match address.to_canonical() {
        IpAddr::V4(address) => (false, address.to_bits().into()),
        IpAddr::V6(address) => (true, address.to_bits()),
    }
}

/// The same addresses, each once, in order, with a gap between any two ranges.
pub(super) fn merged(mut ranges: Vec<Range>) -> Vec<Range> {
    ranges.sort_unstable();
    let mut merged: Vec<Range> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match merged.last_mut() {
            Some(before) if before.is_v6 == range.is_v6 && range.first <= before.last.saturating_add(1) => {
                before.last = before.last.max(range.last);
            }
            Some(_) | None => merged.push(range),
        }
    }
    merged
}

/// What is left of `ranges`; both are [`merged`].
pub(super) fn without(ranges: &[Range], holes: &[Range]) -> Vec<Range> {
    let mut left = Vec::with_capacity(ranges.len());
    for range in ranges {
        cut(*range, holes, &mut left);
    }
    left
}

fn cut(range: Range, holes: &[Range], left: &mut Vec<Range>) {
    let from = holes.partition_point(|hole| (hole.is_v6, hole.last) < (range.is_v6, range.first));
    let mut first = range.first;
    let within = |hole: &&Range| hole.is_v6 == range.is_v6 && hole.first <= range.last;
    for hole in holes[from..].iter().take_while(within) {
        if hole.first > first {
            left.push(Range {
                first,
                last: hole.first - 1,
                ..range
            });
        }
        if hole.last >= range.last {
            return;
        }
        first = hole.last + 1;
    }
    left.push(Range { first, ..range });
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn range(first: &str, last: &str) -> Range {
        Range::of(ip(first), ip(last)).unwrap()
    }

    fn net(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    #[test]
    fn hosts_are_what_a_bmc_can_have() {
        assert_eq!(Range::hosts(net("10.1.0.0/24")), range("10.1.0.1", "10.1.0.254"));
        assert_eq!(Range::hosts(net("10.1.0.0/30")), range("10.1.0.1", "10.1.0.2"));
        assert_eq!(Range::hosts(net("10.1.0.0/31")), range("10.1.0.0", "10.1.0.1"));
        assert_eq!(Range::hosts(net("10.1.0.7/32")), range("10.1.0.7", "10.1.0.7"));
        assert_eq!(Range::hosts(net("fd00::/120")), range("fd00::1", "fd00::ff"));
        assert_eq!(Range::hosts(net("fd00::7/128")), range("fd00::7", "fd00::7"));
        assert_eq!(Range::hosts(net("0.0.0.0/0")).count(), (1 << 32) - 2);
        assert_eq!(Range::whole(net("::/0")).count(), u128::MAX);
        assert_eq!(Range::whole(net("10.1.0.0/24")).count(), 256);
    }

    #[test]
    fn ends_of_two_versions_or_in_the_wrong_order_are_no_range() {
        assert_eq!(Range::of(ip("10.0.0.1"), ip("fd00::1")), None);
        assert_eq!(Range::of(ip("10.0.0.2"), ip("10.0.0.1")), None);
        assert_eq!(
            Range::of(ip("::ffff:10.0.0.1"), ip("10.0.0.2")),
            Some(range("10.0.0.1", "10.0.0.2"))
        );
    }

    #[test]
    fn places_are_counted_from_the_first() {
        let some = range("10.0.0.254", "10.0.1.1");
        assert_eq!(
            (some.count(), some.nth(2), some.nth(4)),
            (4, Some(ip("10.0.1.0")), None)
        );
        assert_eq!(range("fd00::ffff", "fd00::1:0").nth(1), Some(ip("fd00::1:0")));
        assert!(some.holds(ip("::ffff:10.0.1.0")) && !some.holds(ip("10.0.1.2")));
    }

    #[test]
    fn an_address_is_there_once() {
        let all = [
            range("10.0.0.5", "10.0.0.9"),
            range("fd00::1", "fd00::2"),
            range("10.0.0.10", "10.0.0.20"),
            range("10.0.0.7", "10.0.0.8"),
            range("10.0.0.30", "10.0.0.30"),
        ];
        let once = [
            range("10.0.0.5", "10.0.0.20"),
            range("10.0.0.30", "10.0.0.30"),
            range("fd00::1", "fd00::2"),
        ];
        assert_eq!(merged(all.to_vec()), once);
    }

    #[test]
    fn holes_at_every_place_are_cut_out() {
        let all = [range("10.0.0.10", "10.0.0.20"), range("fd00::1", "fd00::9")];
        let left = |holes: &[Range]| without(&all, &merged(holes.to_vec()));
        assert_eq!(left(&[]), all);
        assert_eq!(left(&[range("10.0.0.0", "10.0.0.20")]), all[1..]);
        assert_eq!(
            left(&[
                range("10.0.0.12", "10.0.0.12"),
                range("10.0.0.19", "10.0.0.99"),
                range("fd00::", "fd00::1")
            ]),
            [
                range("10.0.0.10", "10.0.0.11"),
                range("10.0.0.13", "10.0.0.18"),
                range("fd00::2", "fd00::9")
            ]
        );
        let everything = [Range::whole(net("0.0.0.0/0")), Range::whole(net("::/0"))];
        assert!(left(&everything).is_empty());
    }

    fn some_ranges() -> impl Strategy<Value = Vec<Range>> {
        let one = (any::<bool>(), 0..60_u128, 0..20_u128);
        let one = one.prop_map(|(is_v6, first, more)| Range {
            is_v6,
            first,
            last: first + more,
        });
        proptest::collection::vec(one, 0..8)
    }

    proptest! {
        /// What is left is exactly what is asked for and not excluded: each address is tried.
        #[test]
        fn cutting_is_the_difference_of_sets(ranges in some_ranges(), holes in some_ranges()) {
            let left = without(&merged(ranges.clone()), &merged(holes.clone()));
            let among = |ranges: &[Range], is_v6: bool, number: u128| {
                ranges.iter().filter(|r| r.is_v6 == is_v6 && (r.first..=r.last).contains(&number)).count()
            };
            for is_v6 in [false, true] {
                for number in 0..100 {
                    let expected = among(&ranges, is_v6, number) > 0 && among(&holes, is_v6, number) == 0;
                    prop_assert_eq!(among(&left, is_v6, number), usize::from(expected));
                }
            }
        }
    }
}
