//! Power of the systems behind a BMC, and `ComputerSystem.Reset`.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use serde_json::Value;

use super::answers::Reply;
use super::events;
use super::faults::Fault;
use super::overlay::Bmc;
use super::tree::SystemPlace;

/// Resets that are remembered of each system.
const RESETS_KEPT_MAX: usize = 1000;

/// A system's power, as Redfish's `PowerState` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    /// It runs.
    On,
    /// It does not.
    Off,
    /// It was told to go on.
    PoweringOn,
    /// It was told to go off.
    PoweringOff,
}

impl Power {
    /// Redfish's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Power::On => "On",
            Power::Off => "Off",
            Power::PoweringOn => "PoweringOn",
            Power::PoweringOff => "PoweringOff",
        }
    }

    /// On, or soon.
    fn is_rising(self) -> bool {
        matches!(self, Power::On | Power::PoweringOn)
    }

    /// What comes before it, where a change takes time.
    fn before(self) -> Power {
        if self.is_rising() {
            Power::PoweringOn
        } else {
            Power::PoweringOff
        }
    }
}

/// A change of power.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PowerChange {
    /// The BMC's place in its fleet.
    pub bmc: usize,
    /// The system's place behind its BMC.
    pub system: usize,
    /// The system's URI.
    pub uri: String,
    /// What its power is now.
    pub state: Power,
}

/// Whoever wants to know of changes.
pub(crate) type Callback = Arc<dyn Fn(&PowerChange) + Send + Sync>;

/// One system's power, and what was asked of it.
#[derive(Debug)]
pub(crate) struct SystemPower {
    pub(crate) state: Power,
    /// Counts the orders: a slow change that was overtaken by a newer one ends.
    order: u64,
    pub(crate) resets: Vec<String>,
}

impl SystemPower {
    pub(crate) fn new(state: Power) -> SystemPower {
        SystemPower {
            state,
            order: 0,
            resets: Vec::new(),
        }
    }

    /// As if it had been so for long: nobody is told.
    pub(crate) fn set(&mut self, state: Power) {
        self.order += 1;
        self.state = state;
    }
}

/// Answers a POST to a system's reset target; `None`: the connection ends instead.
pub(crate) fn reset(bmc: &Arc<Bmc>, system: usize, body: &Value) -> Option<Reply> {
    let place = &bmc.tree().places().systems[system];
    let Some(kind) = body.get("ResetType").and_then(Value::as_str) else {
        return Some(Reply::error(
            StatusCode::BAD_REQUEST,
            "Base.1.8.ActionParameterMissing",
            "the action Reset needs the parameter ResetType",
        ));
    };
    let unanswered = bmc.overlay().faults.behaviour(&place.uri, |fault| match fault {
        Fault::ResetUnanswered { done } => Some(*done),
        _ => None,
    });
    if unanswered == Some(false) {
        bmc.overlay().remember_reset(system, kind);
        return None;
    }
    let reply = match order(bmc, system, place, kind) {
        Ok(()) => Reply::empty(StatusCode::NO_CONTENT),
        Err(reply) => reply,
    };
    unanswered.is_none().then_some(reply)
}

/// Carries the reset out, or says why not.
fn order(bmc: &Arc<Bmc>, system: usize, place: &SystemPlace, kind: &str) -> Result<(), Reply> {
    let mut overlay = bmc.overlay();
    overlay.remember_reset(system, kind);
    let is_ignored = overlay
        .faults
        .behaviour(&place.uri, |fault| {
            (*fault == Fault::IgnoresGraceful).then_some(())
        })
        .is_some();
    let delay = overlay.faults.behaviour(&place.uri, |fault| match fault {
        Fault::SlowPower(delay) => Some(*delay),
        _ => None,
    });
    let is_allowed = place.reset_types.is_empty() || place.reset_types.iter().any(|allowed| allowed == kind);
    let now = overlay.power[system].state;
    let steps = is_allowed.then(|| steps(kind, now, is_ignored)).flatten();
    let steps = steps.ok_or_else(|| refused(kind, now))?;
    if steps.is_empty() {
        return Ok(());
    }
    overlay.power[system].order += 1;
    let number = overlay.power[system].order;
    drop(overlay);
    let change = Change {
        bmc: Arc::clone(bmc),
        system,
        number,
    };
    match delay {
        None => steps.iter().for_each(|state| change.to(*state)),
        Some(delay) => drop(tokio::spawn(change.slowly(steps, delay))), // it ends after as many delays as steps
    }
    Ok(())
}

