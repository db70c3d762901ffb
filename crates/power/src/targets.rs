//! The targets of a transition, in the order in which they are told: by BMC, because the nodes of one share its connection.

use std::collections::BTreeMap;

use bmcs::Bmcs;
use jobs::{JobKind, Outcome};
use model::Xname;
use proto::job::v1::job_target::State as TargetState;
use proto::job::v1::{Job, JobTarget, job};
use state::State;

/// A node that a BMC can switch.
#[derive(Clone, Debug)]
pub(crate) struct Switchable {
    pub(crate) place: u32,
    pub(crate) node: Xname,
    /// URI of its system.
    pub(crate) system: String,
    pub(crate) known_resets: Vec<String>,
    /// What another member had told it, which is gone; `None`: it waits.
    pub(crate) begun: Option<String>,
}

/// Where a target is.
pub(crate) enum Placed {
    /// Behind this BMC, which this member reaches.
    Here(Xname, Switchable),
    /// Behind a BMC that others reach.
    Elsewhere(Xname),
    /// Nothing that a BMC switches.
    Nowhere(Outcome),
}

/// The targets of a job by BMC, what cannot be switched at all, and the BMCs that this member does not reach.
#[derive(Default)]
pub(crate) struct ByBmc {
    pub(crate) here: BTreeMap<Xname, Vec<Switchable>>,
    pub(crate) nowhere: Vec<(u32, Outcome)>,
    pub(crate) elsewhere: Vec<Xname>,
}

impl ByBmc {
    pub(crate) fn of(bmcs: &Bmcs, targets: &[JobTarget]) -> ByBmc {
        let mut by_bmc = ByBmc::default();
        for target in targets {
            match place(bmcs, target) {
                Placed::Here(bmc, node) => by_bmc.here.entry(bmc).or_default().push(node),
                Placed::Elsewhere(bmc) => by_bmc.elsewhere.push(bmc),
                Placed::Nowhere(outcome) => by_bmc.nowhere.push((target.place, outcome)),
            }
        }
        by_bmc
    }
}

/// Whether a target still is to be worked on.
pub(crate) fn is_open(target: &JobTarget) -> bool {
    matches!(target.state(), TargetState::Waiting | TargetState::Running)
}

pub(crate) fn place(bmcs: &Bmcs, target: &JobTarget) -> Placed {
    let node = match target.target.parse::<Xname>() {
        Ok(node) => node,
        Err(problem) => {
            return Placed::Nowhere(Outcome::failed(
                problem.to_string(),
                "name components by their xnames",
            ));
        }
    };
    if !node.is_node() {
        return Placed::Nowhere(Outcome::Unsupported(format!(
            "a {} has no system of its own to switch; name the nodes in it",
            node.hms_type()
        )));
    }
    let system = match bmcs.system_of(&node) {
        Ok(system) => system,
        Err(error) => return Placed::Nowhere(Outcome::failed(error.to_string(), "discover its BMC first")),
    };
    match bmcs.address_of(&system.bmc) {
        Ok(address) if !bmcs.reaches(&address) => Placed::Elsewhere(system.bmc),
        Ok(_) => {
            let switchable = Switchable {
                place: target.place,
                node,
                system: system.uri,
                known_resets: system.reset_types,
                begun: (target.state() == TargetState::Running).then(|| target.note.clone()),
            };
            Placed::Here(system.bmc, switchable)
        }
        Err(error) => Placed::Nowhere(Outcome::failed(
            error.to_string(),
            "give its Redfish endpoint an address",
        )),
    }
}

/// Components that an earlier transition is at work on, and which: two at once would undo each other's.
pub(crate) fn busy(state: &State, own: &Job) -> BTreeMap<String, String> {
    let is_earlier = |job: &&std::sync::Arc<Job>| {
        JobKind::of(job) == Some(JobKind::PowerTransition)
            && is_active(job)
            && created_at(job) < created_at(own)
    };
    let mut busy = BTreeMap::new();
    for job in state.jobs.iter().filter(is_earlier) {
        for target in state.jobs.targets(&job.id).filter(|target| is_open(target)) {
            busy.insert(target.target.clone(), job.id.clone());
        }
    }
    busy
}

fn is_active(job: &Job) -> bool {
    matches!(
        job.state(),
        job::State::Waiting | job::State::Running | job::State::Cancelling
    )
}

/// Revision: the order of the log, the same for every member.
pub(crate) fn created_at(job: &Job) -> u64 {
    let created = job.meta.as_ref().and_then(|meta| meta.created.as_ref());
    created.map_or(0, |created| created.revision)
}
