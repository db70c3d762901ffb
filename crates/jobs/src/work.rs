//! What a member does for a job, and what it may say of a target.

use std::sync::Arc;

use futures::future::BoxFuture;
use proto::job::v1::job_target::State;
use proto::job::v1::{Job, JobTarget};

use crate::{JobKind, Running};

/// Longest reason, remedy or note that is reported, bytes; the rest is cut off.
pub(crate) const TEXT_BYTES_MAX: usize = 1000;

/// One kind of work, as this member does it.
pub trait Work: Send + Sync {
    /// Which jobs it does.
    fn kind(&self) -> JobKind;

    /// Whether this member can do anything for the job, e.g. reaches the networks of `targets`, which wait or were begun. Cheap:
    /// it is asked again and again.
    fn can_run(&self, job: &Job, targets: &[JobTarget]) -> bool;

    /// Does it; the job is ended when this returns, unless it was released. It may be dropped at any await, as soon as the claim
    /// is lost: what is begun in the log is then read back by another member.
    fn run(self: Arc<Self>, job: Running) -> BoxFuture<'static, ()>;
}

/// What became of one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done; what was found or done.
    Succeeded(String),
    /// Not done, and nothing is open.
    Failed {
        /// Why.
        reason: String,
        /// What to do about it.
        remedy: String,
    },
    /// It was told, and nobody knows whether it did it.
    Unknown {
        /// Why.
        reason: String,
        /// What to do about it.
        remedy: String,
    },
    /// Nothing was to do, or it was not begun; why.
    Skipped(String),
    /// It cannot do this; why.
    Unsupported(String),
}

impl Outcome {
    /// That it failed, with the reason and what to do about it.
    pub fn failed(reason: impl Into<String>, remedy: impl Into<String>) -> Outcome {
        Outcome::Failed {
            reason: reason.into(),
            remedy: remedy.into(),
        }
    }

    /// That nobody knows, with the reason and what to do about it.
    pub fn unknown(reason: impl Into<String>, remedy: impl Into<String>) -> Outcome {
        Outcome::Unknown {
            reason: reason.into(),
            remedy: remedy.into(),
        }
    }

    /// The report of it.
    pub(crate) fn into_target(self, place: u32) -> JobTarget {
        let (state, reason, remedy) = match self {
            Outcome::Succeeded(found) => (State::Succeeded, found, String::new()),
            Outcome::Failed { reason, remedy } => (State::Failed, reason, remedy),
            Outcome::Unknown { reason, remedy } => (State::Unknown, reason, remedy),
            Outcome::Skipped(reason) => (State::Skipped, reason, String::new()),
            Outcome::Unsupported(reason) => (State::Unsupported, reason, String::new()),
        };
        JobTarget {
            place,
            state: state.into(),
            reason: cut(reason),
            remedy: cut(remedy),
            ..JobTarget::default()
        }
    }
}

/// A text of a BMC or of an error in one bounded line: a report must not be refused because of it.
pub(crate) fn cut(text: String) -> String {
    if text.len() <= TEXT_BYTES_MAX && !text.contains(char::is_control) {
        return text;
    }
    let mut line: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let end = (0..=TEXT_BYTES_MAX.min(line.len()))
        .rev()
        .find(|at| line.is_char_boundary(*at));
    line.truncate(end.unwrap_or(0));
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_outcome_has_its_state_and_keeps_its_words() {
        let cases = [
            (
                Outcome::Succeeded("2 systems".into()),
                State::Succeeded,
                "2 systems",
                "",
            ),
            (
                Outcome::failed("no route", "check"),
                State::Failed,
                "no route",
                "check",
            ),
            (
                Outcome::unknown("no answer", "look"),
                State::Unknown,
                "no answer",
                "look",
            ),
            (Outcome::Skipped("is on".into()), State::Skipped, "is on", ""),
            (
                Outcome::Unsupported("no reset".into()),
                State::Unsupported,
                "no reset",
                "",
            ),
        ];
        for (outcome, state, reason, remedy) in cases {
            let target = outcome.into_target(7);
            assert_eq!((target.place, target.state()), (7, state));
            assert_eq!((target.reason.as_str(), target.remedy.as_str()), (reason, remedy));
        }
    }

    /// What a BMC says may be anything.
    #[test]
    fn a_long_or_broken_text_is_one_bounded_line() {
        assert_eq!(cut("short".into()), "short");
        assert_eq!(cut("two\nlines\u{1b}".into()), "two lines ");
        let long = cut("é".repeat(TEXT_BYTES_MAX));
        assert_eq!(long.len(), TEXT_BYTES_MAX);
        assert_eq!(
            cut(format!("a{}", "é".repeat(TEXT_BYTES_MAX))).len(),
            TEXT_BYTES_MAX - 1
        );
    }
}
