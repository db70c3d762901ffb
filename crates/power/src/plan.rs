//! What to tell a BMC so that a node comes where an operation wants it: by the power state that it says now, and the resets
//! that it offers. Pure, and the only place that knows what an operation means.

use std::time::Duration;

use redfish::ResetType;

use crate::operation::{self, Operation};

/// How long a graceful shutdown may take where the request does not say. Source: PCS, `taskDeadlineMinutes`.
const GRACE_DEFAULT_MINUTES: u64 = 5;

/// Power state of a system, as its BMC says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Power {
    On,
    Off,
    PoweringOn,
    PoweringOff,
    /// It does not say, or says what is no power state.
    Unknown,
}

/// How long a graceful shutdown may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grace {
    /// It is not tried where force is allowed.
    AtOnce,
    /// Force comes after this.
    Until(Duration),
    /// Force never comes.
    Endless,
}

/// What reading back must show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    On,
    Off,
    /// It is on, and was not all the time.
    Restarted,
}

/// One thing to do, and what must come of it before the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// What the BMC is told; `None`: nothing, it is on its way already.
    pub(crate) reset: Option<ResetType>,
    pub(crate) goal: Goal,
    /// What it is told if the goal is not reached in time, or the reset is refused.
    pub(crate) forced: Option<ResetType>,
}

/// What an operation means for a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// It is where it should be.
    Nothing(Goal),
    /// In this order; one at least.
    Steps(Vec<Step>),
    /// It makes no sense in this state; why.
    Refused(&'static str),
    /// The BMC does not offer what it needs; what that is.
    Unsupported(String),
}

impl Power {
    /// Source: DSP2046, `ComputerSystem.PowerState`. What is paused has power.
    pub(crate) fn of(redfish: &str) -> Power {
        match redfish {
            "On" | "Paused" => Power::On,
            "Off" => Power::Off,
            "PoweringOn" => Power::PoweringOn,
            "PoweringOff" => Power::PoweringOff,
            _ => Power::Unknown,
        }
    }

    /// As PCS says it.
    pub(crate) fn pcs_name(self) -> &'static str {
        match self {
            Power::On | Power::PoweringOff => "on",
            Power::Off | Power::PoweringOn => "off",
            Power::Unknown => "undefined",
        }
    }
}

impl Grace {
    /// Of `PowerTransition.task_deadline_minutes`.
    pub(crate) fn of(minutes: Option<i32>) -> Grace {
        match minutes {
            None => Grace::Until(Duration::from_secs(60 * GRACE_DEFAULT_MINUTES)),
            Some(0) => Grace::AtOnce,
            Some(minutes) => match u64::try_from(minutes) {
                Ok(minutes) => Grace::Until(Duration::from_secs(60 * minutes)),
                Err(_) => Grace::Endless,
            },
        }
    }
}

impl Step {
    fn tell(reset: ResetType, goal: Goal) -> Step {
        Step {
            reset: Some(reset),
            goal,
            forced: None,
        }
    }

    fn wait(goal: Goal) -> Step {
        Step {
            reset: None,
            goal,
            forced: None,
        }
    }

    fn or_force(self, forced: Option<ResetType>) -> Step {
        Step { forced, ..self }
    }
}

/// What to do with a system in state `power` that offers the resets `offered`; none: it does not say which.
pub(crate) fn plan(operation: Operation, power: Power, offered: &[String], grace: Grace) -> Plan {
    let offers = Offers { offered, power };
    let steps = match (operation, power) {
        (Operation::On, Power::On) => return Plan::Nothing(Goal::On),
        (Operation::Off | Operation::SoftOff | Operation::ForceOff, Power::Off) => {
            return Plan::Nothing(Goal::Off);
        }
        (Operation::SoftRestart | Operation::HardRestart, Power::Off | Power::PoweringOff) => {
            return Plan::Refused("it is off, and a restart is for what is on; use On or Init");
        }
        (Operation::On, _) | (Operation::Init, Power::Off) => offers.on(),
        (Operation::Off, _) => offers.off(grace).map(one),
        (Operation::SoftOff, _) => offers.soft_off().map(one),
        (Operation::ForceOff, _) => offers.need(&[ResetType::ForceOff], Goal::Off).map(one),
        (Operation::SoftRestart, _) => offers.soft_restart(),
        (Operation::HardRestart, _) => offers.hard_restart(),
        (Operation::Init, _) => offers.init(grace),
        (Operation::Unspecified, _) => return Plan::Refused("no operation is given"),
    };
    match steps {
        Ok(steps) => Plan::Steps(steps),
        Err(needed) => {
            let (name, offered) = (operation::name(operation), offered.join(", "));
            Plan::Unsupported(format!("{name} needs {needed}, and the BMC offers {offered}"))
        }
    }
}

