//! What a BMC says of a system, as SMD's component has it.

use proto::smd::v1::Component;
use proto::smd::v1::component::{Flag, State};

/// What a BMC said of a system.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    /// `PowerState`; empty: nothing.
    pub(crate) power: String,
    /// `Status.Health`; empty: nothing.
    pub(crate) health: String,
}

/// What is to be changed of a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Patch {
    /// `Unspecified`: the state stays.
    pub(crate) state: State,
    pub(crate) flag: Flag,
}

/// What becomes of `component` when its BMC says `now`, having said `before` the last time; `None`: nothing.
///
/// Off is off, whatever the component was. On is only what was off: a node that has booted is Ready, and its BMC knows nothing of
/// that. Flags follow health as it changes, so that what others flag stays.
pub(crate) fn patch(component: &Component, before: Option<&Said>, now: &Said) -> Option<Patch> {
    let state = state_of(component.state(), &now.power);
    let flag = flag_of(before, now);
    if state.is_none() && flag.is_none_or(|flag| flag == component.flag()) {
        return None;
    }
    Some(Patch {
        state: state.unwrap_or(State::Unspecified),
        flag: flag.unwrap_or_else(|| component.flag()),
    })
}

fn state_of(is: State, power: &str) -> Option<State> {
    match (is, power) {
        (State::On | State::Standby | State::Halt | State::Ready, "Off") => Some(State::Off),
        (State::Off, "On") => Some(State::On),
        _ => None,
    }
}

/// `None`: health says nothing new.
fn flag_of(before: Option<&Said>, now: &Said) -> Option<Flag> {
    let before = before.map(|before| before.health.as_str());
    if before == Some(now.health.as_str()) {
        return None;
    }
    match (before, now.health.as_str()) {
        (_, "Critical") => Some(Flag::Alert),
        (_, "Warning") => Some(Flag::Warning),
        (Some("Critical" | "Warning"), "OK") => Some(Flag::Ok),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn component(state: State, flag: Flag) -> Component {
        Component {
            state: state.into(),
            flag: flag.into(),
            ..Component::default()
        }
    }

    fn said(power: &str, health: &str) -> Said {
        Said {
            power: power.to_owned(),
            health: health.to_owned(),
        }
    }

    fn state_after(state: State, power: &str) -> Option<State> {
        patch(&component(state, Flag::Ok), None, &said(power, "OK")).map(|patch| patch.state)
    }

    #[test]
    fn off_is_off() {
        for state in [State::On, State::Standby, State::Halt, State::Ready] {
            assert_eq!(state_after(state, "Off"), Some(State::Off), "{state:?}");
        }
        assert_eq!(state_after(State::Off, "Off"), None);
    }

    /// A node that has booted is more than on.
    #[test]
    fn only_what_was_off_comes_on() {
        assert_eq!(state_after(State::Off, "On"), Some(State::On));
        for state in [
            State::Ready,
            State::Standby,
            State::Halt,
            State::On,
            State::Empty,
            State::Populated,
        ] {
            assert_eq!(state_after(state, "On"), None, "{state:?}");
        }
    }

    #[test]
    fn what_is_on_its_way_or_not_said_changes_nothing() {
        for power in ["PoweringOn", "PoweringOff", "Paused", ""] {
            for state in [State::Off, State::On, State::Ready] {
                assert_eq!(state_after(state, power), None, "{state:?} {power}");
            }
        }
    }

    #[test]
    fn health_is_flagged_when_it_changes() {
        let flag = |before: Option<&str>, now: &str, is: Flag| {
            let before = before.map(|health| said("On", health));
            let patch = patch(&component(State::Ready, is), before.as_ref(), &said("On", now));
            patch.map(|patch| (patch.state, patch.flag))
        };
        let only = |flag: Flag| Some((State::Unspecified, flag));
        assert_eq!(flag(None, "Critical", Flag::Ok), only(Flag::Alert));
        assert_eq!(flag(Some("OK"), "Warning", Flag::Ok), only(Flag::Warning));
        assert_eq!(
            flag(Some("Warning"), "Critical", Flag::Warning),
            only(Flag::Alert)
        );
        assert_eq!(flag(Some("Critical"), "OK", Flag::Alert), only(Flag::Ok));
        assert_eq!(
            flag(Some("Warning"), "Warning", Flag::Ok),
            None,
            "somebody has seen to it"
        );
        assert_eq!(
            flag(None, "OK", Flag::Alert),
            None,
            "somebody else has flagged it"
        );
        assert_eq!(flag(Some("OK"), "", Flag::Ok), None);
    }

    /// A patch with a state alone would make the flag OK.
    #[test]
    fn a_new_state_keeps_the_flag() {
        let warned = component(State::Ready, Flag::Warning);
        let patch = patch(&warned, Some(&said("On", "Warning")), &said("Off", "Warning"));
        let expected = Patch {
            state: State::Off,
            flag: Flag::Warning,
        };
        assert_eq!(patch, Some(expected));
    }
}
