//! What stands in the log of a node before its BMC is told anything: all that whoever takes over has to go by.

use std::fmt;
use std::str::FromStr;

use redfish::ResetType;

use crate::operation::Operation;
use crate::plan::Goal;

/// Bytes of a BMC's text that are kept.
const RESET_TIME_BYTES_MAX: usize = 64;

/// One reset, of which step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) reset: ResetType,
    /// From 1.
    pub(crate) step: usize,
    pub(crate) steps: usize,
    /// `LastResetTime` before it; empty: the BMC has none.
    pub(crate) reset_time: String,
}

impl Note {
    pub(crate) fn new(reset: ResetType, place: usize, steps: usize, reset_time: &str) -> Note {
        let is_kept = reset_time.len() <= RESET_TIME_BYTES_MAX && !reset_time.contains(char::is_whitespace);
        Note {
            reset,
            step: place + 1,
            steps,
            reset_time: if is_kept { reset_time } else { "" }.to_owned(),
        }
    }

    pub(crate) fn is_last(&self) -> bool {
        self.step == self.steps
    }

    /// What must be seen for the reset to have been done.
    pub(crate) fn goal(&self, operation: Operation) -> Goal {
        match self.reset {
            ResetType::On | ResetType::ForceOn => Goal::On,
            ResetType::ForceOff | ResetType::GracefulShutdown => Goal::Off,
            ResetType::PushPowerButton if matches!(operation, Operation::On) => Goal::On,
            // of the others a press that is the last step is one that switches on, as Soft-Off and Off have one step
            ResetType::PushPowerButton if matches!(operation, Operation::Init) && self.is_last() => Goal::On,
            ResetType::PushPowerButton => Goal::Off,
            ResetType::ForceRestart | ResetType::GracefulRestart | ResetType::PowerCycle | ResetType::Nmi => {
                Goal::Restarted
            }
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.reset.as_str(), self.step, self.steps)?;
        match self.reset_time.as_str() {
            "" => Ok(()),
            time => write!(f, " {time}"),
        }
    }
}

impl FromStr for Note {
    type Err = ();

    fn from_str(text: &str) -> Result<Note, ()> {
        let mut words = text.split(' ');
        let reset = words.next().and_then(|word| word.parse().ok()).ok_or(())?;
        let (step, steps) = words.next().and_then(|word| word.split_once('/')).ok_or(())?;
        let (step, steps) = (step.parse().map_err(|_| ())?, steps.parse().map_err(|_| ())?);
        let reset_time = words.next().unwrap_or_default().to_owned();
        Ok(Note {
            reset,
            step,
            steps,
            reset_time,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation;
    use crate::plan::{Grace, Plan, Power, plan};

    #[test]
    fn a_note_is_read_back() {
        for (note, text) in [
            (
                Note::new(ResetType::GracefulShutdown, 0, 2, ""),
                "GracefulShutdown 1/2",
            ),
            (
                Note::new(ResetType::ForceRestart, 0, 1, "2026-11-30T12:00:00Z"),
                "ForceRestart 1/1 2026-11-30T12:00:00Z",
            ),
        ] {
            assert_eq!(note.to_string(), text);
            assert_eq!(text.parse(), Ok(note));
        }
    }

    /// A BMC may say anything; the log keeps little of it.
    #[test]
    fn a_time_that_is_none_is_not_kept() {
        for wrong in ["a b", "a\nb", &"9".repeat(65)] {
            assert_eq!(Note::new(ResetType::On, 0, 1, wrong).reset_time, "");
        }
    }

    #[test]
    fn what_is_no_note_is_none() {
        for wrong in ["", "On", "Nonsense 1/1", "On 1", "On a/1", "On 1/b", " On 1/1"] {
            assert_eq!(wrong.parse::<Note>(), Err(()), "{wrong}");
        }
    }

    /// Whoever takes over looks for the same as whoever began.
    #[test]
    fn the_goal_of_a_note_is_that_of_its_step() {
        let resets = [
            "On",
            "ForceOff",
            "GracefulShutdown",
            "GracefulRestart",
            "ForceRestart",
            "PushPowerButton",
        ];
        for operation in operation::ALL {
            for power in [Power::On, Power::Off] {
                for left_out in 0..resets.len() {
                    let mut offered: Vec<String> = resets.map(str::to_owned).into();
                    offered.remove(left_out);
                    let Plan::Steps(steps) = plan(operation, power, &offered, Grace::of(None)) else {
                        continue;
                    };
                    for (place, step) in steps.iter().enumerate() {
                        let Some(reset) = step.reset else { continue };
                        let note = Note::new(reset, place, steps.len(), "");
                        assert_eq!(note.goal(operation), step.goal, "{operation:?} {power:?} {note}");
                        assert_eq!(note.is_last(), place + 1 == steps.len());
                    }
                }
            }
        }
    }
}
