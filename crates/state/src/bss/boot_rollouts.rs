//! Rollouts: a change of a boot configuration that reaches its nodes step by step.

use std::sync::Arc;

use imbl::OrdMap;
use model::{Rejection, Xname};
use proto::bss::v1::boot_rollout::State as Stage;
use proto::bss::v1::boot_rollout_node::Outcome;
use proto::bss::v1::bss_command::control_boot_rollout::Action;
use proto::bss::v1::bss_command::{ControlBootRollout, DeleteBootRollout};
use proto::bss::v1::{BootConfiguration, BootRollout, BootRolloutNode, RolloutWave};
use proto::raft::v1::outcome::Applied;
use proto::raft::v1::snapshot_row::Row;

use super::boot_rollout_progress::{is_decided, is_over, sizes};
use super::configured_image::check_image_is_there;
use super::normal_configuration::{check_configuration_name, normalise_boot_configuration};
use crate::boot_files::BootFiles;
use crate::bounds::{
    BOOT_DEADLINE_S_DEFAULT, BOOT_DEADLINE_S_MAX, ROLLOUT_NODES_MAX, ROLLOUT_STEPS_MAX, ROLLOUTS_MAX,
    check_count,
};
use crate::changes::Changes;
use crate::event::Object;
use crate::log_position::{LogPosition, check_revision, modified_revision};
use crate::outcome::deleted;
use crate::smd::stored_xname;
use crate::snapshot::SnapshotError;
use crate::table::{Record, Table};
use crate::{RowKey, RowKind};

/// Word for the kind in rejections.
const KIND: &str = "boot rollout";

/// Rollouts by name, and who takes part in them.
#[derive(Clone, Default)]
pub(super) struct BootRollouts {
    table: Table<BootRollout>,
    nodes: Table<BootRolloutNode>,
    /// The name of the one that is not over, by the configuration that it changes.
    of_configuration: OrdMap<String, String>,
}

impl BootRollouts {
    pub(super) fn get(&self, name: &str) -> Option<&Arc<BootRollout>> {
        self.table.get(&name.to_owned())
    }

