//! Addresses that have left their interface in SMD. Whoever had one may use it until its lease ends, and a member that has not
//! heard of the change grants it still: until then nobody else gets it.

use std::cell::LazyCell;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use imbl::OrdSet;
use model::Rejection;
use proto::dhcp::v1::HeldAddress;
use proto::dhcp::v1::dhcp_command::{ConfirmHeldAddresses, DeleteHeldAddress};
use proto::raft::v1::outcome::Applied;
use proto::raft::v1::snapshot_row::Row;
use proto::smd::v1::EthernetInterface;

use super::leases::REUSE_MARGIN_MS;
use super::subnets::Subnets;
use crate::bounds::HELD_ADDRESSES_MAX;
use crate::changes::Changes;
use crate::event::{Event, Object};
use crate::log_position::{LogPosition, created_revision};
use crate::outcome::deleted;
use crate::snapshot::SnapshotError;
use crate::table::{Record, Table};
use crate::{RowKey, RowKind};

/// Sorted before all others.
const FIRST_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// Held addresses, and which of them end when.
#[derive(Clone, Default)]
pub(super) struct HeldAddresses {
    table: Table<HeldAddress>,
    by_end: OrdSet<(u64, IpAddr)>,
}

impl HeldAddresses {
    /// The hold on an address, unless it has ended by `now_ms`, cluster time.
    pub(super) fn live(&self, address: IpAddr, now_ms: u64) -> Option<&Arc<HeldAddress>> {
        let held = self.table.get(&address)?;
        (held.ends_at_ms == 0 || held.ends_at_ms > now_ms).then_some(held)
    }

    /// Sorted by address, IPv4 first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<HeldAddress>> {
        self.table.values()
    }

    /// Revision of the oldest change of which some member may not have heard yet.
    pub(super) fn waits_since(&self) -> Option<u64> {
        let waiting = self.by_end.iter().take_while(|(ends_at_ms, _)| *ends_at_ms == 0);
        let held = waiting.filter_map(|(_, address)| self.table.get(address));
        held.map(|held| created_revision(held.meta.as_ref())).min()
    }

    /// # Errors
    /// `Conflict` where no more can be held: then no interface may lose an address.
    pub(super) fn check_room(&self, now_ms: u64) -> Result<(), Rejection> {
        if self.table.len() < HELD_ADDRESSES_MAX || self.ended_by(now_ms).next().is_some() {
            return Ok(());
        }
        let detail = format!(
            "{HELD_ADDRESSES_MAX} addresses are held, each until the longest lease of its old owner ends; wait, or let go of \
             some of them: chamois dhcp held"
        );
        Err(Rejection::Conflict { detail })
    }

    /// Holds what interfaces have lost, and lets go of what its old owner has got back.
    pub(super) fn follow(
        &mut self,
        events: &[Event],
        subnets: &Subnets,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) {
        let everywhere_s = LazyCell::new(|| subnets.longest_lease_anywhere_s(at.time_ms));
        for event in events {
            let of = |object: Option<&Object>| match object {
                Some(Object::EthernetInterface(interface)) => {
                    (interface.mac_address.clone(), addresses(interface))
                }
                _ => (String::new(), BTreeSet::new()),
            };
            let (mac, before) = of(event.before());
            let (owner, after) = of(event.after());
            let lost = before.difference(&after);
            for address in lost {
                if let Some(lease_time_s) = longest_lease_s(*address, subnets, &everywhere_s, at.time_ms) {
                    self.hold(*address, &mac, lease_time_s, at, changes);
                }
            }
            for address in after.difference(&before) {
                if self.table.get(address).is_some_and(|held| held.mac == owner) {
                    self.remove(*address, changes);
                }
            }
        }
    }

    /// The first owner that may use it still stays its owner.
    fn hold(
        &mut self,
        address: IpAddr,
        mac: &str,
        lease_time_s: u32,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) {
        if self.live(address, at.time_ms).is_some() {
            return;
        }
        let held = HeldAddress {
            address: address.to_string(),
            mac: mac.to_owned(),
            ends_at_ms: 0,
            lease_time_s,
            meta: at.created(),
        };
        self.store(address, held, changes);
    }

    /// Every member that answers has heard of what was held by a revision: none grants those addresses any more.
    pub(super) fn confirm(
        &mut self,
        confirm: &ConfirmHeldAddresses,
        subnets: &Subnets,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Applied {
        let everywhere_s = LazyCell::new(|| subnets.longest_lease_anywhere_s(at.time_ms));
        let waiting: Vec<IpAddr> = self
            .by_end
            .iter()
            .take_while(|(ends_at_ms, _)| *ends_at_ms == 0)
            .map(|(_, address)| *address)
            .collect();
        for address in waiting {
            let Some(held) = self.table.get(&address).cloned() else {
                continue;
            };
            if created_revision(held.meta.as_ref()) > confirm.through_revision {
                continue;
            }
            let now_s = longest_lease_s(address, subnets, &everywhere_s, at.time_ms);
            let lease_time_s = held.lease_time_s.max(now_s.unwrap_or_default());
            let after = HeldAddress {
                ends_at_ms: at.time_ms.saturating_add(u64::from(lease_time_s) * 1000),
                meta: at.modified(held.meta.as_ref()),
                ..held.as_ref().clone()
            };
            self.store(address, after, changes);
        }
        self.sweep(at.time_ms, changes);
        Applied::default()
    }

    pub(super) fn delete(
        &mut self,
        delete: &DeleteHeldAddress,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let address = ip_address(&delete.address)?;
        if self.table.get(&address).is_none() {
            return Err(Rejection::not_found("held address", address));
        }
        self.remove(address, changes);
        Ok(deleted(std::iter::once(address.to_string())))
    }

    /// Forgets what has ended, when it has ended in the eyes of every member.
    pub(super) fn sweep(&mut self, now_ms: u64, changes: &mut Changes) {
        let ended: Vec<IpAddr> = self.ended_by(now_ms.saturating_sub(REUSE_MARGIN_MS)).collect();
        for address in ended {
            self.remove(address, changes);
        }
    }

    /// The addresses whose hold has ended by `now_ms`, cluster time; sorted by that end.
    fn ended_by(&self, now_ms: u64) -> impl Iterator<Item = IpAddr> + '_ {
        let ended = self
            .by_end
            .range((1, FIRST_ADDRESS)..(now_ms.saturating_add(1), FIRST_ADDRESS));
        ended.map(|(_, address)| *address)
    }

    fn store(&mut self, address: IpAddr, held: HeldAddress, changes: &mut Changes) {
        if let Some(before) = self.table.get(&address) {
            self.by_end.remove(&(before.ends_at_ms, address));
        }
        self.by_end.insert((held.ends_at_ms, address));
        self.table.put(address, held, changes);
    }

    fn remove(&mut self, address: IpAddr, changes: &mut Changes) {
        if let Some(before) = self.table.remove(&address, changes) {
            self.by_end.remove(&(before.ends_at_ms, address));
        }
    }

    pub(super) fn load(&mut self, row: HeldAddress, changes: &mut Changes) -> Result<(), SnapshotError> {
        let address = self.table.check_load(&row, RowKind::HeldAddress)?;
        self.store(address, row, changes);
        Ok(())
    }

    pub(super) fn get(&self, address: IpAddr) -> Option<&Arc<HeldAddress>> {
        self.table.get(&address)
    }
}

