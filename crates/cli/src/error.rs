//! Errors of the command line: what happened, what to do, and the exit code that scripts see.

use std::fmt;

use rpc::client::ClientError;
use tonic::{Code, Status};

/// Why a command failed.
#[derive(Debug)]
pub struct CliError {
    kind: Kind,
    text: String,
    remedy: Option<String>,
    missing: Option<Missing>,
}

/// What the cluster has not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Missing {
    /// The cluster's word for its kind, e.g. `group`.
    pub(crate) kind: String,
    /// What it was asked for by.
    pub(crate) id: String,
}

/// The class of a failure; each has its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Anything without a class of its own.
    Other = 1,
    /// The command was given something that is not accepted.
    Usage = 2,
    /// What was asked for does not exist.
    NotFound = 3,
    /// It exists already, or changed meanwhile.
    Conflict = 4,
    /// No valid token, or not enough rights.
    Denied = 5,
    /// No member can be reached, or no majority.
    Unavailable = 6,
    /// Of several things some failed; the rest was done.
    Partly = 7,
}

impl CliError {
    /// An error of the given class.
    pub fn new(kind: Kind, text: impl Into<String>) -> Self {
        Self {
            kind,
            text: text.into(),
            remedy: None,
            missing: None,
        }
    }

    /// An error without a class of its own: a step that failed and why.
    pub fn other(step: &str, cause: impl fmt::Display) -> Self {
        Self::new(Kind::Other, format!("{step}: {cause}"))
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn with_remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// What was asked for and does not exist, if the cluster has said so.
    pub(crate) fn missing(&self) -> Option<&Missing> {
        self.missing.as_ref()
    }

    /// Its class.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The exit code of its class.
    pub fn exit_code(&self) -> u8 {
        self.kind as u8
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        match &self.remedy {
            Some(remedy) => write!(f, "\n{remedy}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for CliError {}

impl From<Status> for CliError {
    fn from(status: Status) -> Self {
        let (kind, remedy) = classify(status.code());
        let text = match status.message() {
            "" => format!("the cluster answered {:?} without a reason", status.code()),
            text => text.to_owned(),
        };
        let mut error = Self::new(kind, text);
        error.missing = missing(&status);
        match remedy {
            Some(remedy) => error.with_remedy(remedy),
            None => error,
        }
    }
}

fn missing(status: &Status) -> Option<Missing> {
    if status.code() != Code::NotFound {
        return None;
    }
    let told = ClientError::of(status);
    Some(Missing {
        kind: told.kind()?.to_owned(),
        id: told.id()?.to_owned(),
    })
}

/// Whether the same call may fare better in a moment.
pub(crate) fn is_passing(status: &Status) -> bool {
    classify(status.code()).0 == Kind::Unavailable
}

/// Class and remedy of a gRPC code; no `_` arm, so that a new code needs a decision.
fn classify(code: Code) -> (Kind, Option<&'static str>) {
    match code {
        Code::InvalidArgument | Code::OutOfRange => (Kind::Usage, None),
        Code::NotFound => (Kind::NotFound, None),
        Code::AlreadyExists | Code::Aborted | Code::FailedPrecondition => (Kind::Conflict, None),
        Code::Unauthenticated => (
            Kind::Denied,
            Some(
                "`chamois login`, or set CHAMOIS_TOKEN or --token-file to a token that has not expired; `chamois init` writes the first one, `chamois token issue` the next.",
            ),
        ),
        Code::PermissionDenied => (
            Kind::Denied,
            Some(
                "`chamois policy explain me PERMISSION` says why; an administrator's token may do everything.",
            ),
        ),
        Code::Unavailable => (
            Kind::Unavailable,
            Some("Try again; `chamois cluster status` shows which members are there."),
        ),
        Code::DeadlineExceeded => (
            Kind::Unavailable,
            Some("No answer in time; --timeout sets it, `chamois cluster status` shows the members."),
        ),
        Code::Unimplemented => (
            Kind::Other,
            Some("That member does not know this request; is it an older version?"),
        ),
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::ResourceExhausted
        | Code::Internal
        | Code::DataLoss => (Kind::Other, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scripts branch on these numbers: they never change.
    #[test]
    fn every_class_has_its_exit_code() {
        for (status, code) in [
            (Status::internal("x"), 1),
            (Status::invalid_argument("x"), 2),
            (Status::not_found("x"), 3),
            (Status::already_exists("x"), 4),
            (Status::aborted("x"), 4),
            (Status::failed_precondition("x"), 4),
            (Status::unauthenticated("x"), 5),
            (Status::permission_denied("x"), 5),
            (Status::unavailable("x"), 6),
            (Status::deadline_exceeded("x"), 6),
        ] {
            assert_eq!(CliError::from(status.clone()).exit_code(), code, "{status:?}");
        }
    }

    #[test]
    fn some_failures_of_many_have_a_code_of_their_own() {
        assert_eq!(CliError::new(Kind::Partly, "2 of 200 failed").exit_code(), 7);
    }

    #[test]
    fn a_bad_token_says_where_a_good_one_comes_from() {
        let text = CliError::from(Status::unauthenticated("the token has expired")).to_string();
        assert!(text.contains("the token has expired"), "{text}");
        assert!(
            text.contains("CHAMOIS_TOKEN") && text.contains("chamois token issue"),
            "{text}"
        );
    }

    #[test]
    fn an_empty_message_still_says_something() {
        assert!(
            CliError::from(Status::internal(""))
                .to_string()
                .contains("Internal")
        );
    }
}
