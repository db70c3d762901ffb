//! How long is waited for what.

use std::time::Duration;

use redfish::ResetType;

use crate::plan::{Goal, Grace};

/// Waits of a transition.
#[derive(Clone, Debug)]
pub(crate) struct Times {
    /// Before the first look at what came of a reset: some BMCs tell the old state for a moment.
    pub(crate) poll_first: Duration,
    /// Between looks, once it has taken a while.
    pub(crate) poll_most: Duration,
    /// For what takes no decision of an operating system: switching on, forced off, a restart's answer.
    pub(crate) switching: Duration,
    /// Before something that the cluster's log did not take is tried again.
    pub(crate) log_again: Duration,
}

impl Default for Times {
    fn default() -> Times {
        Times {
            poll_first: Duration::from_secs(1),
            poll_most: Duration::from_secs(5),
            switching: Duration::from_secs(180),
            log_again: Duration::from_secs(1),
        }
    }
}

impl Times {
    /// How long reading back may take after a reset, or, without one, of what is on its way already; `None`: without end.
    pub(crate) fn wait(&self, reset: Option<ResetType>, goal: Goal, grace: Grace) -> Option<Duration> {
        let asks_the_system = matches!(
            reset,
            None | Some(
                ResetType::GracefulShutdown | ResetType::GracefulRestart | ResetType::PushPowerButton
            )
        );
        match grace {
            Grace::Endless if asks_the_system && goal == Goal::Off => None,
            Grace::Until(grace) if asks_the_system && goal != Goal::On => Some(grace),
            // an early deadline forces; it does not make a forced switch fail sooner
            Grace::AtOnce | Grace::Until(_) | Grace::Endless => Some(self.switching),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// For machines that switch at once.
    pub(crate) fn fast() -> Times {
        let ms = Duration::from_millis;
        Times {
            poll_first: ms(5),
            poll_most: ms(20),
            switching: ms(400),
            log_again: ms(5),
        }
    }

    #[test]
    fn only_what_asks_the_system_has_the_deadline_of_the_request() {
        let times = Times::default();
        let hour = Duration::from_secs(3600);
        let asks = [
            None,
            Some(ResetType::GracefulShutdown),
            Some(ResetType::PushPowerButton),
        ];
        for reset in asks {
            let wait = |grace| times.wait(reset, Goal::Off, grace);
            assert_eq!(wait(Grace::Until(hour)), Some(hour));
            assert_eq!(wait(Grace::Endless), None);
            assert_eq!(wait(Grace::AtOnce), Some(times.switching));
        }
        for grace in [Grace::AtOnce, Grace::Until(hour), Grace::Endless] {
            for (reset, goal) in [
                (ResetType::ForceOff, Goal::Off),
                (ResetType::On, Goal::On),
                (ResetType::PushPowerButton, Goal::On),
                (ResetType::ForceRestart, Goal::Restarted),
            ] {
                assert_eq!(times.wait(Some(reset), goal, grace), Some(times.switching));
            }
        }
    }

    /// A restart without an answer shows nothing for ever, so somebody must stop looking.
    #[test]
    fn a_restart_is_never_waited_for_without_end() {
        let times = Times::default();
        let wait = times.wait(Some(ResetType::GracefulRestart), Goal::Restarted, Grace::Endless);
        assert_eq!(wait, Some(times.switching));
    }
}
