//! Rollouts: a change of a boot configuration that reaches its nodes step by step.

use std::sync::Arc;

use imbl::OrdMap;
use model::{Rejection, Xname};
use proto::bss::v1::boot_rollout::State as Stage;
use proto::bss::v1::bss_command::control_boot_rollout::Action;
use proto::bss::v1::bss_command::{ControlBootRollout, DeleteBootRollout};
use proto::bss::v1::{BootConfiguration, BootRollout, RolloutWave};
use proto::raft::v1::outcome::Applied;
use proto::raft::v1::snapshot_row::Row;

use super::boot_rollout_progress::{is_over, sizes};
use super::normal_configuration::normalise_boot_configuration;
use crate::bounds::{
    BOOT_DEADLINE_S_DEFAULT, BOOT_DEADLINE_S_MAX, ROLLOUT_NODES_MAX, ROLLOUT_STEPS_MAX, ROLLOUTS_MAX,
    check_count, check_name,
};
use crate::changes::Changes;
use crate::event::Object;
use crate::log_position::{LogPosition, check_revision, modified_revision};
use crate::outcome::deleted;
use crate::snapshot::SnapshotError;
use crate::table::{Record, Table};
use crate::{RowKey, RowKind};

/// Word for the kind in rejections.
const KIND: &str = "boot rollout";

/// Rollouts by name.
#[derive(Clone, Default)]
pub(super) struct BootRollouts {
    table: Table<BootRollout>,
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

    /// The rollout that gives `node` something else than `configuration` says.
    pub(super) fn of_node(&self, configuration: &str, node: &Xname) -> Option<&Arc<BootRollout>> {
        let rollout = self.get(self.of_configuration.get(configuration)?)?;
        let place = rollout
            .nodes
            .binary_search_by(|other| other.as_str().cmp(node.as_str()));
        place
            .is_ok_and(|place| place < admitted(rollout))
            .then_some(rollout)
    }

    /// Begins the first step with `nodes`, those that take part.
    pub(super) fn start(
        &mut self,
        given: &BootRollout,
        configuration: Option<&BootConfiguration>,
        mut nodes: Vec<String>,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        check_name("name", &given.name)?;
        let base =
            configuration.ok_or_else(|| Rejection::not_found("boot configuration", &given.configuration))?;
        let changed = normalise_boot_configuration(&changed(base, given))?;
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
            boot_deadline_s: match given.boot_deadline_s {
                0 => BOOT_DEADLINE_S_DEFAULT,
                given => given,
            },
            state: Stage::Running.into(),
            reason: String::new(),
            nodes,
            waves: Vec::new(),
            booted: Vec::new(),
            failed: Vec::new(),
            base_revision: modified_revision(base.meta.as_ref()),
            meta: at.created(),
            ..given.clone()
        };
        rollout.waves = first_wave(&rollout, at);
        let names = vec![rollout.name.clone()];
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
        let stage = match (control.action(), before.state()) {
            (_, Stage::Stopped | Stage::Completed | Stage::Unspecified) => {
                return Err(Rejection::Conflict {
                    detail: format!("the rollout {} is over", before.name),
                });
            }
            (Action::Unspecified, _) => {
                return Err(Rejection::invalid("action", "write pause, resume or stop"));
            }
            (Action::Pause, _) => Stage::Paused,
            (Action::Resume, _) => Stage::Running,
            (Action::Stop, _) => Stage::Stopped,
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
        self.table.remove(&before.name, changes);
        Ok(deleted(std::iter::once(before.name.clone())))
    }

    /// Stores what became of one that is known.
    pub(super) fn replace(&mut self, after: BootRollout, changes: &mut Changes) {
        self.store(after, changes);
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
pub(super) fn admitted(rollout: &BootRollout) -> usize {
    let is_given = matches!(rollout.state(), Stage::Running | Stage::Paused);
    let wave = rollout.waves.last().filter(|_| is_given);
    wave.map_or(0, |wave| wave.nodes as usize)
        .min(rollout.nodes.len())
}

/// `configuration` as `rollout` makes it.
pub(super) fn changed(configuration: &BootConfiguration, rollout: &BootRollout) -> BootConfiguration {
    BootConfiguration {
        kernel: rollout.kernel.clone(),
        initrd: rollout.initrd.clone(),
        params: rollout.params.clone(),
        merge_params: rollout.merge_params,
        ..configuration.clone()
    }
}

fn first_wave(rollout: &BootRollout, at: &LogPosition<'_>) -> Vec<RolloutWave> {
    let size = sizes(&rollout.steps, rollout.nodes.len()).into_iter().next();
    let wave = size.map(|nodes| RolloutWave {
        nodes,
        revision: at.index,
        at_ms: at.time_ms,
    });
    wave.into_iter().collect()
}

fn check_terms(given: &BootRollout, nodes: usize) -> Result<(), Rejection> {
    if nodes == 0 {
        let problem = "no node takes part; name a group with members, or hosts that the inventory has";
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
        if !self.nodes.is_sorted() || self.nodes.is_empty() {
            return Err(format!("the nodes of the rollout {} are not sorted", self.name));
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
