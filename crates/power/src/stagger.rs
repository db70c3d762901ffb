//! The pause between nodes that are switched on, over all BMCs of a transition.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use redfish::ResetType;
use tokio::time::{Instant, sleep_until};

/// Gives turns, `pause` apart, in the order in which they are asked for.
#[derive(Debug)]
pub(crate) struct Stagger {
    pause: Duration,
    next: Mutex<Option<Instant>>,
}

impl Stagger {
    pub(crate) fn new(pause: Duration) -> Stagger {
        Stagger {
            pause,
            next: Mutex::new(None),
        }
    }

    /// Waits for this node's turn, if `reset` makes it draw the current of one that is switched on. Whether it had to wait.
    pub(crate) async fn turn(&self, reset: ResetType) -> bool {
        if self.pause.is_zero() || !switches_on(reset) {
            return false;
        }
        let now = Instant::now();
        let at = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let at = next.map_or(now, |next| next.max(now));
            *next = Some(at + self.pause);
            at
        };
        sleep_until(at).await;
        at > now
    }
}

fn switches_on(reset: ResetType) -> bool {
    match reset {
        ResetType::On | ResetType::ForceOn | ResetType::PowerCycle | ResetType::PushPowerButton => true,
        ResetType::ForceOff
        | ResetType::GracefulShutdown
        | ResetType::ForceRestart
        | ResetType::GracefulRestart
        | ResetType::Nmi => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_millis(30);

    async fn time_of(stagger: &Stagger, resets: &[ResetType]) -> Duration {
        let begin = Instant::now();
        futures::future::join_all(resets.iter().map(|reset| stagger.turn(*reset))).await;
        begin.elapsed()
    }

    #[tokio::test]
    async fn nodes_that_are_switched_on_come_one_after_the_other() {
        let stagger = Stagger::new(PAUSE);
        let took = time_of(&stagger, &[ResetType::On, ResetType::PowerCycle, ResetType::On]).await;
        assert!(took >= 2 * PAUSE, "{took:?}");
    }

    /// A room is switched off as fast as its BMCs can.
    #[tokio::test]
    async fn what_draws_no_current_waits_for_nobody() {
        let stagger = Stagger::new(Duration::from_secs(3600));
        let resets = [
            ResetType::ForceOff,
            ResetType::GracefulShutdown,
            ResetType::ForceRestart,
        ];
        let took = time_of(&stagger, &resets).await;
        assert!(took < Duration::from_secs(60), "{took:?}");
    }

    #[tokio::test]
    async fn without_a_pause_all_go_at_once() {
        let took = time_of(&Stagger::new(Duration::ZERO), &[ResetType::On; 100]).await;
        assert!(took < Duration::from_secs(60), "{took:?}");
    }

    /// The pause is between two nodes, not owed for the time in which nobody asked.
    #[tokio::test]
    async fn the_first_waits_for_nothing_and_so_does_one_after_a_while() {
        let stagger = Stagger::new(PAUSE);
        assert!(!stagger.turn(ResetType::On).await);
        tokio::time::sleep(3 * PAUSE).await;
        assert!(!stagger.turn(ResetType::On).await);
        assert!(stagger.turn(ResetType::On).await, "at once after another");
    }
}
