//! Boot records: when and as what a node phoned home. What was seen of its boot before that is `boots_seen`'s.

use std::cmp::Reverse;
use std::net::IpAddr;
use std::sync::Arc;

use model::{Rejection, Xname};
use proto::bss::v1::bss_command::RecordBoot;
use proto::bss::v1::{BootRecord, HostKey};
use proto::raft::v1::outcome::Applied;
use proto::raft::v1::snapshot_row::Row;

use crate::bounds::{
    BOOT_RECORDS_PER_NODE_MAX, HOST_KEY_BYTES_MAX, HOST_KEYS_PER_BOOT_MAX, NAME_BYTES_MAX, check_count,
    check_name, check_text,
};
use crate::changes::Changes;
use crate::event::Object;
use crate::log_position::{LogPosition, created_revision};
use crate::smd::{node, stored_xname};
use crate::snapshot::SnapshotError;
use crate::table::{Record, Table};
use crate::{RowKey, RowKind};

/// Records by node and revision of their creation.
#[derive(Clone, Default)]
pub(super) struct BootRecords {
    pub(super) table: Table<BootRecord>,
}

impl BootRecords {
    /// The boot that began last comes first: members tell of boots in any order.
    pub(super) fn of(&self, node: &Xname) -> Vec<Arc<BootRecord>> {
        let mut records: Vec<_> = self.by_creation(node).cloned().collect();
        records.sort_by_key(|record| Reverse((began_ms(record), created_revision(record.meta.as_ref()))));
        records
    }

    /// Sorted by the revision of their creation.
    pub(super) fn by_creation<'a>(
        &'a self,
        node: &Xname,
    ) -> impl Iterator<Item = &'a Arc<BootRecord>> + use<'a> {
        self.table
            .range((node.clone(), 0)..=(node.clone(), u64::MAX))
            .map(|(_, record)| record)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<BootRecord>> {
        self.table.values()
    }

    pub(super) fn get(&self, key: &RowKey) -> Option<&Arc<BootRecord>> {
        let (name, revision) = key.key().split_last_chunk::<8>()?;
        let name = std::str::from_utf8(name.strip_suffix(&[0])?).ok()?;
        self.table
            .get(&(name.parse().ok()?, u64::from_be_bytes(*revision)))
    }

    /// A second phone-home of the same boot (a retry) completes the record that is there. Without a boot id it is the newest
    /// boot's of which more was seen, and else a boot of its own. The oldest record makes room.
    pub(super) fn record(
        &mut self,
        command: &RecordBoot,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let given = command
            .record
            .as_ref()
            .ok_or_else(|| Rejection::invalid("record", "it is missing"))?;
        let (node, given) = normalise(given)?;
        let keys = vec![node.to_string()];
        let stored = self.of(&node);
        let before = if given.boot_id.is_empty() {
            let is_under_way =
                |record: &&Arc<BootRecord>| !record.phases.is_empty() && record.phoned_home_at_ms == 0;
            stored.first().filter(is_under_way)
        } else {
            stored.iter().find(|record| record.boot_id == given.boot_id)
        };
        if let Some(before) = before {
            let after = completed(before, given, at);
            self.table
                .put((node, created_revision(before.meta.as_ref())), after, changes);
            return Ok(Applied {
                updated: keys,
                ..Default::default()
            });
        }
        for surplus in stored.iter().skip(BOOT_RECORDS_PER_NODE_MAX - 1) {
            let revision = created_revision(surplus.meta.as_ref());
            self.table.remove(&(node.clone(), revision), changes);
        }
        let record = BootRecord {
            phoned_home_at_ms: at.time_ms,
            meta: at.created(),
            ..given
        };
        self.table.put((node, at.index), record, changes);
        Ok(Applied {
            created: keys,
            ..Default::default()
        })
    }

    pub(super) fn load(&mut self, row: BootRecord, changes: &mut Changes) -> Result<(), SnapshotError> {
        let key = self.table.check_load(&row, RowKind::BootRecord)?;
        self.table.put(key, row, changes);
        Ok(())
    }
}

/// Cluster time of the first that is known of a boot, milliseconds since the Unix epoch.
pub fn began_ms(record: &BootRecord) -> u64 {
    let first_seen = record.phases.iter().map(|attempt| attempt.at_ms).min();
    let created = record.meta.as_ref().and_then(|meta| meta.created.as_ref());
    first_seen.unwrap_or_else(|| created.map_or(0, |created| created.at_ms))
}

fn completed(before: &BootRecord, given: BootRecord, at: &LogPosition<'_>) -> BootRecord {
    let newer = |given: String, before: &String| if given.is_empty() { before.clone() } else { given };
    BootRecord {
        instance_id: newer(given.instance_id, &before.instance_id),
        hostname: newer(given.hostname, &before.hostname),
        fqdn: newer(given.fqdn, &before.fqdn),
        address: newer(given.address, &before.address),
        host_keys: if given.host_keys.is_empty() {
            before.host_keys.clone()
        } else {
            given.host_keys
        },
        script_revision: before.script_revision.max(given.script_revision),
        phoned_home_at_ms: at.time_ms,
        meta: at.modified(before.meta.as_ref()),
        ..before.clone()
    }
}

/// What a node says of itself comes from a stranger: everything is bounded and one line.
fn normalise(given: &BootRecord) -> Result<(Xname, BootRecord), Rejection> {
    let node = node("node", &given.node)?;
    if !given.phases.is_empty() {
        return Err(Rejection::invalid("phases", "members tell of them, not nodes"));
    }
    let texts = [
        ("boot_id", &given.boot_id),
        ("instance_id", &given.instance_id),
        ("hostname", &given.hostname),
        ("fqdn", &given.fqdn),
    ];
    for (name, text) in texts {
        check_text(name, text, NAME_BYTES_MAX)?;
    }
    if !given.address.is_empty() && given.address.parse::<IpAddr>().is_err() {
        return Err(Rejection::invalid("address", "it is not an IP address"));
    }
    check_count("host_keys", given.host_keys.len(), HOST_KEYS_PER_BOOT_MAX)?;
    let host_keys = given
        .host_keys
        .iter()
        .map(normalise_host_key)
        .collect::<Result<_, _>>()?;
    Ok((
        node.clone(),
        BootRecord {
            node: node.to_string(),
            host_keys,
            ..given.clone()
        },
    ))
}

/// cloud-init posts the key file as it is, with the line's end.
fn normalise_host_key(given: &HostKey) -> Result<HostKey, Rejection> {
    check_name("host_keys.name", &given.name)?;
    let key = given.key.trim();
    check_text(&given.name, key, HOST_KEY_BYTES_MAX)?;
    Ok(HostKey {
        name: given.name.clone(),
        key: key.to_owned(),
    })
}

impl Record for BootRecord {
    type Key = (Xname, u64);

    fn row_key((node, revision): &(Xname, u64)) -> RowKey {
        RowKey::boot_record(node, *revision)
    }

    fn key(&self) -> Result<(Xname, u64), String> {
        let revision = created_revision(self.meta.as_ref());
        if revision == 0 {
            return Err(format!(
                "a boot record of {} says not when it was created",
                self.node
            ));
        }
        Ok((stored_xname(&self.node)?, revision))
    }

    fn into_row(self) -> Row {
        Row::BootRecord(self)
    }

    fn object(self: Arc<Self>) -> Option<Object> {
        Some(Object::BootRecord(self))
    }
}
