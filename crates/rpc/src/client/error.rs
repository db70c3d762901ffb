//! What a status says to programs, read once: its details, or its code and metadata where it has none.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::error_details::{OTHER_ID, OTHER_KIND, retry_after_told};
use crate::{ERROR_DOMAIN, OLDEST_REVISION, OUTCOME, REVISION, Reason};

/// One field of a request that was not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldProblem {
    /// Its name, as the request has it.
    pub field: String,
    /// What is wrong, and what is accepted.
    pub description: String,
}

/// Why a call failed, and whether it may be made again.
#[derive(Clone, Debug)]
pub struct ClientError {
    code: Code,
    message: String,
    reason: Reason,
    fields: Vec<FieldProblem>,
    retry_after: Option<Duration>,
    outcome_is_unknown: bool,
    facts: BTreeMap<String, String>,
}

impl ClientError {
    /// Reads what `status` says. One that has no details that can be read, of an older member or of a library, is read by its
    /// code and metadata.
    pub fn of(status: &Status) -> Self {
        let details = status.get_error_details();
        let info = details.error_info().filter(|info| info.domain == ERROR_DOMAIN);
        let told = info.as_ref().and_then(|info| Reason::of_word(&info.reason));
        let reason = told.unwrap_or_else(|| Reason::of_code(status));
        let mut facts: BTreeMap<_, _> = info
            .map(|info| info.metadata.clone())
            .into_iter()
            .flatten()
            .collect();
        for (key, fact) in [(REVISION, "actual"), (OLDEST_REVISION, "oldest")] {
            if let Some(value) = status.metadata().get(key).and_then(|value| value.to_str().ok()) {
                facts.entry(fact.to_owned()).or_insert_with(|| value.to_owned());
            }
        }
        let violations = details.bad_request().map(|bad| bad.field_violations.clone());
        let fields = violations.into_iter().flatten().map(|violation| FieldProblem {
            field: violation.field,
            description: violation.description,
        });
        let delay = details.retry_info().and_then(|info| info.retry_delay);
        Self {
            code: status.code(),
            message: status.message().to_owned(),
            reason,
            fields: fields.collect(),
            retry_after: delay.or_else(|| retry_after_told(status)),
            outcome_is_unknown: status.metadata().contains_key(OUTCOME) || leaves_open(reason),
            facts,
        }
    }

    /// The gRPC code.
    pub fn code(&self) -> Code {
        self.code
    }

    /// Why, in one word.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// The words for people.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The fields that are not accepted; none but of [`Reason::InvalidField`].
    pub fn fields(&self) -> &[FieldProblem] {
        &self.fields
    }

    /// When a repeat makes sense, if the member said so.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// What kind of object it is about, if it is about one.
    pub fn kind(&self) -> Option<&str> {
        self.fact("kind")
    }

    /// Which object it is about, if it is about one.
    pub fn id(&self) -> Option<&str> {
        self.fact("id")
    }

    /// Of a change that was tried out: kind and id of the other object that it is refused because of, which is missing or has what
    /// this one wants. Older members do not say it.
    pub fn other(&self) -> Option<(&str, &str)> {
        self.fact(OTHER_KIND).zip(self.fact(OTHER_ID))
    }

    /// Of [`Reason::RevisionMismatch`]: the revision that the object is at.
    pub fn revision(&self) -> Option<u64> {
        self.fact("actual")?.parse().ok()
    }

    /// Of [`Reason::Compacted`]: the smallest revision that a watch can go on from.
    pub fn oldest_revision(&self) -> Option<u64> {
        self.fact("oldest")?.parse().ok()
    }

    /// Anything that `ErrorInfo` has under this key; the reasons have theirs in `proto/README.md`.
    pub fn fact(&self, key: &str) -> Option<&str> {
        self.facts.get(key).map(String::as_str)
    }

    /// Whether a change may have been made although the call failed. Read back before you repeat it; a read may be repeated.
    pub fn outcome_is_unknown(&self) -> bool {
        self.outcome_is_unknown
    }

    /// Whether the same request may be sent again, whatever it is: nothing was changed, and another attempt may fare better.
    pub fn is_safe_to_retry(&self) -> bool {
        let passes = matches!(
            self.reason,
            Reason::NoQuorum | Reason::NotReady | Reason::Overloaded
        );
        passes && !self.outcome_is_unknown
    }
}

impl From<Status> for ClientError {
    fn from(status: Status) -> Self {
        Self::of(&status)
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.message.as_str() {
            "" => write!(f, "the cluster answered {} without a reason", self.reason),
            message => f.write_str(message),
        }
    }
}

impl std::error::Error for ClientError {}