/// Names of the operations that a system has something for that offers these resets.
pub(crate) fn supported(offered: &[String]) -> Vec<String> {
    let is_possible = |operation: &Operation| {
        let power = match operation {
            Operation::On => Power::Off,
            _ => Power::On,
        };
        matches!(plan(*operation, power, offered, Grace::of(None)), Plan::Steps(_))
    };
    let possible = operation::ALL.into_iter().filter(is_possible);
    possible
        .map(|operation| operation::name(operation).to_owned())
        .collect()
}

fn one(step: Step) -> Vec<Step> {
    vec![step]
}

/// What a system offers; what is needed and is not there is the error.
struct Offers<'a> {
    offered: &'a [String],
    power: Power,
}

impl Offers<'_> {
    /// A BMC that does not say what it offers is asked for what every BMC has; a button is pressed only where there is one and
    /// the state is known: it toggles, and would do the opposite.
    fn has(&self, reset: ResetType) -> bool {
        let is_certain = matches!(self.power, Power::On | Power::Off);
        match reset {
            ResetType::PushPowerButton if !is_certain => false,
            ResetType::PushPowerButton => self.offered.iter().any(|offered| offered == reset.as_str()),
            _ => self.offered.is_empty() || self.offered.iter().any(|offered| offered == reset.as_str()),
        }
    }

    /// The first of these that there is.
    fn need(&self, resets: &[ResetType], goal: Goal) -> Result<Step, String> {
        match resets.iter().find(|reset| self.has(**reset)) {
            Some(reset) => Ok(Step::tell(*reset, goal)),
            None => {
                let needed: Vec<&str> = resets.iter().map(|reset| reset.as_str()).collect();
                Err(needed.join(" or "))
            }
        }
    }

    fn switch_on(&self) -> Result<Step, String> {
        let by = [ResetType::On, ResetType::ForceOn];
        match self.power {
            Power::Off if self.has(ResetType::PushPowerButton) => {
                self.need(&[by[0], by[1], ResetType::PushPowerButton], Goal::On)
            }
            _ => self.need(&by, Goal::On),
        }
    }

    fn on(&self) -> Result<Vec<Step>, String> {
        match self.power {
            Power::PoweringOn => Ok(vec![Step::wait(Goal::On)]),
            Power::PoweringOff => Ok(vec![Step::wait(Goal::Off), self.switch_on()?]),
            Power::On | Power::Off | Power::Unknown => self.switch_on().map(one),
        }
    }

    fn soft_off(&self) -> Result<Step, String> {
        match self.power {
            Power::PoweringOff => Ok(Step::wait(Goal::Off)),
            Power::On if self.has(ResetType::PushPowerButton) => self.need(
                &[ResetType::GracefulShutdown, ResetType::PushPowerButton],
                Goal::Off,
            ),
            _ => self.need(&[ResetType::GracefulShutdown], Goal::Off),
        }
    }

    fn off(&self, grace: Grace) -> Result<Step, String> {
        let force = ResetType::ForceOff;
        let forced = self.has(force).then_some(force);
        match (self.soft_off(), grace) {
            (_, Grace::AtOnce) if forced.is_some() => self.need(&[force], Goal::Off),
            (Ok(step), Grace::Endless) => Ok(step),
            (Ok(step), _) => Ok(step.or_force(forced)),
            (Err(needed), _) => match forced {
                Some(force) => Ok(Step::tell(force, Goal::Off)),
                None => Err(format!("{needed} or {}", force.as_str())),
            },
        }
    }

    fn soft_restart(&self) -> Result<Vec<Step>, String> {
        if self.has(ResetType::GracefulRestart) {
            return Ok(vec![Step::tell(ResetType::GracefulRestart, Goal::Restarted)]);
        }
        match (self.soft_off(), self.switch_on()) {
            (Ok(off), Ok(on)) => Ok(vec![off, on]),
            _ => Err("GracefulRestart, or GracefulShutdown and On".to_owned()),
        }
    }

    fn hard_restart(&self) -> Result<Vec<Step>, String> {
        let at_once = [ResetType::ForceRestart, ResetType::PowerCycle];
        if let Ok(step) = self.need(&at_once, Goal::Restarted) {
            return Ok(vec![step]);
        }
        match (self.need(&[ResetType::ForceOff], Goal::Off), self.switch_on()) {
            (Ok(off), Ok(on)) => Ok(vec![off, on]),
            _ => Err("ForceRestart, PowerCycle, or ForceOff and On".to_owned()),
        }
    }

    fn init(&self, grace: Grace) -> Result<Vec<Step>, String> {
        match (self.off(grace), self.switch_on()) {
            (Ok(off), Ok(on)) => Ok(vec![off, on]),
            (Err(needed), Ok(_)) => Err(needed),
            (Ok(_), Err(needed)) => Err(needed),
            (Err(off), Err(on)) => Err(format!("{off}, and {on}")),
        }
    }
}

#[cfg(test)]
#[path = "plan_test.rs"]
mod tests;