/// The longest lease of an address that may run, seconds; `None` where DHCP has given none lately. `everywhere_s` is that of
/// any address.
fn longest_lease_s(
    address: IpAddr,
    subnets: &Subnets,
    everywhere_s: &LazyCell<u32, impl FnOnce() -> u32>,
    now_ms: u64,
) -> Option<u32> {
    match address {
        IpAddr::V4(address) => subnets.longest_lease_at_s(address, now_ms),
        IpAddr::V6(address) => may_be_given(address).then(|| **everywhere_s),
    }
}

/// Whether DHCPv6 may give an address: which prefixes it serves stands in the members' configuration.
fn may_be_given(address: Ipv6Addr) -> bool {
    !address.is_unicast_link_local() && !address.is_loopback()
}

fn addresses(interface: &EthernetInterface) -> BTreeSet<IpAddr> {
    let all = interface.ip_addresses.iter();
    all.filter_map(|mapping| mapping.ip_address.parse().ok())
        .collect()
}

/// The address that a row is stored under.
pub(super) fn held_address(key: &[u8]) -> Option<IpAddr> {
    match key.split_first()? {
        (4, octets) => Some(<[u8; 4]>::try_from(octets).ok()?.into()),
        (6, octets) => Some(<[u8; 16]>::try_from(octets).ok()?.into()),
        _ => None,
    }
}

fn ip_address(text: &str) -> Result<IpAddr, Rejection> {
    text.parse().map_err(|_| {
        let problem = format!(
            "`{}` is not an IP address, e.g. 10.97.200.1 or fd00:97::1",
            text.escape_debug()
        );
        Rejection::invalid("address", problem)
    })
}

impl Record for HeldAddress {
    type Key = IpAddr;

    fn row_key(address: &IpAddr) -> RowKey {
        RowKey::held_address(*address)
    }

    fn key(&self) -> Result<IpAddr, String> {
        self.address
            .parse()
            .map_err(|_| format!("`{}` is no IP address", self.address))
    }

    fn into_row(self) -> Row {
        Row::HeldAddress(self)
    }

    fn object(self: Arc<Self>) -> Option<Object> {
        Some(Object::HeldAddress(self))
    }
}
