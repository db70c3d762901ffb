//! BSS's part of the state: boot parameters by key, boot configurations by name, boot records by node.

mod boot_configurations;
mod boot_key;
mod boot_parameters;
mod boot_phases;
mod boot_records;
mod boot_rollout_progress;
mod boot_rollouts;
mod boots_seen;
mod configured_image;
mod merge_patch;
mod normal_configuration;
mod put_boot_parameters;
mod rollout_participants;
mod script_text;

use std::sync::Arc;

use boot_choice::ConfigurationIndex;
pub use boot_choice::{DEFAULT_KEY, nid_key, priority};
use model::{Rejection, Xname};
use proto::bss::v1::boot_phase::Phase;
use proto::bss::v1::bss_command::{
    AdvanceBootRollout, Change, PutBootConfiguration, RecordBoot, StartBootRollout,
};
use proto::bss::v1::{
    BootConfiguration, BootParametersEntry, BootRecord, BootRollout, BootRolloutNode, BssCommand,
};
use proto::raft::v1::outcome::Applied;
use proto::raft::v1::snapshot_row::Row;

use self::boot_configurations::BootConfigurations;
pub use self::boot_key::normalise_boot_key;
use self::boot_parameters::BootParameters;
pub use self::boot_phases::kept_phases;
use self::boot_records::BootRecords;
pub use self::boot_records::began_ms;
use self::boot_rollout_progress::{Next, is_over, next};
use self::boot_rollouts::BootRollouts;
pub(crate) use self::merge_patch::{depth, merge};
pub use self::normal_configuration::normalise_boot_configuration;
pub use self::script_text::SCRIPT_VARIABLES;
pub(crate) use self::script_text::{check_params, check_url};
use crate::apply::no_command;
use crate::boot_files::BootFiles;
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
    rollouts: BootRollouts,
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

    /// Every boot record, sorted by node, of one node the oldest first.
    pub fn all_boot_records(&self) -> impl Iterator<Item = &Arc<BootRecord>> {
        self.records.iter()
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

    /// A rollout by its name.
    pub fn boot_rollout(&self, name: &str) -> Option<Arc<BootRollout>> {
        self.rollouts.get(name).cloned()
    }

    /// Every rollout, sorted by name.
    pub fn boot_rollouts(&self) -> impl Iterator<Item = &Arc<BootRollout>> {
        self.rollouts.iter()
    }

    /// Names of the rollouts that an entry would let go on at `now_ms`.
    pub fn boot_rollouts_due(&self, now_ms: u64) -> Vec<String> {
        let due = self
            .rollouts
            .iter()
            .filter(|rollout| self.next_of(rollout, now_ms, 0).is_some());
        due.map(|rollout| rollout.name.clone()).collect()
    }

    /// Whether a rollout is not over.
    pub(crate) fn goes_on(&self, rollout: &BootRollout) -> bool {
        !is_over(rollout)
    }

    /// Those who take part in a rollout, sorted.
    pub fn rollout_nodes(&self, rollout: &str) -> impl Iterator<Item = &Arc<BootRolloutNode>> {
        self.rollouts.nodes_of(rollout)
    }

    /// The rollout that gives `node` something else than `configuration` says.
    pub(crate) fn rollout_of(
        &self,
        configuration: &BootConfiguration,
        node: &Xname,
    ) -> Option<&Arc<BootRollout>> {
        self.rollouts.of_node(configuration, node)
    }

    fn next_of(&self, rollout: &BootRollout, now_ms: u64, index: u64) -> Option<Next> {
        let configuration = self.configurations.get(&rollout.configuration);
        let nodes = self.rollouts.nodes_of(&rollout.name);
        next(
            rollout,
            configuration.map(AsRef::as_ref),
            nodes,
            &self.records,
            now_ms,
            index,
        )
    }

    /// Begins a rollout to `nodes`.
    pub(crate) fn start_rollout(
        &mut self,
        start: &StartBootRollout,
        nodes: Vec<String>,
        files: &BootFiles,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let given = start.rollout.as_ref();
        let given = given.ok_or_else(|| Rejection::invalid("rollout", "it is missing"))?;
        let configuration = self.configurations.get(&given.configuration).cloned();
        let from = (configuration.as_deref(), files);
        self.rollouts.start(given, from, nodes, at, changes)
    }

    /// Looks at the boots of a rollout's nodes and goes on with it.
    fn advance_rollout(
        &mut self,
        advance: &AdvanceBootRollout,
        files: &BootFiles,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let before = self.boot_rollout(&advance.name);
        let before = before.ok_or_else(|| Rejection::not_found("boot rollout", &advance.name))?;
        let names = vec![advance.name.clone()];
        let Some(Next {
            mut rollout,
            nodes,
            configuration,
        }) = self.next_of(&before, at.time_ms, at.index)
        else {
            return Ok(Applied {
                unchanged: names,
                ..Default::default()
            });
        };
        let starter = before.meta.as_ref().and_then(|meta| meta.created.as_ref());
        let starter = starter.map_or("", |change| change.principal.as_str());
        let principal = format!("rollout {} of {starter}", before.name);
        let at = LogPosition {
            principal: &principal,
            ..*at
        };
        if let Some(configuration) = configuration {
            let put = PutBootConfiguration {
                configuration: Some(configuration),
                ..Default::default()
            };
            self.configurations.put(&put, files, &at, changes)?;
        }
        rollout.meta = at.modified(before.meta.as_ref());
        self.rollouts.go_on(rollout, nodes, changes);
        Ok(Applied {
            updated: names,
            ..Default::default()
        })
    }

    /// `files`: the images that boot configurations name.
    pub(crate) fn apply(
        &mut self,
        command: &BssCommand,
        files: &BootFiles,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        match command.change.as_ref().ok_or_else(no_command)? {
            Change::Create(create) => self.parameters.create(create, at, changes),
            Change::Replace(replace) => self.parameters.replace(replace, at, changes),
            Change::Update(update) => self.parameters.update(update, at, changes),
            Change::Delete(delete) => self.parameters.delete(delete, at, changes),
            Change::RecordBoot(record) => self.records.record(record, at, changes),
            Change::PutBootConfiguration(put) => self.configurations.put(put, files, at, changes),
            Change::DeleteBootConfiguration(delete) => self.configurations.delete(delete, changes),
            Change::AdvanceBootRollout(advance) => self.advance_rollout(advance, files, at, changes),
            Change::ControlBootRollout(control) => self.rollouts.control(control, at, changes),
            Change::DeleteBootRollout(delete) => self.rollouts.delete(delete, changes),
            // `State` gives the one its nodes, and makes the other another command
            Change::StartBootRollout(_) | Change::Rollback(_) | Change::Together(_) => Err(no_command()),
            Change::RecordBootPhases(seen) => self.records.see(seen, at, changes),
            Change::Put(put) => self.parameters.put_all(put, at, changes),
            Change::Conditional(conditional) => self.parameters.conditional(conditional, at, changes),
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
        let rollouts = self.rollouts.iter();
        let rollouts = rollouts.map(|rollout| rollout.as_ref().clone().into_row());
        entries.chain(records).chain(configurations).chain(rollouts)
    }

    pub(crate) fn objects(&self) -> impl Iterator<Item = Object> + '_ {
        let entries = self.parameters.iter().cloned().map(Object::BootParameters);
        let configurations = self.configurations.after(None).cloned();
        entries
            .chain(self.records.iter().cloned().map(Object::BootRecord))
            .chain(configurations.map(Object::BootConfiguration))
            .chain(self.rollouts.iter().cloned().map(Object::BootRollout))
    }

    pub(crate) fn row(&self, key: &RowKey) -> Option<Row> {
        let text = std::str::from_utf8(key.key());
        Some(match key.kind() {
            RowKind::BootParameters => self.parameters.get(text.ok()?)?.as_ref().clone().into_row(),
            RowKind::BootConfiguration => self.configurations.get(text.ok()?)?.as_ref().clone().into_row(),
            RowKind::BootRollout => self.rollouts.get(text.ok()?)?.as_ref().clone().into_row(),
            RowKind::BootRolloutNode => self.rollouts.node(key)?.as_ref().clone().into_row(),
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

    pub(crate) fn load_rollout(
        &mut self,
        row: BootRollout,
        changes: &mut Changes,
    ) -> Result<(), SnapshotError> {
        self.rollouts.load(row, changes)
    }

    pub(crate) fn load_rollout_node(
        &mut self,
        row: BootRolloutNode,
        changes: &mut Changes,
    ) -> Result<(), SnapshotError> {
        self.rollouts.load_node(row, changes)
    }

    /// Rows of kinds that come after all others of the boot path.
    pub(crate) fn later_rows(&self) -> impl Iterator<Item = Row> + '_ {
        self.rollouts.nodes().map(|node| node.as_ref().clone().into_row())
    }

    pub(crate) fn load_record(
        &mut self,
        row: BootRecord,
        changes: &mut Changes,
    ) -> Result<(), SnapshotError> {
        self.records.load(row, changes)
    }

    /// # Errors
    /// `Malformed` for a configuration, or a rollout that goes on, whose image is not there.
    pub(crate) fn check_loaded(&self, files: &BootFiles) -> Result<(), SnapshotError> {
        let configurations = self.configurations.after(None);
        let configurations =
            configurations.map(|stored| (RowKind::BootConfiguration, &stored.name, &stored.image));
        let rollouts = self.rollouts.iter().filter(|rollout| !is_over(rollout));
        let rollouts = rollouts.map(|stored| (RowKind::BootRollout, &stored.name, &stored.image));
        let mut all = configurations.chain(rollouts);
        let is_missing = |image: &str| !image.is_empty() && files.image(image).is_none();
        match all.find(|(_, _, image)| is_missing(image)) {
            None => Ok(()),
            Some((kind, name, image)) => Err(SnapshotError::Malformed {
                kind,
                problem: format!("{name} names the image {image}, which is not there"),
            }),
        }
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
        Some(Change::RecordBoot(record)) if says_more(record) => FEATURE_LEVEL_BOOT,
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
            | Change::StartBootRollout(_)
            | Change::AdvanceBootRollout(_)
            | Change::ControlBootRollout(_)
            | Change::DeleteBootRollout(_)
            | Change::Put(_)
            | Change::Conditional(_)
            | Change::Rollback(_)
            | Change::Together(_),
        ) => FEATURE_LEVEL_BOOT,
    }
}

fn says_more(command: &RecordBoot) -> bool {
    command
        .record
        .as_ref()
        .is_some_and(|record| !record.phases.is_empty() || record.script_revision > 0)
}
