//! The names of addresses: `1.2.97.10.in-addr.arpa`, and a digit for every four bits below `ip6.arpa` (RFC 3596).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use model::Ipv4Net;
use state::State;

use crate::labels::Labels;
use crate::names::{SERVER_LABEL, domain_of, name_of};
use crate::network::Network;

/// Labels of `in-addr.arpa` and of `ip6.arpa`.
pub(crate) const SUFFIX_LABELS: usize = 2;
const DIGITS_IPV4: usize = 4;
const DIGITS_IPV6: usize = 32;
/// Zones of IPv4 have one to three digits: beyond that nobody delegates by whole digits.
const ZONE_DIGITS_IPV4_MAX: usize = 3;
/// Zones of IPv6 are the usual network of a link, 64 bits.
const ZONE_DIGITS_IPV6: usize = 16;
/// Addresses without a name that are passed over in search of one with a name, to say whether there is anything below a
/// part of an address. Beyond that it is said that there is, which is the harmless mistake: nothing else is denied by it.
const PASSED_OVER_MAX: usize = 256;

/// The addresses that a name, whole or in part, stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    first: IpAddr,
    last: IpAddr,
    digits: usize,
    /// Whether there is nothing before the digits.
    is_clean: bool,
}

impl Range {
    /// `None` for a name that is below neither of the two.
    pub(crate) fn of(labels: &Labels) -> Option<Range> {
        let parts = labels.before_last(SUFFIX_LABELS).rev();
        match labels.last(SUFFIX_LABELS) {
            "in-addr.arpa" => Some(Range::ipv4(parts)),
            "ip6.arpa" => Some(Range::ipv6(parts)),
            _ => None,
        }
    }

    fn ipv4<'a>(parts: impl Iterator<Item = &'a str>) -> Range {
        let (mut bits, mut digits, mut is_clean) = (0_u32, 0, true);
        for part in parts {
            match octet(part).filter(|_| is_clean && digits < DIGITS_IPV4) {
                Some(octet) => (bits, digits) = (bits << 8 | u32::from(octet), digits + 1),
                None => is_clean = false,
            }
        }
        let behind = u32::BITS - 8 * digits as u32;
        let first = bits.checked_shl(behind).unwrap_or(0);
        let last = first | u32::MAX.checked_shr(8 * digits as u32).unwrap_or(0);
        Range {
            first: Ipv4Addr::from_bits(first).into(),
            last: Ipv4Addr::from_bits(last).into(),
            digits,
            is_clean,
        }
    }

    fn ipv6<'a>(parts: impl Iterator<Item = &'a str>) -> Range {
        let (mut bits, mut digits, mut is_clean) = (0_u128, 0, true);
        for part in parts {
            match hex_digit(part).filter(|_| is_clean && digits < DIGITS_IPV6) {
                Some(digit) => (bits, digits) = (bits << 4 | u128::from(digit), digits + 1),
                None => is_clean = false,
            }
        }
        let behind = u128::BITS - 4 * digits as u32;
        let first = bits.checked_shl(behind).unwrap_or(0);
        let last = first | u128::MAX.checked_shr(4 * digits as u32).unwrap_or(0);
        Range {
            first: Ipv6Addr::from_bits(first).into(),
            last: Ipv6Addr::from_bits(last).into(),
            digits,
            is_clean,
        }
    }

    /// The address, if the name is that of one.
    fn address(&self) -> Option<IpAddr> {
        (self.first == self.last).then_some(self.first)
    }
}

fn octet(text: &str) -> Option<u8> {
    let octet: u8 = text.parse().ok()?;
    (octet.to_string() == text).then_some(octet)
}

fn hex_digit(text: &str) -> Option<u8> {
    (text.len() == 1).then(|| u8::from_str_radix(text, 16).ok())?
}

/// How many digits the zone around a name has, if it is one of ours: for IPv4 the whole digits that cover a subnet,
/// for IPv6 those of a network in which somebody has an address.
pub(crate) fn zone_digits(state: &State, range: &Range) -> Option<usize> {
    match range.first {
        IpAddr::V4(first) => {
            (1..=range.digits.min(ZONE_DIGITS_IPV4_MAX)).find(|digits| is_zone(state, first, *digits))
        }
        IpAddr::V6(first) => {
            let network = first.to_bits() & !u128::from(u64::MAX);
            let (first, last) = (network, network | u128::from(u64::MAX));
            let ips = IpAddr::V6(Ipv6Addr::from_bits(first))..=IpAddr::V6(Ipv6Addr::from_bits(last));
            let is_zone = range.digits >= ZONE_DIGITS_IPV6 && state.smd.ips(ips).next().is_some();
            is_zone.then_some(ZONE_DIGITS_IPV6)
        }
    }
}

