//! MACs that have asked for an address and that SMD does not know: news for the administrator.

use std::sync::Arc;

use model::{MacAddr, Rejection};
use proto::dhcp::v1::UnknownClient;
use proto::dhcp::v1::dhcp_command::NoteUnknownClients;
use proto::raft::v1::outcome::Applied;
use proto::raft::v1::snapshot_row::Row;

use crate::bounds::{
    DHCP_TEXT_BYTES_MAX, UNKNOWN_CLIENTS_MAX, UNKNOWN_CLIENTS_PER_COMMAND_MAX, check_count, check_text,
};
use crate::changes::Changes;
use crate::event::{Event, Object};
use crate::log_position::LogPosition;
use crate::smd::Smd;
use crate::snapshot::SnapshotError;
use crate::table::{Record, Table};
use crate::{RowKey, RowKind};

/// By MAC.
#[derive(Clone, Default)]
pub(super) struct UnknownClients {
    table: Table<UnknownClient>,
}

impl UnknownClients {
    pub(super) fn get(&self, mac: &MacAddr) -> Option<&Arc<UnknownClient>> {
        self.table.get(mac)
    }

    /// Sorted by MAC.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<UnknownClient>> {
        self.table.values()
    }

    /// Notes those that SMD does not know. Where there is no room, the one that was silent longest goes.
    pub(super) fn note(
        &mut self,
        note: &NoteUnknownClients,
        smd: &Smd,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        check_count("clients", note.clients.len(), UNKNOWN_CLIENTS_PER_COMMAND_MAX)?;
        // all are looked at before anything changes
        let macs: Result<Vec<MacAddr>, Rejection> = note.clients.iter().map(checked).collect();
        for (mac, client) in macs?.into_iter().zip(&note.clients) {
            if smd.interface(&mac).is_some() {
                continue;
            }
            let before = self.get(&mac).cloned();
            if before.is_none() && self.table.len() >= UNKNOWN_CLIENTS_MAX {
                self.forget_most_silent(changes);
            }
            let seen = UnknownClient {
                mac: mac.to_string(),
                first_seen_at_ms: before
                    .as_ref()
                    .map_or(at.time_ms, |before| before.first_seen_at_ms),
                last_seen_at_ms: at.time_ms,
                meta: match &before {
                    Some(before) => at.modified(before.meta.as_ref()),
                    None => at.created(),
                },
                ..client.clone()
            };
            self.table.put(mac, seen, changes);
        }
        Ok(Applied::default())
    }

    fn forget_most_silent(&mut self, changes: &mut Changes) {
        let oldest = self.iter().min_by_key(|client| client.last_seen_at_ms);
        if let Some(mac) = oldest.and_then(|client| client.mac.parse().ok()) {
            self.table.remove(&mac, changes);
        }
    }

    /// A MAC that SMD has come to know is no news any more.
    pub(super) fn follow(&mut self, events: &[Event], changes: &mut Changes) {
        for event in events {
            let Some(Object::EthernetInterface(known)) = event.after() else {
                continue;
            };
            if let Ok(mac) = known.mac_address.parse() {
                self.table.remove(&mac, changes);
            }
        }
    }

    pub(super) fn load(&mut self, row: UnknownClient, changes: &mut Changes) -> Result<(), SnapshotError> {
        let mac = self.table.check_load(&row, RowKind::UnknownClient)?;
        self.table.put(mac, row, changes);
        Ok(())
    }
}

impl Record for UnknownClient {
    type Key = MacAddr;

    fn row_key(mac: &MacAddr) -> RowKey {
        RowKey::unknown_client(mac)
    }

    fn key(&self) -> Result<MacAddr, String> {
        self.mac
            .parse()
            .map_err(|error: model::InvalidValue| error.to_string())
    }

    fn into_row(self) -> Row {
        Row::UnknownClient(self)
    }

    fn object(self: Arc<Self>) -> Option<Object> {
        Some(Object::UnknownClient(self))
    }
}

fn checked(client: &UnknownClient) -> Result<MacAddr, Rejection> {
    for (field, text) in [
        ("network", &client.network),
        ("relay", &client.relay),
        ("vendor_class", &client.vendor_class),
        ("hostname", &client.hostname),
    ] {
        check_text(field, text, DHCP_TEXT_BYTES_MAX)?;
    }
    client.mac.parse().map_err(|e| Rejection::invalid("mac", e))
}
