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
        pools.push((
            first..=last,
            excluded(&field("excluded"), &pool.excluded, &(first..=last))?,
        ));
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
        let problem = format!(
            "`{}` is not an IPv4 address, e.g. 10.97.200.1",
            text.escape_debug()
        );
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
    if let Some(outside) = excluded.iter().find(|address| !range.contains(*address)) {
        let problem = format!("{outside} is not in {}-{}", range.start(), range.end());
        return Err(Rejection::invalid(field, problem));
    }
    excluded.sort_unstable();
    excluded.dedup();
    Ok(excluded)
}

/// The pools of a stored subnet, read.
#[derive(Clone, Debug, Default)]
pub struct Pools(Vec<Pool>);

#[derive(Clone, Debug)]
struct Pool {
    range: RangeInclusive<u32>,
    excluded: Vec<Ipv4Addr>,
}

impl Pools {
    /// The pools of a subnet as it is stored.
    pub fn of(subnet: &Subnet) -> Pools {
        let read = |pool: &AddressPool| {
            let (first, last) = (
                pool.first.parse::<Ipv4Addr>().ok()?,
                pool.last.parse::<Ipv4Addr>().ok()?,
            );
            Some(Pool {
                range: first.into()..=last.into(),
                excluded: pool
                    .excluded
                    .iter()
                    .filter_map(|text| text.parse().ok())
                    .collect(),
            })
        };
        Pools(subnet.pools.iter().filter_map(read).collect())
    }

    /// Addresses from first to last, those included that are left out.
    pub fn size(&self) -> u64 {
        self.0.iter().map(Pool::size).sum()
    }

    /// The address at a place from 0 on, below [`Pools::size`]; `None` for one that is left out.
    pub fn at(&self, place: u64) -> Option<Ipv4Addr> {
        let mut rest = place;
        for pool in &self.0 {
            if rest < pool.size() {
                let address = Ipv4Addr::from(pool.range.start() + u32::try_from(rest).ok()?);
                return (!pool.excluded.contains(&address)).then_some(address);
            }
            rest -= pool.size();
        }
        None
    }

    /// Whether a pool has the address and may give it out.
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        let has = |pool: &Pool| pool.range.contains(&address.into()) && !pool.excluded.contains(&address);
        self.0.iter().any(has)
    }
}

impl Pool {
    fn size(&self) -> u64 {
        u64::from(self.range.end() - self.range.start()) + 1
    }
}
