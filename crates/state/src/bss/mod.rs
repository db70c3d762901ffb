//! BSS's part of the state: boot parameters by key, boot configurations by name, boot records by node.

mod boot_configurations;
mod boot_key;
mod boot_parameters;
mod boot_phases;
mod boot_records;
mod boots_seen;
mod configuration_index;
mod merge_patch;
mod normal_configuration;
mod script_text;

use std::sync::Arc;

use model::{Rejection, Xname};
use proto::bss::v1::boot_phase::Phase;
use proto::bss::v1::bss_command::{Change, RecordBoot};
use proto::bss::v1::{BootConfiguration, BootParametersEntry, BootRecord, BssCommand};
use proto::raft::v1::outcome::Applied;
use proto::raft::v1::snapshot_row::Row;

use self::boot_configurations::BootConfigurations;
pub use self::boot_key::{nid_key, normalise_boot_key};
use self::boot_parameters::BootParameters;
pub use self::boot_phases::kept_phases;
use self::boot_records::BootRecords;
pub use self::boot_records::began_ms;
pub(crate) use self::configuration_index::{ConfigurationIndex, rank};
pub(crate) use self::merge_patch::depth;
pub use self::normal_configuration::{normalise_boot_configuration, priority};
pub use self::script_text::SCRIPT_VARIABLES;
use crate::apply::no_command;
use crate::changes::Changes;
use crate::cluster::{FEATURE_LEVEL_BOOT, FEATURE_LEVEL_FIRST};
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
    configurations: BootConfigurations,
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

    /// A boot configuration by its name.
    pub fn configuration(&self, name: &str) -> Option<Arc<BootConfiguration>> {
        self.configurations.get(name).cloned()
    }

    /// Every boot configuration, sorted by name.
    pub fn configurations(&self) -> impl Iterator<Item = &Arc<BootConfiguration>> {
        self.configurations.after(None)
    }

    /// As [`Bss::configurations`], those after a name if one is given.
    pub fn configurations_after(
        &self,
        name: Option<&String>,
    ) -> impl Iterator<Item = &Arc<BootConfiguration>> {
        self.configurations.after(name)
    }

    /// Which of them select what.
    pub(crate) fn configuration_index(&self) -> &ConfigurationIndex {
        self.configurations.index()
    }

    /// The boots of a node, newest first; at most `bounds::BOOT_RECORDS_PER_NODE_MAX`.
    pub fn boot_records(&self, node: &Xname) -> Vec<Arc<BootRecord>> {
        self.records.of(node)
    }

    /// When a node was last seen to come to `phase`, in any of its boots: cluster time, milliseconds since the Unix epoch.
    pub fn last_access(&self, node: &Xname, phase: Phase) -> Option<u64> {
        let records = self.records.by_creation(node);
        if phase == Phase::PhonedHome {
            let times = records.map(|record| record.phoned_home_at_ms);
            return times.filter(|at_ms| *at_ms > 0).max();
        }
        let attempts = records.flat_map(|record| &record.phases);
        attempts
            .filter(|attempt| attempt.phase() == phase)
            .map(|attempt| attempt.at_ms)
            .max()
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
            Change::PutBootConfiguration(put) => self.configurations.put(put, at, changes),
            Change::DeleteBootConfiguration(delete) => self.configurations.delete(delete, changes),
            // it is made another command before it gets here
            Change::Rollback(_) => Err(no_command()),
            Change::RecordBootPhases(seen) => self.records.see(seen, at, changes),
        }
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = Row> + '_ {
        let entries = self
            .parameters
            .iter()
            .map(|entry| entry.as_ref().clone().into_row());
        let records = self
            .records
            .iter()
            .map(|record| record.as_ref().clone().into_row());
        let configurations = self.configurations.after(None);
        let configurations = configurations.map(|configuration| configuration.as_ref().clone().into_row());
        entries.chain(records).chain(configurations)
    }

    pub(crate) fn objects(&self) -> impl Iterator<Item = Object> + '_ {
        let entries = self.parameters.iter().cloned().map(Object::BootParameters);
        let configurations = self.configurations.after(None).cloned();
        entries
            .chain(self.records.iter().cloned().map(Object::BootRecord))
            .chain(configurations.map(Object::BootConfiguration))
    }

    pub(crate) fn row(&self, key: &RowKey) -> Option<Row> {
        let text = std::str::from_utf8(key.key());
        Some(match key.kind() {
            RowKind::BootParameters => self.parameters.get(text.ok()?)?.as_ref().clone().into_row(),
            RowKind::BootConfiguration => self.configurations.get(text.ok()?)?.as_ref().clone().into_row(),
            _ => self.records.get(key)?.as_ref().clone().into_row(),
        })
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

    pub(crate) fn load_configuration(
        &mut self,
        row: BootConfiguration,
        changes: &mut Changes,
    ) -> Result<(), SnapshotError> {
        self.configurations.load(row, changes)
    }
}

/// From which level on the log may have this command.
pub(crate) fn feature_level(command: &BssCommand) -> u32 {
    match &command.change {
        // a field that the first level does not know
        Some(Change::RecordBoot(record)) if has_phases(record) => FEATURE_LEVEL_BOOT,
        None
        | Some(
            Change::Create(_)
            | Change::Replace(_)
            | Change::Update(_)
            | Change::Delete(_)
            | Change::RecordBoot(_),
        ) => FEATURE_LEVEL_FIRST,
        Some(
            Change::PutBootConfiguration(_)
            | Change::DeleteBootConfiguration(_)
            | Change::RecordBootPhases(_)
            | Change::Rollback(_),
        ) => FEATURE_LEVEL_BOOT,
    }
}

fn has_phases(command: &RecordBoot) -> bool {
    command
        .record
        .as_ref()
        .is_some_and(|record| !record.phases.is_empty())
}