    /// Sorted by name.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<BootRollout>> {
        self.table.values()
    }

    /// Who takes part in one, sorted.
    pub(super) fn nodes_of(&self, rollout: &str) -> impl Iterator<Item = &Arc<BootRolloutNode>> {
        let name = rollout.to_owned();
        let all = self.nodes.range((name.clone(), String::new())..);
        all.take_while(move |((of, _), _)| *of == name)
            .map(|(_, node)| node)
    }

    /// Who takes part in any, sorted by rollout and node.
    pub(super) fn nodes(&self) -> impl Iterator<Item = &Arc<BootRolloutNode>> {
        self.nodes.values()
    }

    pub(super) fn node(&self, key: &RowKey) -> Option<&Arc<BootRolloutNode>> {
        let text = std::str::from_utf8(key.key()).ok()?;
        let (rollout, node) = text.split_once('\0')?;
        self.nodes.get(&(rollout.to_owned(), node.to_owned()))
    }

    /// The rollout that gives `node` something else than `configuration` says. One of a configuration that was changed since
    /// gives nobody anything.
    pub(super) fn of_node(
        &self,
        configuration: &BootConfiguration,
        node: &Xname,
    ) -> Option<&Arc<BootRollout>> {
        let name = self.of_configuration.get(&configuration.name)?;
        let rollout = self.get(name)?;
        let is_current = modified_revision(configuration.meta.as_ref()) == rollout.base_revision;
        let place = self.nodes.get(&(name.clone(), node.to_string()))?.place;
        (is_current && place < admitted(rollout)).then_some(rollout)
    }

    /// Begins the first step with `nodes`, those that take part. `from`: the configuration that is changed, and the images.
    pub(super) fn start(
        &mut self,
        given: &BootRollout,
        from: (Option<&BootConfiguration>, &BootFiles),
        mut nodes: Vec<String>,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        check_configuration_name(&given.name)?;
        let (configuration, files) = from;
        let base =
            configuration.ok_or_else(|| Rejection::not_found("boot configuration", &given.configuration))?;
        let changed = normalise_boot_configuration(&changed(base, given))?;
        check_image_is_there(&changed, files)?;
        nodes.sort_unstable();
        nodes.dedup();
        check_terms(given, nodes.len())?;
        let before = self.get(&given.name).cloned();
        self.check_free(given, before.as_deref())?;
        let mut rollout = BootRollout {
            name: given.name.clone(),
            configuration: base.name.clone(),
            kernel: changed.kernel,
            initrd: changed.initrd,
            params: changed.params,
            merge_params: changed.merge_params,
            image: changed.image,
            boot_deadline_s: match given.boot_deadline_s {
                0 => BOOT_DEADLINE_S_DEFAULT,
                given => given,
            },
            state: Stage::Running.into(),
            reason: String::new(),
            nodes: u32::try_from(nodes.len()).unwrap_or(u32::MAX),
            waves: Vec::new(),
            booted: 0,
            failed: 0,
            skipped: 0,
            participants: Vec::new(),
            base_revision: modified_revision(base.meta.as_ref()),
            meta: at.created(),
            ..given.clone()
        };
        rollout.waves = first_wave(&rollout, at);
        let names = vec![rollout.name.clone()];
        self.forget_nodes(&rollout.name, changes);
        for (place, node) in (0_u32..).zip(nodes) {
            let node = BootRolloutNode {
                rollout: rollout.name.clone(),
                node,
                place,
                outcome: Outcome::Waiting.into(),
                ..BootRolloutNode::default()
            };
            self.put_node(node, changes);
        }
        self.store(rollout, changes);
        Ok(Applied {
            created: names,
            ..Default::default()
        })
    }

    /// A configuration changes in one way at a time, and a rollout that goes on is not forgotten.
    fn check_free(&self, given: &BootRollout, before: Option<&BootRollout>) -> Result<(), Rejection> {
        let taken = |detail: String| Rejection::AlreadyExists {
            kind: KIND.to_owned(),
            id: given.name.clone(),
            detail,
        };
        if before.is_some_and(|before| !is_over(before)) {
            return Err(taken(
                "it is not over; stop it first, or choose another name".to_owned(),
            ));
        }
        if let Some(other) = self.of_configuration.get(&given.configuration) {
            let problem = format!(
                "{} is being changed by the rollout {other}; stop that first",
                given.configuration
            );
            return Err(Rejection::invalid("configuration", problem));
        }
        if before.is_none() && self.table.len() >= ROLLOUTS_MAX {
            let problem = format!("there are {ROLLOUTS_MAX} rollouts; delete one that is over");
            return Err(Rejection::invalid("name", problem));
        }
        Ok(())
    }

    /// Pauses, resumes, stops.
    pub(super) fn control(
        &mut self,
        control: &ControlBootRollout,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let before = self.known(&control.name, control.if_revision)?;
        let mut after = before.as_ref().clone();
        if control.action() == Action::Skip && !is_over(&before) {
            return Ok(self.skip(&before, at, changes));
        }
        let stage = match (control.action(), before.state()) {
            (_, Stage::Stopped | Stage::Completed | Stage::Unspecified) => {
                return Err(Rejection::Conflict {
                    detail: format!("the rollout {} is over", before.name),
                });
            }
            (Action::Unspecified, _) => {
                return Err(Rejection::invalid("action", "write pause, resume, stop or skip"));
            }
            (Action::Pause, _) => Stage::Paused,
            (Action::Resume, _) => Stage::Running,
            (Action::Stop | Action::Skip, _) => Stage::Stopped,
        };
        let names = vec![before.name.clone()];
        if stage == before.state() {
            return Ok(Applied {
                unchanged: names,
                ..Default::default()
            });
        }
        after.set_state(stage);
        if stage == Stage::Stopped {
            after.reason = format!("stopped by {}", at.principal);
        }
        after.meta = at.modified(before.meta.as_ref());
        self.store(after, changes);
        Ok(Applied {
            updated: names,
            ..Default::default()
        })
    }

    pub(super) fn delete(
        &mut self,
        delete: &DeleteBootRollout,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let before = self.known(&delete.name, delete.if_revision)?;
        if !is_over(&before) {
            return Err(Rejection::Conflict {
                detail: format!("the rollout {} is not over; stop it first", before.name),
            });
        }
        self.forget_nodes(&before.name, changes);
        self.table.remove(&before.name, changes);
        Ok(deleted(std::iter::once(before.name.clone())))
    }

    /// The nodes of the step that are not decided yet are left out.
    fn skip(&mut self, before: &BootRollout, at: &LogPosition<'_>, changes: &mut Changes) -> Applied {
        let begun = self.nodes_of(&before.name).take(admitted(before) as usize);
        let open: Vec<BootRolloutNode> = begun
            .filter(|node| !is_decided(node))
            .map(|node| node.as_ref().clone())
            .collect();
        let names = vec![before.name.clone()];
        if open.is_empty() {
            return Applied {
                unchanged: names,
                ..Default::default()
            };
        }
        let mut after = before.clone();
        after.skipped += u32::try_from(open.len()).unwrap_or(u32::MAX);
        after.meta = at.modified(before.meta.as_ref());
        let skipped = open.into_iter().map(|node| BootRolloutNode {
            outcome: Outcome::Skipped.into(),
            reason: format!("skipped by {}", at.principal),
            ..node
        });
        self.go_on(after, skipped.collect(), changes);
        Applied {
            updated: names,
            ..Default::default()
        }
    }

    /// Stores what became of one that is known, and of its nodes.
    pub(super) fn go_on(&mut self, after: BootRollout, nodes: Vec<BootRolloutNode>, changes: &mut Changes) {
        for node in nodes {
            self.put_node(node, changes);
        }
        self.store(after, changes);
    }

    fn put_node(&mut self, node: BootRolloutNode, changes: &mut Changes) {
        self.nodes
            .put((node.rollout.clone(), node.node.clone()), node, changes);
    }

    fn forget_nodes(&mut self, rollout: &str, changes: &mut Changes) {
        let gone: Vec<String> = self.nodes_of(rollout).map(|node| node.node.clone()).collect();
        for node in gone {
            self.nodes.remove(&(rollout.to_owned(), node), changes);
        }
    }

    fn known(&self, name: &str, if_revision: Option<u64>) -> Result<Arc<BootRollout>, Rejection> {
        let before = self.get(name).ok_or_else(|| Rejection::not_found(KIND, name))?;
        check_revision(name, if_revision, before.meta.as_ref())?;
        Ok(Arc::clone(before))
    }

    fn store(&mut self, rollout: BootRollout, changes: &mut Changes) {
        let (name, configuration) = (rollout.name.clone(), rollout.configuration.clone());
        match is_over(&rollout) {
            false => {
                self.of_configuration.insert(configuration, name.clone());
            }
            // another may have begun with that configuration since this one was over
            true if self.of_configuration.get(&configuration) == Some(&name) => {
                self.of_configuration.remove(&configuration);
            }
            true => {}
        }
        self.table.put(name, rollout, changes);
    }

    pub(super) fn load_node(
        &mut self,
        row: BootRolloutNode,
        changes: &mut Changes,
    ) -> Result<(), SnapshotError> {
        self.nodes.check_load(&row, RowKind::BootRolloutNode)?;
        self.put_node(row, changes);
        Ok(())
    }

    pub(super) fn load(&mut self, row: BootRollout, changes: &mut Changes) -> Result<(), SnapshotError> {
        self.table.check_load(&row, RowKind::BootRollout)?;
        let is_taken = self.of_configuration.contains_key(&row.configuration);
        if !is_over(&row) && is_taken {
            return Err(SnapshotError::Malformed {
                kind: RowKind::BootRollout,
                problem: format!("{} has two rollouts", row.configuration),
            });
        }
        self.store(row, changes);
        Ok(())
    }
}