/// A deadline of the caller's own library, an answer that was broken off, and a member that failed say nothing about what was done.
fn leaves_open(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::OutcomeUnknown
            | Reason::DeadlineExceeded
            | Reason::Cancelled
            | Reason::Storage
            | Reason::Internal
    )
}

#[cfg(test)]
mod tests {
    use tonic_types::ErrorDetails;

    use super::*;
    use crate::{Error, invalid};

    fn of(error: Error) -> ClientError {
        ClientError::of(&Status::from(error))
    }

    /// The same error of a member that knows no details.
    fn without_details(error: Error) -> ClientError {
        let status = Status::from(error);
        let (code, metadata) = (status.code(), status.metadata().clone());
        ClientError::from(Status::with_metadata(code, status.message(), metadata))
    }

    #[test]
    fn what_is_wrong_is_named_by_field() {
        let error = of(invalid("nid", "7 is x1's"));
        assert_eq!(error.reason(), Reason::InvalidField);
        let expected = FieldProblem {
            field: "nid".into(),
            description: "7 is x1's".into(),
        };
        assert_eq!(error.fields(), [expected]);
        assert_eq!(error.to_string(), "nid: 7 is x1's");
        assert!(!error.is_safe_to_retry() && !error.outcome_is_unknown());
    }

    #[test]
    fn the_object_and_its_revision_are_told() {
        let missing = of(Error::NotFound {
            kind: "group".into(),
            id: "compute".into(),
        });
        assert_eq!((missing.kind(), missing.id()), (Some("group"), Some("compute")));
        let stale = || Error::RevisionMismatch {
            id: "x0".into(),
            expected: 1,
            actual: 7,
        };
        assert_eq!((of(stale()).id(), of(stale()).revision()), (Some("x0"), Some(7)));
        assert_eq!(without_details(stale()).revision(), Some(7));
        assert_eq!(of(Error::Compacted { oldest: 40 }).oldest_revision(), Some(40));
    }

    #[test]
    fn the_object_that_stands_in_the_way_is_told() {
        let plain = || invalid("members.ids", "there is no x0");
        let refused = of(Error::OfAnother {
            error: Box::new(plain()),
            kind: "component".into(),
            id: "x0".into(),
        });
        assert_eq!(refused.other(), Some(("component", "x0")));
        assert_eq!((refused.kind(), refused.id()), (None, None));
        assert_eq!(refused.fields(), of(plain()).fields());
        assert_eq!(of(plain()).other(), None);
    }

    /// A client that repeats by itself goes by this alone, whichever version the member is of.
    #[test]
    fn only_what_changed_nothing_and_passes_is_safe_to_repeat() {
        let retry_after = Duration::from_secs(2);
        let table = [
            (Error::NoQuorum { retry_after }, true, false),
            (
                Error::Overloaded {
                    what: "watches".into(),
                    retry_after,
                },
                true,
                false,
            ),
            (Error::OutcomeUnknown, false, true),
            (Error::DeadlineExceeded { after: retry_after }, false, true),
            (Error::SessionExpired, false, false),
            (Error::Internal("a bug".into()), false, true),
            (Error::Denied { reason: "no".into() }, false, false),
        ];
        for (error, is_safe, is_unknown) in table {
            let name = error.to_string();
            let old = Status::from(error);
            let new = ClientError::of(&old);
            let old = ClientError::from(Status::with_metadata(
                old.code(),
                old.message(),
                old.metadata().clone(),
            ));
            for told in [new, old] {
                assert_eq!(told.is_safe_to_retry(), is_safe, "{name}");
                assert_eq!(told.outcome_is_unknown(), is_unknown, "{name}");
            }
        }
        let passes = Error::NoQuorum { retry_after };
        assert_eq!(without_details(passes).retry_after(), Some(retry_after));
    }

    /// A reason that this client does not know must not read as one that it does.
    #[test]
    fn what_others_say_is_read_by_its_code() {
        for (domain, word) in [(ERROR_DOMAIN, "OF_A_NEWER_MEMBER"), ("example.com", "NO_QUORUM")] {
            let details = ErrorDetails::with_error_info(word, domain, std::collections::HashMap::new());
            let status = Status::with_error_details(Code::PermissionDenied, "no", details);
            assert_eq!(ClientError::of(&status).reason(), Reason::PermissionDenied);
        }
        let damaged = Status::with_details(Code::NotFound, "x", bytes::Bytes::from_static(b"\xff\xff"));
        assert_eq!(ClientError::of(&damaged).reason(), Reason::NotFound);
        let silent = ClientError::of(&Status::new(Code::NotFound, ""));
        assert_eq!(
            silent.to_string(),
            "the cluster answered NOT_FOUND without a reason"
        );
    }
}
