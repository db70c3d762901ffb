//! Addresses that have left their interface in SMD. Whoever had one may use it until its lease ends, and a member that has not
//! heard of the change grants it still: until then nobody else gets it.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use imbl::OrdSet;
use model::Rejection;
use proto::dhcp::v1::HeldAddress;
use proto::dhcp::v1::dhcp_command::{ConfirmHeldAddresses, DeleteHeldAddress};
use proto::raft::v1::outcome::Applied;
use proto::raft::v1::snapshot_row::Row;
use proto::smd::v1::EthernetInterface;

use super::leases::{REUSE_MARGIN_MS, ipv4};
use super::subnets::{Subnets, longest_lease_time_s};
use crate::bounds::HELD_ADDRESSES_MAX;
use crate::changes::Changes;
use crate::event::{Event, Object};
use crate::log_position::{LogPosition, created_revision};
use crate::outcome::deleted;
use crate::snapshot::SnapshotError;
use crate::table::{Record, Table};
use crate::{RowKey, RowKind};

/// Held addresses, and which of them end when.
#[derive(Clone, Default)]
pub(super) struct HeldAddresses {
    table: Table<HeldAddress>,
    by_end: OrdSet<(u64, Ipv4Addr)>,
}

impl HeldAddresses {
    /// The hold on an address, unless it has ended by `now_ms`, cluster time.
    pub(super) fn live(&self, address: Ipv4Addr, now_ms: u64) -> Option<&Arc<HeldAddress>> {
        let held = self.table.get(&address)?;
        (held.ends_at_ms == 0 || held.ends_at_ms > now_ms).then_some(held)
    }

    /// Sorted by address.
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
        let ended = self
            .by_end
            .range((1, Ipv4Addr::UNSPECIFIED)..=(now_ms, Ipv4Addr::BROADCAST));
        if self.table.len() < HELD_ADDRESSES_MAX || ended.count() > 0 {
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
                if let Some((_, subnet)) = subnets.covering(*address) {
                    self.hold(*address, &mac, longest_lease_time_s(subnet), at, changes);
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
        address: Ipv4Addr,
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
        let waiting: Vec<Ipv4Addr> = self
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
            let of_subnet = subnets
                .covering(address)
                .map_or(0, |(_, subnet)| longest_lease_time_s(subnet));
            let lease_time_s = held.lease_time_s.max(of_subnet);
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
        let address = ipv4("address", &delete.address)?;
        if self.table.get(&address).is_none() {
            return Err(Rejection::not_found("held address", address));
        }
        self.remove(address, changes);
        Ok(deleted(std::iter::once(address.to_string())))
    }

    /// Forgets what has ended, when it has ended in the eyes of every member.
    pub(super) fn sweep(&mut self, now_ms: u64, changes: &mut Changes) {
        let now_ms = now_ms.saturating_sub(REUSE_MARGIN_MS);
        let ended: Vec<Ipv4Addr> = self
            .by_end
            .range((1, Ipv4Addr::UNSPECIFIED)..=(now_ms, Ipv4Addr::BROADCAST))
            .map(|(_, address)| *address)
            .collect();
        for address in ended {
            self.remove(address, changes);
        }
    }

    fn store(&mut self, address: Ipv4Addr, held: HeldAddress, changes: &mut Changes) {
        if let Some(before) = self.table.get(&address) {
            self.by_end.remove(&(before.ends_at_ms, address));
        }
        self.by_end.insert((held.ends_at_ms, address));
        self.table.put(address, held, changes);
    }

    fn remove(&mut self, address: Ipv4Addr, changes: &mut Changes) {
        if let Some(before) = self.table.remove(&address, changes) {
            self.by_end.remove(&(before.ends_at_ms, address));
        }
    }

    pub(super) fn load(&mut self, row: HeldAddress, changes: &mut Changes) -> Result<(), SnapshotError> {
        let address = self.table.check_load(&row, RowKind::HeldAddress)?;
        self.store(address, row, changes);
        Ok(())
    }

    pub(super) fn get(&self, address: Ipv4Addr) -> Option<&Arc<HeldAddress>> {
        self.table.get(&address)
    }
}

fn addresses(interface: &EthernetInterface) -> BTreeSet<Ipv4Addr> {
    let parsed = interface
        .ip_addresses
        .iter()
        .map(|mapping| mapping.ip_address.parse());
    parsed
        .filter_map(|address| match address {
            Ok(IpAddr::V4(address)) => Some(address),
            Ok(IpAddr::V6(_)) | Err(_) => None,
        })
        .collect()
}

impl Record for HeldAddress {
    type Key = Ipv4Addr;

    fn row_key(address: &Ipv4Addr) -> RowKey {
        RowKey::held_address(*address)
    }

    fn key(&self) -> Result<Ipv4Addr, String> {
        self.address
            .parse()
            .map_err(|_| format!("`{}` is no IPv4 address", self.address))
    }

    fn into_row(self) -> Row {
        Row::HeldAddress(self)
    }

    fn object(self: Arc<Self>) -> Option<Object> {
        Some(Object::HeldAddress(self))
    }
}