/// How many of its nodes get what is new.
pub(super) fn admitted(rollout: &BootRollout) -> u32 {
    let is_given = matches!(rollout.state(), Stage::Running | Stage::Paused);
    let wave = rollout.waves.last().filter(|_| is_given);
    wave.map_or(0, |wave| wave.nodes)
}

/// `configuration` as `rollout` makes it.
pub(super) fn changed(configuration: &BootConfiguration, rollout: &BootRollout) -> BootConfiguration {
    BootConfiguration {
        kernel: rollout.kernel.clone(),
        initrd: rollout.initrd.clone(),
        params: rollout.params.clone(),
        merge_params: rollout.merge_params,
        image: rollout.image.clone(),
        ..configuration.clone()
    }
}

fn first_wave(rollout: &BootRollout, at: &LogPosition<'_>) -> Vec<RolloutWave> {
    let size = sizes(&rollout.steps, rollout.nodes).into_iter().next();
    let wave = size.map(|nodes| RolloutWave {
        nodes,
        revision: at.index,
        at_ms: at.time_ms,
    });
    wave.into_iter().collect()
}

fn check_terms(given: &BootRollout, nodes: usize) -> Result<(), Rejection> {
    if nodes == 0 {
        let problem = "no node takes part; name a group, or hosts, with nodes that boot this configuration";
        return Err(Rejection::invalid("group", problem));
    }
    check_count("nodes", nodes, ROLLOUT_NODES_MAX)?;
    check_count("steps", given.steps.len(), ROLLOUT_STEPS_MAX)?;
    for step in &given.steps {
        if (step.nodes == 0) == (step.percent == 0) {
            return Err(Rejection::invalid(
                "steps",
                "write either nodes or percent in each, above 0",
            ));
        }
        if step.percent > 100 {
            let problem = format!("{} percent; write 1 to 100", step.percent);
            return Err(Rejection::invalid("steps", problem));
        }
    }
    if given.boot_deadline_s > BOOT_DEADLINE_S_MAX {
        let problem = format!(
            "{}; write up to {BOOT_DEADLINE_S_MAX}, or 0 for {BOOT_DEADLINE_S_DEFAULT}",
            given.boot_deadline_s
        );
        return Err(Rejection::invalid("boot_deadline_s", problem));
    }
    Ok(())
}