fn is_zone(state: &State, first: Ipv4Addr, digits: usize) -> bool {
    let bits = 8 * digits as u32;
    let first = Ipv4Addr::from_bits(first.to_bits() & !(u32::MAX >> bits));
    if digits == ZONE_DIGITS_IPV4_MAX {
        let block: Option<Ipv4Net> = format!("{first}/{bits}").parse().ok();
        return block.is_some_and(|block| state.dhcp.overlapping(&block).next().is_some());
    }
    let around = state.dhcp.subnet_of(first);
    let network = around.and_then(|subnet| subnet.network.parse::<Ipv4Net>().ok());
    network.is_some_and(|network| u32::from(network.prefix_len()) <= bits)
}

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// An address, and the name it leads to.
    Name(String),
    /// Addresses with names are below it.
    Part,
}

/// What there is at a name below a reverse zone; `None` for nothing.
pub(crate) fn look_up(state: &State, range: &Range, network: &Network) -> Option<Found> {
    if !range.is_clean {
        return None;
    }
    if let Some(ip) = range.address() {
        return name_at(state, ip, network).map(Found::Name);
    }
    let servers = network.name_servers.iter().map(|ip| IpAddr::V4(*ip));
    let servers = servers.filter(|ip| (range.first..=range.last).contains(ip));
    let ips = state.smd.ips(range.first..=range.last).take(PASSED_OVER_MAX + 1);
    let mut looked_at = 0;
    let is_named = servers.chain(ips).any(|ip| {
        looked_at += 1;
        looked_at > PASSED_OVER_MAX || name_at(state, ip, network).is_some()
    });
    is_named.then_some(Found::Part)
}

/// The name that an address leads to; that of the name servers if it is theirs and no node's.
fn name_at(state: &State, ip: IpAddr, network: &Network) -> Option<String> {
    let of_servers = || match ip {
        IpAddr::V4(ip) if network.name_servers.contains(&ip) => {
            domain_of(state, ip).map(|domain| format!("{SERVER_LABEL}.{domain}"))
        }
        IpAddr::V4(_) | IpAddr::V6(_) => None,
    };
    name_of(state, ip).or_else(of_servers)
}

#[cfg(test)]
mod tests {
    use hickory_proto::rr::Name;
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{NETWORK, world};

    fn range(name: &str) -> Option<Range> {
        Range::of(&Labels::of(&Name::from_ascii(name).unwrap()))
    }

    #[test]
    fn a_name_stands_for_the_addresses_below_it() {
        let between = |name: &str| {
            let range = range(name).unwrap();
            (
                range.first.to_string(),
                range.last.to_string(),
                range.digits,
                range.is_clean,
            )
        };
        let is =
            |first: &str, last: &str, digits, is_clean| (first.to_owned(), last.to_owned(), digits, is_clean);
        assert_eq!(
            between("1.2.97.10.in-addr.arpa."),
            is("10.97.2.1", "10.97.2.1", 4, true)
        );
        assert_eq!(
            between("97.10.in-addr.arpa."),
            is("10.97.0.0", "10.97.255.255", 2, true)
        );
        assert_eq!(
            between("in-addr.arpa."),
            is("0.0.0.0", "255.255.255.255", 0, true)
        );
        for foreign in ["x.97.10", "01.97.10", "256.97.10", "1x.97.10", "0.x.97.10"] {
            assert_eq!(
                between(&format!("{foreign}.in-addr.arpa.")),
                is("10.97.0.0", "10.97.255.255", 2, false),
                "{foreign}"
            );
        }
        assert_eq!(
            between("0.1.2.97.10.in-addr.arpa."),
            is("10.97.2.1", "10.97.2.1", 4, false)
        );
        assert_eq!(
            between("D.f.IP6.arpa."),
            is("fd00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 2, true)
        );
        assert_eq!(between("g.d.f.ip6.arpa.").3, false);
        assert_eq!(between("00.d.f.ip6.arpa.").3, false);
        assert_eq!(range("demo.example."), None);
    }

    proptest! {
        /// The way there is hickory's.
        #[test]
        fn the_name_of_every_address_leads_back_to_it(v4: u32, v6: u128) {
            for ip in [IpAddr::V4(Ipv4Addr::from_bits(v4)), IpAddr::V6(Ipv6Addr::from_bits(v6))] {
                let range = Range::of(&Labels::of(&Name::from(ip))).unwrap();
                prop_assert_eq!(range.address(), Some(ip));
            }
        }
    }

    #[tokio::test]
    async fn parts_of_addresses_are_there_as_long_as_an_address_below_has_a_name() {
        let state = world().await.store.state();
        let found = |name: &str| look_up(&state, &range(name).unwrap(), &NETWORK);
        let name = |text: &str| Some(Found::Name(text.to_owned()));
        assert_eq!(found("1.2.97.10.in-addr.arpa."), name("de0001.demo.example"));
        assert_eq!(found("2.97.10.in-addr.arpa."), Some(Found::Part));
        assert_eq!(found("3.97.10.in-addr.arpa."), None);
        assert_eq!(found("4.97.10.in-addr.arpa."), None, "an interface of nobody");
        assert_eq!(found("9.2.97.10.in-addr.arpa."), None);
        assert_eq!(found("x.1.2.97.10.in-addr.arpa."), None);
        // the service address is no node's
        assert_eq!(found("1.0.97.10.in-addr.arpa."), name("ns.demo.example"));
        assert_eq!(found("0.97.10.in-addr.arpa."), Some(Found::Part));
    }
}
