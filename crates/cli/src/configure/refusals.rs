//! Credentials that a member refuses while a watch goes on: a token has ended, and whoever renews it may be a moment late.

use std::time::Duration;

use tokio::time::Instant;
use tonic::{Code, Status};

/// Pause before the first attempt with credentials that are read again, doubled with each: longer than what was read from a file is
/// kept (a second).
const PAUSE: Duration = Duration::from_secs(2);
/// Attempts in a row until nobody renews them any more: a minute.
const ATTEMPTS_MAX: u32 = 5;

/// How often in a row, and when to try again. By default nothing is tried again.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    attempts_max: u32,
    attempts: u32,
    again_at: Option<Instant>,
}

impl Refusals {
    /// Those that somebody may end by renewing the credentials.
    pub(super) fn that_pass() -> Self {
        Self {
            attempts_max: ATTEMPTS_MAX,
            ..Self::default()
        }
    }

    /// Whether to try again after `status`, which was said at `now`: at [`Refusals::again_at`].
    pub(super) fn may_pass(&mut self, status: &Status, now: Instant) -> bool {
        let may = status.code() == Code::Unauthenticated && self.attempts < self.attempts_max;
        if may {
            self.again_at = Some(now + PAUSE * 2_u32.pow(self.attempts));
            self.attempts += 1;
        }
        may
    }

    /// Not before.
    pub(super) fn again_at(&self) -> Option<Instant> {
        self.again_at
    }

    /// A member has answered: the credentials are good.
    pub(super) fn end(&mut self) {
        self.attempts = 0;
        self.again_at = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pauses until nothing is tried any more.
    fn pauses(refusals: &mut Refusals, status: &Status) -> Vec<u64> {
        let now = Instant::now();
        let mut pauses = Vec::new();
        while refusals.may_pass(status, now) {
            let at = refusals.again_at().expect("it says when");
            pauses.push((at - now).as_secs());
        }
        pauses
    }

    #[test]
    fn an_agent_that_renews_a_token_has_a_minute() {
        let ended = Status::unauthenticated("the token has ended");
        let mut refusals = Refusals::that_pass();
        assert_eq!(pauses(&mut refusals, &ended), [2, 4, 8, 16, 32]);
        assert!(!refusals.may_pass(&ended, Instant::now()));
        refusals.end();
        assert_eq!(refusals.again_at(), None);
        assert_eq!(pauses(&mut refusals, &ended).len(), 5, "the next token ends, too");
    }

    /// No token that is read again gives a right that policies do not.
    #[test]
    fn other_refusals_stay_and_one_answer_is_not_waited_for() {
        let denied = Status::permission_denied("watch.read");
        assert!(pauses(&mut Refusals::that_pass(), &denied).is_empty());
        let ended = Status::unauthenticated("the token has ended");
        assert!(pauses(&mut Refusals::default(), &ended).is_empty());
    }
}
