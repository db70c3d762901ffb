//! BSS's part of the state: boot parameters by key, boot records by node.

mod boot_key;
mod boot_parameters;
mod boot_records;
mod merge_patch;

use std::sync::Arc;

use model::{Rejection, Xname};
use proto::bss::v1::bss_command::Change;
use proto::bss::v1::{BootParametersEntry, BootRecord, BssCommand};
use proto::raft::v1::outcome::Applied;
use proto::raft::v1::snapshot_row::Row;

pub use self::boot_key::normalise_boot_key;
use self::boot_parameters::BootParameters;
use self::boot_records::BootRecords;
pub(crate) use self::merge_patch::{depth, merge};
use crate::apply::no_command;
use crate::changes::Changes;
use crate::cluster::FEATURE_LEVEL_FIRST;
use crate::event::Object;
use crate::log_position::LogPosition;
use crate::snapshot::SnapshotError;
use crate::table::Record;
use crate::{RowKey, RowKind};

/// What nodes boot with, and what is known of their boots.
#[derive(Clone, Default)]
pub struct Bss {
    parameters: BootParameters,
    records: BootRecords,
}

impl Bss {
    /// The entry of one key, as `normalise_boot_key` writes it.
    pub fn entry(&self, key: &str) -> Option<Arc<BootParametersEntry>> {
        self.parameters.get(key).cloned()
    }

    /// Every entry, sorted by key.
    pub fn entries(&self) -> impl Iterator<Item = &Arc<BootParametersEntry>> {
        self.parameters.iter()
    }

    /// The boots of a node, newest first; at most `bounds::BOOT_RECORDS_PER_NODE_MAX`.
    pub fn boot_records(&self, node: &Xname) -> Vec<Arc<BootRecord>> {
        self.records.of(node).cloned().collect()
    }

    pub(crate) fn apply(
        &mut self,
        command: &BssCommand,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        match command.change.as_ref().ok_or_else(no_command)? {
            Change::Create(create) => self.parameters.create(create, at, changes),
            Change::Replace(replace) => self.parameters.replace(replace, at, changes),
            Change::Update(update) => self.parameters.update(update, at, changes),
            Change::Delete(delete) => self.parameters.delete(delete, at, changes),
            Change::RecordBoot(record) => self.records.record(record, at, changes),
        }
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = Row> + '_ {
        let entries = self
            .parameters
            .iter()
            .map(|entry| entry.as_ref().clone().into_row());
        entries.chain(
            self.records
                .iter()
                .map(|record| record.as_ref().clone().into_row()),
        )
    }

    pub(crate) fn objects(&self) -> impl Iterator<Item = Object> + '_ {
        let entries = self.parameters.iter().cloned().map(Object::BootParameters);
        entries.chain(self.records.iter().cloned().map(Object::BootRecord))
    }

    pub(crate) fn row(&self, key: &RowKey) -> Option<Row> {
        if key.kind() == RowKind::BootParameters {
            let entry = self.parameters.get(std::str::from_utf8(key.key()).ok()?)?;
            return Some(entry.as_ref().clone().into_row());
        }
        self.records
            .get(key)
            .map(|record| record.as_ref().clone().into_row())
    }

    pub(crate) fn load_entry(
        &mut self,
        row: BootParametersEntry,
        changes: &mut Changes,
    ) -> Result<(), SnapshotError> {
        self.parameters.load(row, changes)
    }

    pub(crate) fn load_record(
        &mut self,
        row: BootRecord,
        changes: &mut Changes,
    ) -> Result<(), SnapshotError> {
        self.records.load(row, changes)
    }
}

/// From which level on the log may have this command.
pub(crate) fn feature_level(command: &BssCommand) -> u32 {
    match &command.change {
        None
        | Some(
            Change::Create(_)
            | Change::Replace(_)
            | Change::Update(_)
            | Change::Delete(_)
            | Change::RecordBoot(_),
        ) => FEATURE_LEVEL_FIRST,
    }
}
