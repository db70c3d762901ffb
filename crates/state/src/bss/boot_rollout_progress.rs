//! How a rollout goes on: a pure look at the boots of its nodes.

use std::collections::BTreeMap;

use model::Xname;
use proto::bss::v1::boot_phase::Phase;
use proto::bss::v1::boot_rollout::State as Stage;
use proto::bss::v1::{BootConfiguration, BootRecord, BootRollout, RolloutFailure, RolloutStep, RolloutWave};

use super::boot_records::BootRecords;
use super::boot_rollouts::{admitted, changed};
use crate::log_position::modified_revision;

/// What is to be done about a rollout.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Next {
    /// The rollout as it becomes, but for its meta.
    pub(super) rollout: BootRollout,
    /// What its configuration becomes, with the last step.
    pub(super) configuration: Option<BootConfiguration>,
}

/// Nobody gets what is new (any more), or everybody does.
pub(super) fn is_over(rollout: &BootRollout) -> bool {
    matches!(
        rollout.state(),
        Stage::Stopped | Stage::Completed | Stage::Unspecified
    )
}

/// Nodes of each step, counted from the first; the last is all.
pub(super) fn sizes(steps: &[RolloutStep], nodes: usize) -> Vec<u32> {
    let all = u32::try_from(nodes).unwrap_or(u32::MAX);
    let size = |step: &RolloutStep| match step.percent {
        0 => step.nodes.min(all),
        percent => u32::try_from((nodes * percent as usize).div_ceil(100))
            .unwrap_or(all)
            .min(all),
    };
    let mut sizes: Vec<u32> = Vec::new();
    for size in steps.iter().map(size).chain([all]) {
        if sizes.last().is_none_or(|last| size > *last) {
            sizes.push(size);
        }
    }
    sizes
}

/// What is to be done at `now_ms` with the entry `index`; nothing when nothing is new.
pub(super) fn next(
    rollout: &BootRollout,
    configuration: Option<&BootConfiguration>,
    records: &BootRecords,
    now_ms: u64,
    index: u64,
) -> Option<Next> {
    if is_over(rollout) {
        return None;
    }
    let mut after = rollout.clone();
    settle(&mut after, records, now_ms);
    let is_current =
        |base: &&BootConfiguration| modified_revision(base.meta.as_ref()) == rollout.base_revision;
    let base = configuration.filter(is_current);
    let mut result = None;
    if after.failed.len() > rollout.failures_max as usize {
        let problem = format!(
            "{} nodes failed, {} are allowed: all nodes get what {} says",
            after.failed.len(),
            rollout.failures_max,
            rollout.configuration
        );
        stop(&mut after, problem);
    } else if base.is_none() {
        let problem = format!("{} was changed or deleted meanwhile", rollout.configuration);
        stop(&mut after, problem);
    } else if rollout.state() == Stage::Running
        && after.booted.len() + after.failed.len() >= admitted(rollout)
    {
        let sizes = sizes(&rollout.steps, rollout.nodes.len());
        match sizes.into_iter().find(|size| *size as usize > admitted(rollout)) {
            Some(nodes) => after.waves.push(RolloutWave {
                nodes,
                revision: index,
                at_ms: now_ms,
            }),
            None => {
                after.set_state(Stage::Completed);
                result = base.map(|base| changed(base, rollout));
            }
        }
    }
    (after != *rollout).then_some(Next {
        rollout: after,
        configuration: result,
    })
}

fn stop(rollout: &mut BootRollout, reason: String) {
    rollout.set_state(Stage::Stopped);
    rollout.reason = reason;
}

/// Looks at every node of the begun steps whose boot is not decided yet.
fn settle(rollout: &mut BootRollout, records: &BootRecords, now_ms: u64) {
    let mut booted: Vec<String> = Vec::new();
    let mut failed: BTreeMap<String, String> = BTreeMap::new();
    for (place, node) in rollout.nodes.iter().enumerate().take(admitted(rollout)) {
        let is_settled = rollout.booted.binary_search(node).is_ok()
            || rollout
                .failed
                .binary_search_by(|failure| failure.node.cmp(node))
                .is_ok();
        let wave = rollout.waves.iter().find(|wave| wave.nodes as usize > place);
        let (Some(wave), false, Ok(xname)) = (wave, is_settled, node.parse::<Xname>()) else {
            continue;
        };
        match boot_of(
            records,
            &xname,
            wave.revision,
            now_ms,
            u64::from(rollout.boot_deadline_s) * 1000,
        ) {
            Boot::Home => booted.push(node.clone()),
            Boot::Overdue(reason) => {
                failed.insert(node.clone(), reason);
            }
            Boot::Open => {}
        }
    }
    if !booted.is_empty() {
        rollout.booted.extend(booted);
        rollout.booted.sort_unstable();
    }
    if !failed.is_empty() {
        let failed = failed
            .into_iter()
            .map(|(node, reason)| RolloutFailure { node, reason });
        rollout.failed.extend(failed);
        rollout.failed.sort_by(|one, other| one.node.cmp(&other.node));
    }
}

enum Boot {
    Home,
    Overdue(String),
    Open,
}

/// The boots of a node with scripts of `revision` or later: one that came home decides, else the newest.
fn boot_of(records: &BootRecords, node: &Xname, revision: u64, now_ms: u64, deadline_ms: u64) -> Boot {
    let mut newest = None;
    for record in records.by_creation(node) {
        let Some(script_ms) = script_ms(record, revision) else {
            continue;
        };
        if record.phoned_home_at_ms >= script_ms {
            return Boot::Home;
        }
        newest = newest.max(Some(script_ms));
    }
    match newest {
        Some(script_ms) if now_ms > script_ms.saturating_add(deadline_ms) => {
            let late = format!(
                "has not phoned home {} s after it got its script",
                deadline_ms / 1000
            );
            Boot::Overdue(late)
        }
        Some(_) | None => Boot::Open,
    }
}

/// When it first got a script that was made of `revision` or later, milliseconds.
fn script_ms(record: &BootRecord, revision: u64) -> Option<u64> {
    let scripts = record.phases.iter();
    let scripts = scripts.filter(|seen| seen.phase() == Phase::Script && seen.revision >= revision);
    scripts.map(|seen| seen.at_ms).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(nodes: u32, percent: u32) -> RolloutStep {
        RolloutStep { nodes, percent }
    }

    #[test]
    fn steps_grow_and_the_last_is_all() {
        assert_eq!(sizes(&[], 10), [10]);
        assert_eq!(sizes(&[step(1, 0), step(0, 25), step(0, 100)], 10), [1, 3, 10]);
        assert_eq!(sizes(&[step(5, 0), step(0, 1), step(500, 0)], 10), [5, 10]);
        assert_eq!(sizes(&[step(0, 1)], 3), [1, 3]);
    }
}