impl Record for BootRollout {
    type Key = String;

    fn row_key(name: &String) -> RowKey {
        RowKey::boot_rollout(name)
    }

    fn key(&self) -> Result<String, String> {
        check_configuration_name(&self.name).map_err(|rejection| rejection.to_string())?;
        if !self.participants.is_empty() {
            return Err(format!("the nodes of the rollout {} stand in its row", self.name));
        }
        Ok(self.name.clone())
    }

    fn into_row(self) -> Row {
        Row::BootRollout(self)
    }

    fn object(self: Arc<Self>) -> Option<Object> {
        Some(Object::BootRollout(self))
    }
}

impl Record for BootRolloutNode {
    type Key = (String, String);

    fn row_key((rollout, node): &(String, String)) -> RowKey {
        RowKey::boot_rollout_node(rollout, node)
    }

    fn key(&self) -> Result<(String, String), String> {
        check_configuration_name(&self.rollout).map_err(|rejection| rejection.to_string())?;
        let node = stored_xname(&self.node)?;
        Ok((self.rollout.clone(), node.to_string()))
    }

    fn into_row(self) -> Row {
        Row::BootRolloutNode(self)
    }

    /// They are read by their rollout, which watchers see go on.
    fn object(self: Arc<Self>) -> Option<Object> {
        None
    }
}
