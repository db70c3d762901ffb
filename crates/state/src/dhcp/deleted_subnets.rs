//! Subnets that were deleted. Their nodes may use their leases still, and a member that has not heard of the change grants more
//! of them: an address that leaves its interface meanwhile is held for as long as if the subnet were there.

use std::net::Ipv4Addr;
use std::sync::Arc;

use model::{Ipv4Net, Rejection};
use proto::dhcp::v1::dhcp_command::ConfirmHeldAddresses;
use proto::dhcp::v1::{DeletedSubnet, Subnet};
use proto::raft::v1::snapshot_row::Row;

use super::leases::REUSE_MARGIN_MS;
use super::subnets::longest_lease_time_s;
use crate::bounds::DELETED_SUBNETS_MAX;
use crate::changes::Changes;
use crate::event::Object;
use crate::log_position::{LogPosition, created_revision};
use crate::snapshot::SnapshotError;
use crate::table::{Record, Table};
use crate::{RowKey, RowKind};

/// By network. They may overlap, each other and the subnets that there are.
#[derive(Clone, Default)]
pub(super) struct DeletedSubnets {
    table: Table<DeletedSubnet>,
}

impl DeletedSubnets {
    pub(super) fn get(&self, network: &Ipv4Net) -> Option<&Arc<DeletedSubnet>> {
        self.table.get(network)
    }

    /// Sorted by network.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<DeletedSubnet>> {
        self.table.values()
    }

    /// Revision of the oldest deletion of which some member may not have heard yet.
    pub(super) fn waits_since(&self) -> Option<u64> {
        let waiting = self.iter().filter(|deleted| deleted.ends_at_ms == 0);
        waiting
            .map(|deleted| created_revision(deleted.meta.as_ref()))
            .min()
    }

    /// The longest lease of an address, or of any for `None`, that may run from such a subnet at `now_ms`, cluster time, in
    /// seconds; 0 for none.
    pub(super) fn longest_lease_time_s(&self, address: Option<Ipv4Addr>, now_ms: u64) -> u32 {
        let all = self.table.range(..);
        let here = all.filter(|(network, deleted)| {
            address.is_none_or(|address| network.contains(address)) && !is_over(deleted, now_ms)
        });
        here.map(|(_, deleted)| deleted.longest_lease_time_s)
            .max()
            .unwrap_or_default()
    }

    /// # Errors
    /// `Conflict` where no more can be remembered: then the subnet must stay.
    pub(super) fn check_room(&self, network: &Ipv4Net, now_ms: u64) -> Result<(), Rejection> {
        let is_full = self.table.len() >= DELETED_SUBNETS_MAX;
        if !is_full || self.get(network).is_some() || self.iter().any(|deleted| is_over(deleted, now_ms)) {
            return Ok(());
        }
        let detail = format!(
            "{DELETED_SUBNETS_MAX} subnets were deleted whose leases may run still; {network} can be deleted when those of one \
             have ended; while a member is down none ends: start it, or remove it (chamois member remove)"
        );
        Err(Rejection::Conflict { detail })
    }

    /// Remembers what is deleted now. What was deleted there before may run still.
    pub(super) fn remember(
        &mut self,
        network: Ipv4Net,
        subnet: &Subnet,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) {
        self.sweep(at.time_ms, changes);
        let of_before = self.get(&network).map_or(0, |before| before.longest_lease_time_s);
        let deleted = DeletedSubnet {
            network: network.to_string(),
            longest_lease_time_s: longest_lease_time_s(subnet).max(of_before),
            ends_at_ms: 0,
            meta: at.created(),
        };
        self.table.put(network, deleted, changes);
    }

    /// Every member that answers has heard of what was deleted by a revision: none grants leases of it any more.
    pub(super) fn confirm(
        &mut self,
        confirm: &ConfirmHeldAddresses,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) {
        let is_known = |deleted: &DeletedSubnet| {
            deleted.ends_at_ms == 0 && created_revision(deleted.meta.as_ref()) <= confirm.through_revision
        };
        let all = self.table.range(..);
        let known: Vec<(Ipv4Net, Arc<DeletedSubnet>)> = all
            .filter(|(_, deleted)| is_known(deleted))
            .map(|(network, deleted)| (*network, Arc::clone(deleted)))
            .collect();
        for (network, before) in known {
            let lease_ms = u64::from(before.longest_lease_time_s) * 1000;
            let after = DeletedSubnet {
                ends_at_ms: at.time_ms.saturating_add(lease_ms),
                meta: at.modified(before.meta.as_ref()),
                ..before.as_ref().clone()
            };
            self.table.put(network, after, changes);
        }
        self.sweep(at.time_ms, changes);
    }

    fn sweep(&mut self, now_ms: u64, changes: &mut Changes) {
        let all = self.table.range(..);
        let ended: Vec<Ipv4Net> = all
            .filter(|(_, deleted)| is_over(deleted, now_ms))
            .map(|(network, _)| *network)
            .collect();
        for network in ended {
            self.table.remove(&network, changes);
        }
    }

    pub(super) fn load(&mut self, row: DeletedSubnet, changes: &mut Changes) -> Result<(), SnapshotError> {
        let network = self.table.check_load(&row, RowKind::DeletedSubnet)?;
        self.table.put(network, row, changes);
        Ok(())
    }
}

/// Whether no lease of it runs any more in the eyes of any member.
fn is_over(deleted: &DeletedSubnet, now_ms: u64) -> bool {
    deleted.ends_at_ms != 0 && deleted.ends_at_ms.saturating_add(REUSE_MARGIN_MS) <= now_ms
}

impl Record for DeletedSubnet {
    type Key = Ipv4Net;

    fn row_key(network: &Ipv4Net) -> RowKey {
        RowKey::deleted_subnet(network)
    }

    fn key(&self) -> Result<Ipv4Net, String> {
        self.network
            .parse()
            .map_err(|error: model::InvalidValue| error.to_string())
    }

    fn into_row(self) -> Row {
        Row::DeletedSubnet(self)
    }

    /// Watchers have seen the subnet go.
    fn object(self: Arc<Self>) -> Option<Object> {
        None
    }
}
