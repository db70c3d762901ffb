//! SMD's states of a component and which may follow which.

use std::fmt;
use std::str::FromStr;

use crate::InvalidValue;

/// State of a component. The numbers are those of `chamois.smd.v1.Component.State`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i32)]
pub enum NodeState {
    /// Nothing is known of it.
    Unknown = 1,
    /// The place is not populated.
    Empty = 2,
    /// Something is there; its power state is not tracked.
    Populated = 3,
    /// Powered off.
    Off = 4,
    /// Powered on.
    On = 5,
    /// No longer ready, may become it again.
    Standby = 6,
    /// Shut down.
    Halt = 7,
    /// Up and usable.
    Ready = 8,
}

impl NodeState {
    /// Every state, in the order of the numbers.
    pub const ALL: [NodeState; 8] = [
        NodeState::Unknown,
        NodeState::Empty,
        NodeState::Populated,
        NodeState::Off,
        NodeState::On,
        NodeState::Standby,
        NodeState::Halt,
        NodeState::Ready,
    ];

    /// SMD's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            NodeState::Unknown => "Unknown",
            NodeState::Empty => "Empty",
            NodeState::Populated => "Populated",
            NodeState::Off => "Off",
            NodeState::On => "On",
            NodeState::Standby => "Standby",
            NodeState::Halt => "Halt",
            NodeState::Ready => "Ready",
        }
    }

    /// Whether this state can only be set with `force`, whatever came before.
    pub fn needs_force(self) -> bool {
        matches!(self, NodeState::Unknown | NodeState::Empty | NodeState::Populated)
    }

    /// Whether a component in state `from` may enter this one. `forced` allows every change.
    ///
    /// Source: SMD, PATCH State/Components/{xname}/StateData: the start states of hmsds' UpdateCompStates.
    pub fn may_follow(self, from: NodeState, forced: bool) -> bool {
        use NodeState::{Halt, Off, On, Ready, Standby};
        let start_states: &[NodeState] = match self {
            NodeState::Unknown | NodeState::Empty | NodeState::Populated => &[],
            Off => &[Off, On, Standby, Halt, Ready],
            On => &[On, Off, Standby, Halt],
            Standby => &[Standby, Ready],
            Halt => &[Halt, Ready],
            Ready => &[Ready, On, Off, Standby, Halt],
        };
        forced || start_states.contains(&from)
    }
}

impl fmt::Display for NodeState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for NodeState {
    type Err = InvalidValue;

    /// Any case, as SMD matches its enums.
    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| {
                let names = Self::ALL.map(NodeState::as_str).join(", ");
                InvalidValue::new("a component state", text, format!("write one of {names}"))
            })
    }
}

impl TryFrom<i32> for NodeState {
    type Error = InvalidValue;

    fn try_from(number: i32) -> Result<Self, InvalidValue> {
        Self::ALL
            .into_iter()
            .find(|state| *state as i32 == number)
            .ok_or_else(|| {
                InvalidValue::new(
                    "the number of a component state",
                    &number.to_string(),
                    "1 (Unknown) to 8 (Ready)",
                )
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The whole table, one line per target, columns in the order of `ALL`; `x` marks an allowed start.
    #[test]
    fn transitions_are_exactly_those_of_smd() {
        let table = [
            (NodeState::Unknown, "........"),
            (NodeState::Empty, "........"),
            (NodeState::Populated, "........"),
            (NodeState::Off, "...xxxxx"),
            (NodeState::On, "...xxxx."),
            (NodeState::Standby, ".....x.x"),
            (NodeState::Halt, "......xx"),
            (NodeState::Ready, "...xxxxx"),
        ];
        for (target, row) in table {
            let found: String = NodeState::ALL
                .iter()
                .map(|from| if target.may_follow(*from, false) { 'x' } else { '.' })
                .collect();
            assert_eq!(found, row, "to {target}");
            assert!(
                NodeState::ALL.iter().all(|from| target.may_follow(*from, true)),
                "forced to {target}"
            );
            assert_eq!(target.needs_force(), row == "........");
        }
    }

    #[test]
    fn names_and_numbers_are_read_back() {
        for (position, state) in NodeState::ALL.into_iter().enumerate() {
            assert_eq!(state.to_string().to_uppercase().parse(), Ok(state));
            assert_eq!(
                NodeState::try_from(i32::try_from(position).unwrap() + 1),
                Ok(state)
            );
        }
        assert!(NodeState::try_from(0).is_err() && NodeState::try_from(9).is_err());
        let error = "Booting".parse::<NodeState>().unwrap_err().to_string();
        assert!(
            error.contains("Standby") && error.contains("`Booting`"),
            "{error}"
        );
    }
}
