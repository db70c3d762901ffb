//! The subnets that DHCP serves.

use std::net::Ipv4Addr;
use std::sync::Arc;

use imbl::OrdSet;
use model::{Ipv4Net, Rejection};
use proto::dhcp::v1::Subnet;
use proto::dhcp::v1::dhcp_command::{DeleteSubnet, PutSubnet};
use proto::dhcp::v1::subnet::UnknownClients;
use proto::raft::v1::outcome::Applied;
use proto::raft::v1::snapshot_row::Row;

use super::deleted_subnets::DeletedSubnets;
use super::policies::Policies;
use super::{pools, raw_options};
use crate::bounds::{SERVERS_PER_SUBNET_MAX, SUBNETS_MAX, check_count};
use crate::changes::Changes;
use crate::cluster::{FEATURE_LEVEL_BOOT, FEATURE_LEVEL_DHCP, FEATURE_LEVEL_FIRST};
use crate::event::Object;
use crate::log_position::LogPosition;
use crate::outcome::deleted;
use crate::snapshot::SnapshotError;
use crate::table::{Record, Table};
use crate::{RowKey, RowKind};

/// Smallest MTU of IPv4 (RFC 791), bytes.
const MTU_MIN: u32 = 68;
/// Largest MTU that option 26 can say, bytes.
const MTU_MAX: u32 = 65_535;
/// Shortest lease, seconds: below it nodes would do nothing but renew.
pub(super) const LEASE_TIME_S_MIN: u32 = 60;
/// Shortest lease of a pool, seconds: twice the time by which a member may misjudge the cluster's. A client that is adopted
/// moves to its reservation at its next renewal, so a short lease is a short wait.
const POOL_LEASE_TIME_S_MIN: u32 = 20;
/// Lease of a known node where the subnet says nothing, seconds.
const LEASE_TIME_S_DEFAULT: u32 = 3600;
/// Longest domain name (RFC 1035), bytes.
const DOMAIN_BYTES_MAX: usize = 253;

/// Subnets by network; no two of them overlap.
#[derive(Clone, Default)]
pub(super) struct Subnets {
    subnets: Table<Subnet>,
    /// The domains that there are; subnets without one are not in it.
    by_domain: OrdSet<(String, Ipv4Net)>,
    /// Those that there were lately.
    pub(super) deleted: DeletedSubnets,
}

