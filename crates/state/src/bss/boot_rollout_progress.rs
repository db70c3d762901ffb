//! How a rollout goes on: a pure look at the boots of its nodes.

use std::sync::Arc;

use model::Xname;
use proto::bss::v1::boot_phase::Phase;
use proto::bss::v1::boot_rollout::State as Stage;
use proto::bss::v1::boot_rollout_node::Outcome;
use proto::bss::v1::{BootConfiguration, BootRecord, BootRollout, BootRolloutNode, RolloutStep, RolloutWave};

use super::boot_records::BootRecords;
use super::boot_rollouts::{admitted, changed};
use crate::log_position::modified_revision;

/// What is to be done about a rollout.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Next {
    /// The rollout as it becomes, but for its meta.
    pub(super) rollout: BootRollout,
    /// Those of its nodes of which something is new.
    pub(super) nodes: Vec<BootRolloutNode>,
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

/// The next step does not wait for it.
pub(super) fn is_decided(node: &BootRolloutNode) -> bool {
    node.outcome() != Outcome::Waiting
}

/// Nodes of each step, counted from the first; the last is all.
pub(super) fn sizes(steps: &[RolloutStep], all: u32) -> Vec<u32> {
    let size = |step: &RolloutStep| match step.percent {
        0 => step.nodes.min(all),
        percent => {
            let share = (u64::from(all) * u64::from(percent)).div_ceil(100);
            u32::try_from(share).unwrap_or(all).min(all)
        }
    };
    let mut sizes: Vec<u32> = Vec::new();
    for size in steps.iter().map(size).chain([all]) {
        if sizes.last().is_none_or(|last| size > *last) {
            sizes.push(size);
        }
    }
    sizes
}

/// What is to be done at `now_ms` with the entry `index`; nothing when nothing is new. `nodes` are those who take part.
pub(super) fn next<'a>(
    rollout: &BootRollout,
    configuration: Option<&BootConfiguration>,
    nodes: impl Iterator<Item = &'a Arc<BootRolloutNode>>,
    records: &BootRecords,
    now_ms: u64,
    index: u64,
) -> Option<Next> {
    if is_over(rollout) {
        return None;
    }
    let news: Vec<BootRolloutNode> = nodes
        .take(admitted(rollout) as usize)
        .filter(|node| !is_decided(node))
        .filter_map(|node| looked_at(node, rollout, records, now_ms))
        .collect();
    let came_to = |outcome| news.iter().filter(|node| node.outcome() == outcome).count();
    let mut after = rollout.clone();
    after.booted += u32::try_from(came_to(Outcome::Booted)).unwrap_or(u32::MAX);
    after.failed += u32::try_from(came_to(Outcome::Failed)).unwrap_or(u32::MAX);
    let is_current =
        |base: &&BootConfiguration| modified_revision(base.meta.as_ref()) == rollout.base_revision;
    let mut result = None;
    match configuration.filter(is_current) {
        _ if after.failed > rollout.failures_max => {
            let problem = format!(
                "{} nodes failed, {} are allowed: all nodes get what {} says",
                after.failed, rollout.failures_max, rollout.configuration
            );
            stop(&mut after, problem);
        }
        None => {
            let problem = format!("{} was changed or deleted meanwhile", rollout.configuration);
            stop(&mut after, problem);
        }
        Some(base) if is_step_done(&after) => result = begin_step(&mut after, base, now_ms, index),
        Some(_) => {}
    }
    (after != *rollout || !news.is_empty()).then_some(Next {
        rollout: after,
        nodes: news,
        configuration: result,
    })
}

fn stop(rollout: &mut BootRollout, reason: String) {
    rollout.set_state(Stage::Stopped);
    rollout.reason = reason;
}

fn is_step_done(rollout: &BootRollout) -> bool {
    let decided = rollout.booted + rollout.failed + rollout.skipped;
    rollout.state() == Stage::Running && decided >= admitted(rollout)
}

/// The next step; after the last the rollout is over, and what its configuration becomes is given.
fn begin_step(
    rollout: &mut BootRollout,
    base: &BootConfiguration,
    now_ms: u64,
    index: u64,
) -> Option<BootConfiguration> {
    let sizes = sizes(&rollout.steps, rollout.nodes);
    match sizes.into_iter().find(|size| *size > admitted(rollout)) {
        Some(nodes) => {
            rollout.waves.push(RolloutWave {
                nodes,
                revision: index,
                at_ms: now_ms,
            });
            None
        }
        None => {
            rollout.set_state(Stage::Completed);
            Some(changed(base, rollout))
        }
    }
}

/// What is new of a node that is not decided yet.
fn looked_at(
    node: &BootRolloutNode,
    rollout: &BootRollout,
    records: &BootRecords,
    now_ms: u64,
) -> Option<BootRolloutNode> {
    let wave = rollout.waves.iter().find(|wave| wave.nodes > node.place)?;
    let xname: Xname = node.node.parse().ok()?;
    let mut after = node.clone();
    for record in records.by_creation(&xname) {
        let script_ms = script_ms(record, wave.revision);
        if is_home(record, script_ms, wave.revision) {
            after.set_outcome(Outcome::Booted);
            return Some(after);
        }
        if let Some(script_ms) = script_ms.filter(|_| node.first_script_ms == 0) {
            let first = Some(after.first_script_ms).filter(|first| *first > 0);
            after.first_script_ms = first.unwrap_or(script_ms).min(script_ms);
        }
    }
    let deadline_ms = u64::from(rollout.boot_deadline_s) * 1000;
    if after.first_script_ms > 0 && now_ms > after.first_script_ms.saturating_add(deadline_ms) {
        after.set_outcome(Outcome::Failed);
        after.reason = format!(
            "has not phoned home {} s after it first got its script",
            rollout.boot_deadline_s
        );
    }
    (after != *node).then_some(after)
}

/// Whether the node phoned home in this boot with what is new. The timeline may have lost the script, but the node says with
/// its phone-home what its script was made of.
fn is_home(record: &BootRecord, script_ms: Option<u64>, revision: u64) -> bool {
    let knows_script = record.phases.iter().any(|seen| seen.phase() == Phase::Script);
    match script_ms {
        Some(script_ms) => record.phoned_home_at_ms >= script_ms,
        None => !knows_script && record.phoned_home_at_ms > 0 && record.script_revision >= revision,
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
