//! What can be wrong with a BMC, and where.

use std::time::Duration;

/// Something wrong. The first group spoils answers, of which the last that was set for a URI counts; the others change how the
/// BMC behaves, and all that were set count together.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// Every login is refused with 401.
    Unauthorized,
    /// 503 with Retry-After, so many times; then it answers.
    Busy(u32),
    /// The answer drips: some bytes, then this pause.
    SlowDrip(Duration),
    /// JSON that ends in the middle, as firmware with a full buffer sends it.
    Truncated,
    /// Every value has another type; URIs stay, so that a crawler gets everywhere.
    WrongTypes,
    /// Every second member of each object is missing; URIs stay.
    MissingMembers,
    /// Every collection has itself and its parent as members, and further collections without end.
    LinkLoop,
    /// A body that does not end.
    EndlessBody,
    /// The connection ends instead of an answer.
    ConnectionReset,
    /// There is never an answer, and the connection stays.
    Silent,

    /// A reset is not answered: the connection ends. With `done` it takes place all the same.
    ResetUnanswered {
        /// Whether the BMC did it.
        done: bool,
    },
    /// Graceful shutdowns and restarts are acknowledged, and the operating system ignores them.
    IgnoresGraceful,
    /// Each change of power takes so long.
    SlowPower(Duration),
    /// Each task takes so long.
    SlowTasks(Duration),
    /// Each task ends in an exception.
    TasksFail,
    /// No sessions: only HTTP Basic.
    NoSessions,
}

impl Fault {
    fn spoils_answers(&self) -> bool {
        match self {
            Fault::Unauthorized
            | Fault::Busy(_)
            | Fault::SlowDrip(_)
            | Fault::Truncated
            | Fault::WrongTypes
            | Fault::MissingMembers
            | Fault::LinkLoop
            | Fault::EndlessBody
            | Fault::ConnectionReset
            | Fault::Silent => true,
            Fault::ResetUnanswered { .. }
            | Fault::IgnoresGraceful
            | Fault::SlowPower(_)
            | Fault::SlowTasks(_)
            | Fault::TasksFail
            | Fault::NoSessions => false,
        }
    }
}

/// Faults, each at a URI and everything below it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Faults(Vec<(String, Fault)>);

impl Faults {
    /// Nothing is wrong.
    pub fn none() -> Faults {
        Faults::default()
    }

    /// One fault, everywhere.
    pub fn of(fault: Fault) -> Faults {
        Faults::none().and(fault)
    }

    /// Another one, everywhere.
    #[must_use]
    pub fn and(self, fault: Fault) -> Faults {
        self.and_at("", fault)
    }

    /// Another one, at this URI and below it.
    #[must_use]
    pub fn and_at(mut self, uri: &str, fault: Fault) -> Faults {
        self.0.push((super::tree::normal(uri), fault));
        self
    }

    /// How an answer at `uri` is spoilt; a fault with a number is used up by this.
    pub(crate) fn spoiling(&mut self, uri: &str) -> Option<Fault> {
        let place = self
            .0
            .iter()
            .rposition(|(at, fault)| fault.spoils_answers() && is_below(uri, at))?;
        let fault = self.0[place].1.clone();
        match fault {
            Fault::Busy(0 | 1) => drop(self.0.remove(place)),
            Fault::Busy(times) => self.0[place].1 = Fault::Busy(times - 1),
            _ => {}
        }
        Some(fault)
    }

    /// What the BMC's behaviour at `uri` says, the last that was set first.
    pub(crate) fn behaviour<T>(&self, uri: &str, pick: impl Fn(&Fault) -> Option<T>) -> Option<T> {
        let mut there = self.0.iter().rev().filter(|(at, _)| is_below(uri, at));
        there.find_map(|(_, fault)| pick(fault))
    }
}

fn is_below(uri: &str, at: &str) -> bool {
    uri.strip_prefix(at)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_fault_that_was_set_for_a_uri_counts() {
        let mut faults = Faults::of(Fault::Truncated).and_at("/redfish/v1/Systems/", Fault::WrongTypes);
        assert_eq!(faults.spoiling("/redfish/v1/Systems/1"), Some(Fault::WrongTypes));
        assert_eq!(faults.spoiling("/redfish/v1/Systems"), Some(Fault::WrongTypes));
        assert_eq!(faults.spoiling("/redfish/v1/SystemsToo"), Some(Fault::Truncated));
        assert_eq!(Faults::none().spoiling("/redfish/v1"), None);
    }

    #[test]
    fn busy_is_used_up() {
        let mut faults = Faults::of(Fault::Busy(2));
        let answers: Vec<Option<Fault>> = (0..3).map(|_| faults.spoiling("/redfish/v1")).collect();
        assert_eq!(answers, [Some(Fault::Busy(2)), Some(Fault::Busy(1)), None]);
    }

    /// A BMC can be slow to switch and drip at once.
    #[test]
    fn behaviour_and_spoilt_answers_do_not_hide_each_other() {
        let slow = Duration::from_secs(3);
        let mut faults = Faults::of(Fault::SlowPower(slow))
            .and(Fault::IgnoresGraceful)
            .and(Fault::Truncated);
        let found = faults.behaviour("/redfish/v1/Systems/1", |fault| match fault {
            Fault::SlowPower(delay) => Some(*delay),
            _ => None,
        });
        assert_eq!(found, Some(slow));
        assert_eq!(faults.spoiling("/redfish/v1"), Some(Fault::Truncated));
    }
}