impl Subnets {
    /// Sorted by network.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Subnet>> {
        self.subnets.values()
    }

    /// Every subnet that has an address in common with a network: the one around it, or those inside.
    pub(super) fn overlapping(&self, network: &Ipv4Net) -> impl Iterator<Item = &Arc<Subnet>> {
        self.overlaps(network).map(|(_, subnet)| subnet)
    }

    /// Whether any subnet has this domain, written in lower case.
    pub(super) fn has_domain(&self, domain: &str) -> bool {
        let mut from = self.by_domain.range((domain.to_owned(), first_network())..);
        from.next().is_some_and(|(first, _)| first == domain)
    }

    /// Every domain of the subnets once, sorted, in lower case.
    pub(super) fn domains(&self) -> impl Iterator<Item = &str> {
        let mut last = None;
        let domains = self.by_domain.iter().map(|(domain, _)| domain.as_str());
        domains.filter(move |domain| last.replace(*domain) != Some(*domain))
    }

    fn overlaps(&self, network: &Ipv4Net) -> impl Iterator<Item = (&Ipv4Net, &Arc<Subnet>)> {
        let around = self.covering(network.network());
        let inside = self.subnets.range(*network..=Ipv4Net::host(network.broadcast()));
        // one that begins where the network does is both
        let inside = inside.filter(move |(other, _)| around.is_none_or(|(around, _)| around != *other));
        around.into_iter().chain(inside)
    }

    /// The subnet in which an address lies.
    pub(super) fn covering(&self, address: Ipv4Addr) -> Option<(&Ipv4Net, &Arc<Subnet>)> {
        // Subnets do not overlap, so only the last one that starts at or before the address can hold it.
        let host = Ipv4Net::host(address);
        self.subnets
            .range(..=host)
            .next_back()
            .filter(|(network, _)| network.contains(address))
    }

    /// The longest lease of an IPv4 address that may run, seconds; `None` where DHCP has given none lately.
    pub(super) fn longest_lease_at_s(&self, address: Ipv4Addr, now_ms: u64) -> Option<u32> {
        let here = self
            .covering(address)
            .map(|(_, subnet)| longest_lease_time_s(subnet));
        let of_deleted = self.deleted.longest_lease_time_s(Some(address), now_ms);
        here.max((of_deleted > 0).then_some(of_deleted))
    }

    /// The longest lease that may run anywhere, seconds. An IPv6 address has the lease time of the IPv4 subnet of its network,
    /// or the default one; which network it is on stands in the members' configuration, so it may be any.
    pub(super) fn longest_lease_anywhere_s(&self, now_ms: u64) -> u32 {
        let here = self.iter().map(|subnet| longest_lease_time_s(subnet));
        here.max()
            .unwrap_or_default()
            .max(self.deleted.longest_lease_time_s(None, now_ms))
            .max(LEASE_TIME_S_DEFAULT)
    }

    /// From `FEATURE_LEVEL_DHCP` on the subnet remembers its longest lease.
    pub(super) fn put(
        &mut self,
        put: &PutSubnet,
        policies: &Policies,
        feature_level: u32,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let subnet = put
            .subnet
            .as_ref()
            .ok_or_else(|| Rejection::invalid("subnet", "it is missing"))?;
        let (network, mut subnet) = normalised(subnet)?;
        self.check_overlap(&network)?;
        let before = self.subnets.get(&network).cloned();
        if before.is_none() && self.subnets.len() >= SUBNETS_MAX {
            return Err(Rejection::invalid(
                "subnet",
                format!("there are {SUBNETS_MAX} subnets; delete one first"),
            ));
        }
        if feature_level >= FEATURE_LEVEL_DHCP {
            let of_policies = policies.longest_lease_time_s(&network);
            let of_before = before.as_deref().map_or(0, longest_lease_time_s);
            subnet.longest_lease_time_s = longest_lease_time_s(&subnet).max(of_before).max(of_policies);
        }
        let keys = vec![network.to_string()];
        let applied = match &before {
            Some(before) => {
                subnet.meta = at.modified(before.meta.as_ref());
                Applied {
                    updated: keys,
                    ..Default::default()
                }
            }
            None => {
                subnet.meta = at.created();
                Applied {
                    created: keys,
                    ..Default::default()
                }
            }
        };
        self.store(network, subnet, changes);
        Ok(applied)
    }

    /// Nodes of these networks, or of all for none, are given leases of so many seconds from now on.
    pub(super) fn expect_leases(
        &mut self,
        seconds: u32,
        networks: &[Ipv4Net],
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) {
        let is_meant =
            |network: &Ipv4Net| networks.is_empty() || networks.iter().any(|n| n.overlaps(network));
        let shorter: Vec<Ipv4Net> = self
            .subnets
            .range(..)
            .filter(|(network, subnet)| is_meant(network) && longest_lease_time_s(subnet) < seconds)
            .map(|(network, _)| *network)
            .collect();
        for network in shorter {
            let Some(before) = self.subnets.get(&network).cloned() else {
                continue;
            };
            let after = Subnet {
                longest_lease_time_s: seconds,
                meta: at.modified(before.meta.as_ref()),
                ..before.as_ref().clone()
            };
            self.store(network, after, changes);
        }
    }

    fn store(&mut self, network: Ipv4Net, subnet: Subnet, changes: &mut Changes) {
        let domain = subnet.domain.clone();
        if let Some(before) = self.subnets.put(network, subnet, changes) {
            self.by_domain.remove(&(before.domain.clone(), network));
        }
        if !domain.is_empty() {
            self.by_domain.insert((domain, network));
        }
    }

    fn check_overlap(&self, network: &Ipv4Net) -> Result<(), Rejection> {
        match self.overlaps(network).find(|(other, _)| *other != network) {
            Some((other, _)) => {
                let detail =
                    format!("{network} overlaps {other}; delete {other} first or choose another network");
                Err(Rejection::Conflict { detail }.of_another("subnet", other))
            }
            None => Ok(()),
        }
    }

    /// From `FEATURE_LEVEL_DHCP` on its longest lease is remembered until it has ended.
    pub(super) fn delete(
        &mut self,
        delete: &DeleteSubnet,
        feature_level: u32,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let network: Ipv4Net = delete
            .network
            .parse()
            .map_err(|e| Rejection::invalid("network", e))?;
        let subnet = self.subnets.get(&network).cloned();
        let subnet = subnet.ok_or_else(|| Rejection::not_found("subnet", network))?;
        if feature_level >= FEATURE_LEVEL_DHCP {
            self.deleted.check_room(&network, at.time_ms)?;
            self.deleted.remember(network, &subnet, at, changes);
        }
        self.subnets.remove(&network, changes);
        self.by_domain.remove(&(subnet.domain.clone(), network));
        Ok(deleted(std::iter::once(network.to_string())))
    }

    pub(super) fn get(&self, network: &Ipv4Net) -> Option<&Arc<Subnet>> {
        self.subnets.get(network)
    }

    pub(super) fn load(&mut self, row: Subnet, changes: &mut Changes) -> Result<(), SnapshotError> {
        let key = self.subnets.check_load(&row, RowKind::Subnet)?;
        self.check_overlap(&key)
            .map_err(|rejection| SnapshotError::Malformed {
                kind: RowKind::Subnet,
                problem: rejection.to_string(),
            })?;
        self.store(key, row, changes);
        Ok(())
    }
}

