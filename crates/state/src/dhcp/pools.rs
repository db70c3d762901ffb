//! The ranges of a subnet that clients get addresses from which SMD does not know.

use std::net::Ipv4Addr;
use std::ops::RangeInclusive;

use model::{Ipv4Net, Rejection};
use proto::dhcp::v1::{AddressPool, Subnet};

use crate::bounds::{EXCLUDED_PER_POOL_MAX, POOLS_PER_SUBNET_MAX, check_count};

/// The pools as they are stored: sorted, none overlaps another.
pub(super) fn normalised(network: &Ipv4Net, given: &[AddressPool]) -> Result<Vec<AddressPool>, Rejection> {
    check_count("pools", given.len(), POOLS_PER_SUBNET_MAX)?;
    let mut pools = Vec::with_capacity(given.len());
    for (place, pool) in given.iter().enumerate() {
        let field = |name: &str| format!("pools[{place}].{name}");
        let first = host(network, &field("first"), &pool.first)?;
        let last = host(network, &field("last"), &pool.last)?;
        if last < first {
            let problem = format!("{last} comes before {first}; write the lower address as `first`");
            return Err(Rejection::invalid(&field("last"), problem));
        }
        pools.push((first..=last, excluded(&field("excluded"), &pool.excluded, &(first..=last))?));
    }
    pools.sort_by_key(|(range, _)| *range.start());
    for pair in pools.windows(2) {
        let [(before, _), (after, _)] = pair else { continue };
        if after.start() <= before.end() {
            let problem = format!(
                "{}-{} and {}-{} overlap; write them as one",
                before.start(),
                before.end(),
                after.start(),
                after.end()
            );
            return Err(Rejection::invalid("pools", problem));
        }
    }
    let text = |(range, excluded): (RangeInclusive<Ipv4Addr>, Vec<Ipv4Addr>)| AddressPool {
        first: range.start().to_string(),
        last: range.end().to_string(),
        excluded: excluded.iter().map(Ipv4Addr::to_string).collect(),
    };
    Ok(pools.into_iter().map(text).collect())
}

fn host(network: &Ipv4Net, field: &str, text: &str) -> Result<Ipv4Addr, Rejection> {
    let address = address(field, text)?;
    let is_host = address != network.network() && address != network.broadcast();
    if !network.contains(address) || !is_host {
        let problem = format!("{address} is no address of a host in {network}");
        return Err(Rejection::invalid(field, problem));
    }
    Ok(address)
}

fn address(field: &str, text: &str) -> Result<Ipv4Addr, Rejection> {
    text.parse().map_err(|_| {
        let problem = format!("`{}` is not an IPv4 address, e.g. 10.97.200.1", text.escape_debug());
        Rejection::invalid(field, problem)
    })
}

fn excluded(
    field: &str,
    given: &[String],
    range: &RangeInclusive<Ipv4Addr>,
) -> Result<Vec<Ipv4Addr>, Rejection> {
    check_count(field, given.len(), EXCLUDED_PER_POOL_MAX)?;
    let mut excluded = given
        .iter()
        .map(|text| address(field, text))
        .collect::<Result<Vec<_>, _>>()?;
    if let Some(outside) = excluded.iter().find(|address| !range.contains(address)) {
        let problem = format!("{outside} is not in {}-{}", range.start(), range.end());
        return Err(Rejection::invalid(field, problem));
    }
    excluded.sort_unstable();
    excluded.dedup();
    Ok(excluded)
}

/// Every address that the pools of a stored subnet may give out, lowest first. What SMD or others have is not left out yet.
pub fn addresses(subnet: &Subnet) -> impl Iterator<Item = Ipv4Addr> + '_ {
    subnet.pools.iter().flat_map(|pool| {
        let ends = pool.first.parse::<Ipv4Addr>().ok().zip(pool.last.parse::<Ipv4Addr>().ok());
        let range = ends.map(|(first, last)| u32::from(first)..=u32::from(last));
        let addresses = range.into_iter().flatten().map(Ipv4Addr::from);
        addresses.filter(|address| !is_excluded(pool, *address))
    })
}

/// Whether a pool of a stored subnet has the address.
pub(super) fn contains(subnet: &Subnet, address: Ipv4Addr) -> bool {
    let is_in = |pool: &AddressPool| {
        let ends = pool.first.parse::<Ipv4Addr>().ok().zip(pool.last.parse::<Ipv4Addr>().ok());
        ends.is_some_and(|(first, last)| (first..=last).contains(&address)) && !is_excluded(pool, address)
    };
    subnet.pools.iter().any(is_in)
}

fn is_excluded(pool: &AddressPool, address: Ipv4Addr) -> bool {
    pool.excluded.iter().any(|excluded| excluded.parse() == Ok(address))
}