/// The states that a reset leads to, in order; `None`: it cannot be done.
fn steps(kind: &str, now: Power, is_ignored: bool) -> Option<Vec<Power>> {
    let on = now.is_rising();
    Some(match kind {
        "On" | "ForceOn" if on => vec![],
        "On" | "ForceOn" => vec![Power::On],
        "ForceOff" | "GracefulShutdown" if !on => vec![],
        "ForceOff" => vec![Power::Off],
        "ForceRestart" | "PowerCycle" if on => vec![Power::Off, Power::On],
        "GracefulShutdown" | "GracefulRestart" | "PushPowerButton" if on && is_ignored => vec![],
        "GracefulShutdown" => vec![Power::Off],
        "GracefulRestart" if on => vec![Power::Off, Power::On],
        "PushPowerButton" if on => vec![Power::Off],
        "PushPowerButton" => vec![Power::On],
        "Nmi" if on => vec![],
        _ => return None,
    })
}

fn refused(kind: &str, now: Power) -> Reply {
    let text = format!(
        "ResetType {kind} is not supported while the system is {}",
        now.as_str()
    );
    Reply::error(
        StatusCode::BAD_REQUEST,
        "Base.1.8.ActionParameterNotSupported",
        &text,
    )
}

/// An order that is being carried out.
struct Change {
    bmc: Arc<Bmc>,
    system: usize,
    number: u64,
}

impl Change {
    async fn slowly(self, steps: Vec<Power>, delay: Duration) {
        for state in steps {
            self.to(state.before());
            tokio::time::sleep(delay).await;
            self.to(state);
        }
    }

    /// Sets the state and tells it, unless a newer order came.
    fn to(&self, state: Power) {
        let mut overlay = self.bmc.overlay();
        let power = &mut overlay.power[self.system];
        if power.order != self.number || power.state == state {
            return;
        }
        power.state = state;
        let change = PowerChange {
            bmc: self.bmc.number(),
            system: self.system,
            uri: self.bmc.tree().places().systems[self.system].uri.clone(),
            state,
        };
        events::tell(&mut overlay.streams, &change);
        drop(overlay);
        self.bmc.call_back(&change);
    }
}

impl super::overlay::Overlay {
    fn remember_reset(&mut self, system: usize, kind: &str) {
        let resets = &mut self.power[system].resets;
        if resets.len() < RESETS_KEPT_MAX {
            resets.push(kind.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reset_leads_where_redfish_says() {
        use Power::{Off, On};
        for (kind, from_on, from_off) in [
            ("On", Some(vec![]), Some(vec![On])),
            ("ForceOn", Some(vec![]), Some(vec![On])),
            ("ForceOff", Some(vec![Off]), Some(vec![])),
            ("GracefulShutdown", Some(vec![Off]), Some(vec![])),
            ("ForceRestart", Some(vec![Off, On]), None),
            ("GracefulRestart", Some(vec![Off, On]), None),
            ("PowerCycle", Some(vec![Off, On]), None),
            ("PushPowerButton", Some(vec![Off]), Some(vec![On])),
            ("Nmi", Some(vec![]), None),
            ("Explode", None, None),
        ] {
            assert_eq!(steps(kind, On, false), from_on, "{kind}");
            assert_eq!(steps(kind, Off, false), from_off, "{kind}");
        }
    }

    /// An operating system that hangs does not react to its power button, and to force it does.
    #[test]
    fn graceful_may_be_ignored_and_force_is_not() {
        for kind in ["GracefulShutdown", "GracefulRestart", "PushPowerButton"] {
            assert_eq!(steps(kind, Power::On, true), Some(vec![]), "{kind}");
        }
        for kind in ["ForceOff", "ForceRestart", "PowerCycle"] {
            assert_eq!(
                steps(kind, Power::On, true),
                steps(kind, Power::On, false),
                "{kind}"
            );
        }
        assert_eq!(steps("PushPowerButton", Power::Off, true), Some(vec![Power::On]));
    }

    /// A system on its way is treated as what it will be.
    #[test]
    fn what_is_on_its_way_counts_as_arrived() {
        assert_eq!(steps("On", Power::PoweringOn, false), Some(vec![]));
        assert_eq!(steps("On", Power::PoweringOff, false), Some(vec![Power::On]));
        assert_eq!(steps("ForceOff", Power::PoweringOff, false), Some(vec![]));
        assert_eq!(
            (Power::On.before(), Power::Off.before()),
            (Power::PoweringOn, Power::PoweringOff)
        );
    }
}