/// The network that a row of a subnet is stored under.
pub(super) fn network_of(key: &RowKey) -> Option<Ipv4Net> {
    let (address, prefix_len) = key.key().split_first_chunk::<4>()?;
    let text = format!("{}/{}", Ipv4Addr::from(*address), prefix_len.first()?);
    text.parse().ok()
}

/// The one that is sorted before all others.
fn first_network() -> Ipv4Net {
    "0.0.0.0/0".parse().expect("it is a network")
}

/// From which level on the log may have a subnet that says this.
pub(super) fn feature_level(subnet: &Subnet) -> u32 {
    let has_options = !subnet.ntp_servers.is_empty() || !subnet.options.is_empty();
    if !subnet.pools.is_empty() || subnet.unknown_clients != 0 || subnet.pool_lease_time_s != 0 || has_options
    {
        FEATURE_LEVEL_DHCP
    } else if subnet.static_addresses {
        FEATURE_LEVEL_BOOT
    } else {
        FEATURE_LEVEL_FIRST
    }
}

fn normalised(subnet: &Subnet) -> Result<(Ipv4Net, Subnet), Rejection> {
    let network: Ipv4Net = subnet
        .network
        .parse()
        .map_err(|e| Rejection::invalid("network", e))?;
    let routers = addresses("routers", &subnet.routers)?;
    if let Some(outside) = routers.iter().find(|router| !network.contains(**router)) {
        let problem = format!("{outside} is not in {network}, so no node could reach it");
        return Err(Rejection::invalid("routers", problem));
    }
    let dns_servers = addresses("dns_servers", &subnet.dns_servers)?;
    let ntp_servers = addresses("ntp_servers", &subnet.ntp_servers)?;
    check_domain(&subnet.domain)?;
    check_mtu(subnet.mtu, "no option 26")?;
    check_lease_time("lease_time_s", subnet.lease_time_s, LEASE_TIME_S_MIN, "one hour")?;
    check_lease_time(
        "pool_lease_time_s",
        subnet.pool_lease_time_s,
        POOL_LEASE_TIME_S_MIN,
        "five minutes",
    )?;
    let pools = pools::normalised(&network, &subnet.pools)?;
    if UnknownClients::try_from(subnet.unknown_clients).is_err() {
        let problem = format!(
            "{} is none of ignore (1), address (2) and boot (3)",
            subnet.unknown_clients
        );
        return Err(Rejection::invalid("unknown_clients", problem));
    }
    let text = |addresses: Vec<Ipv4Addr>| addresses.iter().map(Ipv4Addr::to_string).collect::<Vec<_>>();
    Ok((
        network,
        Subnet {
            network: network.to_string(),
            routers: text(routers),
            dns_servers: text(dns_servers),
            domain: subnet.domain.to_ascii_lowercase(),
            lease_time_s: subnet.lease_time_s,
            mtu: subnet.mtu,
            meta: None,
            static_addresses: subnet.static_addresses,
            pools,
            unknown_clients: subnet.unknown_clients,
            pool_lease_time_s: subnet.pool_lease_time_s,
            longest_lease_time_s: 0,
            ntp_servers: text(ntp_servers),
            options: raw_options::normalised(&subnet.options)?,
        },
    ))
}

/// The longest lease that a known node of the subnet can have, seconds: also one from before a change of the lease time.
pub(super) fn longest_lease_time_s(subnet: &Subnet) -> u32 {
    lease_time_s(subnet).max(subnet.longest_lease_time_s)
}

/// Option 51 for known nodes, seconds.
pub fn lease_time_s(subnet: &Subnet) -> u32 {
    match subnet.lease_time_s {
        0 => LEASE_TIME_S_DEFAULT,
        seconds => seconds,
    }
}

pub(super) fn check_mtu(bytes: u32, otherwise: &str) -> Result<(), Rejection> {
    if bytes == 0 || (MTU_MIN..=MTU_MAX).contains(&bytes) {
        return Ok(());
    }
    let problem = format!("write {MTU_MIN} to {MTU_MAX} bytes, or 0 for {otherwise}");
    Err(Rejection::invalid("mtu", problem))
}

pub(super) fn check_lease_time(
    field: &str,
    seconds: u32,
    least_s: u32,
    otherwise: &str,
) -> Result<(), Rejection> {
    if seconds == 0 || seconds >= least_s {
        return Ok(());
    }
    let problem = format!("write at least {least_s} seconds, or 0 for {otherwise}");
    Err(Rejection::invalid(field, problem))
}

pub(super) fn addresses(field: &str, texts: &[String]) -> Result<Vec<Ipv4Addr>, Rejection> {
    check_count(field, texts.len(), SERVERS_PER_SUBNET_MAX)?;
    let parse = |text: &String| {
        let address = text.parse::<Ipv4Addr>().ok();
        address.ok_or_else(|| {
            let problem = format!("`{}` is not an IPv4 address, e.g. 10.97.0.1", text.escape_debug());
            Rejection::invalid(field, problem)
        })
    };
    texts.iter().map(parse).collect()
}

pub(super) fn check_domain(domain: &str) -> Result<(), Rejection> {
    let label = |label: &str| {
        let known = label
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        known && (1..=63).contains(&label.len())
    };
    if domain.is_empty() || (domain.len() <= DOMAIN_BYTES_MAX && domain.split('.').all(label)) {
        return Ok(());
    }
    Err(Rejection::invalid(
        "domain",
        "write labels of letters, digits and dashes, e.g. cluster.example.org",
    ))
}

impl Record for Subnet {
    type Key = Ipv4Net;

    fn row_key(network: &Ipv4Net) -> RowKey {
        RowKey::subnet(network)
    }

    fn key(&self) -> Result<Ipv4Net, String> {
        self.network
            .parse()
            .map_err(|error: model::InvalidValue| error.to_string())
    }

    fn into_row(self) -> Row {
        Row::Subnet(self)
    }

    fn object(self: Arc<Self>) -> Option<Object> {
        Some(Object::Subnet(self))
    }
}
