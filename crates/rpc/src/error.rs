//! Why a request was not honoured, and the one map from that to gRPC codes, metadata and HTTP status.

use std::fmt::Display;
use std::time::Duration;

use model::Rejection;
use tonic::Status;
use tonic::metadata::{Ascii, MetadataKey, MetadataMap, MetadataValue};

use crate::error_details;
use crate::{ETAG, Etag};

/// Metadata of a response or error: the HTTP status that the gateway sends instead of the usual one.
pub const HTTP_STATUS: &str = "http-status";
/// Metadata `http-header-<name>`: the gateway sends it as HTTP header `<name>`.
pub const HTTP_HEADER_PREFIX: &str = "http-header-";
/// Metadata of an error: whole seconds after which a repeat makes sense; the gateway's `Retry-After`.
pub const RETRY_AFTER_S: &str = "retry-after-s";
/// Metadata of [`Error::RevisionMismatch`]: the revision that the object is at.
pub const REVISION: &str = "revision";
/// Metadata of an error after which the caller cannot know whether the change was made.
pub const OUTCOME: &str = "chamois-outcome";
/// Value of [`OUTCOME`].
pub const OUTCOME_UNKNOWN: &str = "unknown";

/// Metadata of [`Error::Compacted`]: the smallest revision that a watch can go on from.
pub const OLDEST_REVISION: &str = "chamois-oldest-revision";

/// Metadata of an error between a handler and the guard, which takes it off: the one stored object that the error tells of, or
/// [`SEVERAL`]. Who may see a part of the system only is told of what is in it.
pub(crate) const SUBJECT: &str = "chamois-subject";
/// Value of [`SUBJECT`] for an error that may tell of more objects than one.
const SEVERAL: &str = "*";
/// Value of [`SUBJECT`] for an error that tells of the request and of no stored object. No object is called so.
pub(crate) const THE_REQUEST: &str = "?";

/// When reading back after [`Error::OutcomeUnknown`] makes sense: an election has ended by then.
const OUTCOME_RETRY_AFTER: Duration = Duration::from_secs(1);
/// Least hint that is sent: `Retry-After: 0` would make every client hammer a cluster in trouble.
const RETRY_AFTER_S_MIN: u64 = 1;

/// Why a request was not honoured. Every service returns this; only this file knows gRPC codes.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A field has a value that is not accepted; `problem` says what is.
    #[error("{field}: {problem}")]
    Invalid {
        /// Field name as the caller writes it.
        field: String,
        /// What is wrong, and what is accepted.
        problem: String,
    },
    /// The object does not exist.
    #[error("no such {kind}: {id}")]
    NotFound {
        /// Kind of object in SMD's or BSS's own words.
        kind: String,
        /// The id that was asked for.
        id: String,
    },
    /// The key is taken.
    #[error("{kind} {id} exists already{}{detail}", if detail.is_empty() { "" } else { ": " })]
    AlreadyExists {
        /// Kind of object.
        kind: String,
        /// Its id.
        id: String,
        /// Names both owners, where two objects claim one value; may be empty.
        detail: String,
    },
    /// The change contradicts what is stored.
    #[error("{detail}")]
    Conflict {
        /// Names both sides and what to do.
        detail: String,
    },
    /// If-Match failed.
    #[error("{id} is at revision {actual}, not {expected}; read it again and repeat the change")]
    RevisionMismatch {
        /// Id of the object.
        id: String,
        /// Revision that the caller expected.
        expected: u64,
        /// Revision that the object is at.
        actual: u64,
    },
    /// The client session has lapsed; a repeat might apply twice, so it is refused.
    #[error("{}", Rejection::SessionExpired)]
    SessionExpired,
    /// Another request was made under the same idempotency key or number.
    #[error("{}", Rejection::RequestDiffers)]
    RequestDiffers,
    /// No or no acceptable credentials.
    #[error("{reason}")]
    Unauthenticated {
        /// What is missing or wrong, without quoting the credential.
        reason: String,
    },
    /// The caller is known and may not do this.
    #[error("{reason}")]
    Denied {
        /// Who may.
        reason: String,
    },
    /// A body, list or packet is over its limit.
    #[error("{what} is larger than the limit of {limit}")]
    TooLarge {
        /// What is too large.
        what: String,
        /// The limit with its unit.
        limit: String,
    },
    /// No majority of members; nothing was changed.
    #[error("no majority of members can be reached; nothing was changed")]
    NoQuorum {
        /// When a repeat makes sense.
        retry_after: Duration,
    },
    /// This member cannot answer yet.
    #[error("this member is not ready: {reason}")]
    NotReady {
        /// When a repeat makes sense.
        retry_after: Duration,
        /// What it waits for.
        reason: String,
    },
    /// The change may or may not have been made.
    #[error("the outcome is not known yet: the change may have been made; read back before you repeat")]
    OutcomeUnknown,
    /// A bound of this member is reached; nothing was changed.
    #[error("too many {what} at once; nothing was changed")]
    Overloaded {
        /// What there is too much of.
        what: String,
        /// When a repeat makes sense.
        retry_after: Duration,
    },
    /// The caller's deadline, or the default one, has passed; a change may still be made.
    #[error("no answer within the deadline of {} ms; a change may still be made", .after.as_millis())]
    DeadlineExceeded {
        /// The deadline.
        after: Duration,
    },
    /// No service here has this method.
    #[error("no such method: {path}")]
    Unimplemented {
        /// `/package.Service/Method`.
        path: String,
    },
    /// The changes that a watch asks for are not kept any more.
    #[error(
        "the changes up to revision {oldest} are not kept any more; begin again with the state (revision 0)"
    )]
    Compacted {
        /// The smallest revision that a watch can go on from.
        oldest: u64,
    },
    /// The caller has the current answer already, by the `If-None-Match` of its request.
    #[error("not modified: {etag} is current")]
    NotModified {
        /// The current ETag.
        etag: Etag,
    },
    /// What the change needs is not switched on in the whole cluster yet.
    #[error("{detail}")]
    FeatureLevel {
        /// Which level is needed, which is set, and how to raise it.
        detail: String,
    },
    /// `error`, because of another object: one that is missing, or that has what this one wants. Only of what is tried out.
    #[error("{error}")]
    OfAnother {
        /// What is told.
        error: Box<Error>,
        /// Kind of the other object, in the words of `NotFound`.
        kind: String,
        /// Its id.
        id: String,
    },
    /// The disk failed; the member ends itself.
    #[error("could not write to or read from this member's disk")]
    Storage(#[source] std::io::Error),
    /// A bug, or something that cannot happen; the text is for the log and the caller alike.
    #[error("internal error: {0}")]
    Internal(String),
}

impl Error {
    /// The status with another HTTP status than the usual one, for a legacy route's quirk.
    pub fn with_http_status(self, http_status: u16) -> Status {
        let mut status = Status::from(self);
        set_http_status(status.metadata_mut(), http_status);
        status
    }

    /// Whether a change may have been made although this error was returned.
    pub fn outcome_is_unknown(&self) -> bool {
        matches!(self, Self::OutcomeUnknown | Self::DeadlineExceeded { .. })
    }
}

impl From<Rejection> for Error {
    fn from(rejection: Rejection) -> Self {
        let text = rejection.to_string();
        match rejection {
            Rejection::Invalid { field, problem } => Self::Invalid { field, problem },
            Rejection::NotFound { kind, id } => Self::NotFound { kind, id },
            Rejection::AlreadyExists { kind, id, detail } => Self::AlreadyExists { kind, id, detail },
            Rejection::Conflict { detail } => Self::Conflict { detail },
            Rejection::RevisionMismatch { id, expected, actual } => {
                Self::RevisionMismatch { id, expected, actual }
            }
            Rejection::SessionExpired => Self::SessionExpired,
            Rejection::RequestDiffers => Self::RequestDiffers,
            Rejection::FeatureLevel { .. } => Self::FeatureLevel { detail: text },
            Rejection::Denied { .. } => Self::Denied { reason: text },
            Rejection::OfAnother { rejection, kind, id } => Self::OfAnother {
                error: Box::new(Self::from(*rejection)),
                kind,
                id,
            },
            Rejection::Bug { detail } => Self::Internal(detail),
        }
    }
}

/// The [`Error::Invalid`] of a field whose text did not parse.
pub fn invalid(field: &str, problem: impl Display) -> Error {
    Error::Invalid {
        field: field.to_owned(),
        problem: problem.to_string(),
    }
}

/// Makes the gateway answer with `http_status`; works on responses and errors.
pub fn set_http_status(metadata: &mut MetadataMap, http_status: u16) {
    metadata.insert(HTTP_STATUS, MetadataValue::from(http_status));
}

/// Says which revision an answer shows, where it does not carry an `ObjectMeta` itself.
pub fn set_etag(metadata: &mut MetadataMap, etag: &Etag) {
    if let Ok(value) = MetadataValue::try_from(etag.to_string()) {
        metadata.insert(ETAG, value);
    }
}

/// Makes the gateway send the HTTP header `name` (lower case); works on responses and errors.
///
/// A name or value that HTTP does not allow is left out: headers here are hints, never the answer itself.
pub fn set_http_header(metadata: &mut MetadataMap, name: &str, value: &str) {
    let key = MetadataKey::<Ascii>::from_bytes(format!("{HTTP_HEADER_PREFIX}{name}").as_bytes());
    match (key, MetadataValue::try_from(value)) {
        (Ok(key), Ok(value)) => {
            metadata.insert(key, value);
        }
        _ => tracing::warn!(
            name,
            "a response header was left out: its name or value is not legal in HTTP"
        ),
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let details = error_details::of(&error);
        error_details::attached(without_details(error), details)
    }
}

/// When a repeat makes sense, in whole seconds, rounded up: a client that comes a moment too early has waited for nothing. Never zero.
pub(crate) fn retry_after(error: &Error) -> Option<Duration> {
    let after = match error {
        Error::NoQuorum { retry_after }
        | Error::NotReady { retry_after, .. }
        | Error::Overloaded { retry_after, .. } => *retry_after,
        Error::OutcomeUnknown => OUTCOME_RETRY_AFTER,
        _ => return None,
    };
    let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
    Some(Duration::from_secs(seconds.max(RETRY_AFTER_S_MIN)))
}

/// Code, words and metadata.
fn without_details(error: Error) -> Status {
    let text = error.to_string();
    let retry_after = retry_after(&error);
    let status = coded(error, text);
    match retry_after {
        Some(after) => with_retry(status, after),
        None => status,
    }
}

/// No `_` arm: a new variant does not compile until someone picks its code.
fn coded(error: Error, text: String) -> Status {
    match error {
        Error::Invalid { .. } => telling_of(Status::invalid_argument(text), THE_REQUEST),
        Error::NotFound { id, .. } => telling_of(Status::not_found(text), &id),
        Error::AlreadyExists { id, detail, .. } if detail.is_empty() => {
            telling_of(Status::already_exists(text), &id)
        }
        Error::AlreadyExists { .. } => telling_of(Status::already_exists(text), SEVERAL),
        Error::Conflict { .. } => telling_of(http_status(Status::failed_precondition(text), 409), SEVERAL),
        Error::RevisionMismatch { id, actual, .. } => {
            let mut status = telling_of(http_status(Status::aborted(text), 412), &id);
            status
                .metadata_mut()
                .insert(REVISION, MetadataValue::from(actual));
            status
        }
        Error::SessionExpired => telling_of(http_status(Status::failed_precondition(text), 409), THE_REQUEST),
        Error::RequestDiffers => telling_of(http_status(Status::invalid_argument(text), 422), THE_REQUEST),
        Error::Unauthenticated { .. } => Status::unauthenticated(text),
        Error::Denied { .. } => Status::permission_denied(text),
        Error::TooLarge { .. } => http_status(Status::resource_exhausted(text), 413),
        Error::NoQuorum { .. } | Error::NotReady { .. } => Status::unavailable(text),
        Error::OutcomeUnknown => outcome_unknown(Status::unavailable(text)),
        Error::Overloaded { .. } => http_status(Status::resource_exhausted(text), 503),
        Error::DeadlineExceeded { .. } => outcome_unknown(Status::deadline_exceeded(text)),
        Error::Unimplemented { .. } => Status::unimplemented(text),
        Error::Compacted { oldest } => {
            let mut status = telling_of(http_status(Status::out_of_range(text), 410), THE_REQUEST);
            status
                .metadata_mut()
                .insert(OLDEST_REVISION, MetadataValue::from(oldest));
            status
        }
        Error::NotModified { etag } => {
            let mut status = http_status(Status::failed_precondition(text), 304);
            set_etag(status.metadata_mut(), &etag);
            status
        }
        Error::FeatureLevel { .. } => {
            telling_of(http_status(Status::failed_precondition(text), 409), THE_REQUEST)
        }
        Error::OfAnother { error, .. } => coded(*error, text),
        Error::Storage(source) => {
            tracing::error!(error = &source as &dyn std::error::Error, "{text}");
            Status::internal(text) // the cause stays in the log, not on the wire
        }
        Error::Internal(_) => {
            tracing::error!("{text}");
            Status::internal(text)
        }
    }
}

fn telling_of(mut status: Status, subject: &str) -> Status {
    let several = MetadataValue::from_static(SEVERAL);
    let subject: MetadataValue<Ascii> = MetadataValue::try_from(subject).unwrap_or(several);
    status.metadata_mut().insert(SUBJECT, subject);
    status
}

fn http_status(mut status: Status, http_status: u16) -> Status {
    set_http_status(status.metadata_mut(), http_status);
    status
}

fn outcome_unknown(mut status: Status) -> Status {
    status
        .metadata_mut()
        .insert(OUTCOME, MetadataValue::from_static(OUTCOME_UNKNOWN));
    status
}

fn with_retry(mut status: Status, retry_after: Duration) -> Status {
    status
        .metadata_mut()
        .insert(RETRY_AFTER_S, MetadataValue::from(retry_after.as_secs()));
    status
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    fn text<'a>(status: &'a Status, key: &str) -> Option<&'a str> {
        status.metadata().get(key).map(|value| value.to_str().unwrap())
    }

    /// What an error tells of, so that the guard need not read its text.
    #[test]
    fn errors_about_stored_objects_say_which() {
        let not_found = |id: &str| Error::NotFound {
            kind: "component".into(),
            id: id.into(),
        };
        let exists = |detail: &str| Error::AlreadyExists {
            kind: "interface".into(),
            id: "x0".into(),
            detail: detail.into(),
        };
        for (error, subject) in [
            (not_found("x0c0s0b0n0"), Some("x0c0s0b0n0")),
            (not_found("né\n"), Some(SEVERAL)),
            (exists(""), Some("x0")),
            (exists("x1 has it"), Some(SEVERAL)),
            (
                Error::Conflict {
                    detail: "x0 and x1".into(),
                },
                Some(SEVERAL),
            ),
            (
                Error::RevisionMismatch {
                    id: "x0".into(),
                    expected: 1,
                    actual: 2,
                },
                Some("x0"),
            ),
            (Error::SessionExpired, Some(THE_REQUEST)),
            (invalid("id", "no"), Some(THE_REQUEST)),
            (Error::OutcomeUnknown, None),
        ] {
            let status = Status::from(error);
            assert_eq!(text(&status, SUBJECT), subject, "{status:?}");
        }
    }

    /// Every variant with its code and HTTP status; `retry_after` goes into those that have one.
    fn every_error(retry_after: Duration) -> Vec<(Error, Code, Option<&'static str>)> {
        let s = String::new;
        vec![
            (
                Error::Invalid {
                    field: s(),
                    problem: s(),
                },
                Code::InvalidArgument,
                None,
            ),
            (Error::NotFound { kind: s(), id: s() }, Code::NotFound, None),
            (
                Error::AlreadyExists {
                    kind: s(),
                    id: s(),
                    detail: s(),
                },
                Code::AlreadyExists,
                None,
            ),
            (
                Error::Conflict { detail: s() },
                Code::FailedPrecondition,
                Some("409"),
            ),
            (
                Error::RevisionMismatch {
                    id: s(),
                    expected: 1,
                    actual: 7,
                },
                Code::Aborted,
                Some("412"),
            ),
            (Error::SessionExpired, Code::FailedPrecondition, Some("409")),
            (
                Error::Unauthenticated { reason: s() },
                Code::Unauthenticated,
                None,
            ),
            (Error::Denied { reason: s() }, Code::PermissionDenied, None),
            (
                Error::TooLarge {
                    what: s(),
                    limit: s(),
                },
                Code::ResourceExhausted,
                Some("413"),
            ),
            (Error::NoQuorum { retry_after }, Code::Unavailable, None),
            (
                Error::NotReady {
                    retry_after,
                    reason: s(),
                },
                Code::Unavailable,
                None,
            ),
            (Error::OutcomeUnknown, Code::Unavailable, None),
            (
                Error::Overloaded {
                    what: s(),
                    retry_after,
                },
                Code::ResourceExhausted,
                Some("503"),
            ),
            (
                Error::DeadlineExceeded { after: retry_after },
                Code::DeadlineExceeded,
                None,
            ),
            (Error::Unimplemented { path: s() }, Code::Unimplemented, None),
            (Error::RequestDiffers, Code::InvalidArgument, Some("422")),
            (Error::Compacted { oldest: 7 }, Code::OutOfRange, Some("410")),
            (
                Error::NotModified {
                    etag: Etag {
                        cluster_id: s(),
                        revision: 7,
                    },
                },
                Code::FailedPrecondition,
                Some("304"),
            ),
            (
                Error::FeatureLevel { detail: s() },
                Code::FailedPrecondition,
                Some("409"),
            ),
            (
                Error::Storage(std::io::Error::other("disk")),
                Code::Internal,
                None,
            ),
            (Error::Internal(s()), Code::Internal, None),
        ]
    }

    /// What the gateway and every client depend on, written down apart from the map.
    #[test]
    fn every_error_has_its_code_and_http_status() {
        for (error, code, http) in every_error(Duration::from_secs(1)) {
            let name = format!("{error:?}");
            let status = Status::from(error);
            assert_eq!(status.code(), code, "{name}");
            assert_eq!(text(&status, HTTP_STATUS), http, "{name}");
        }
    }

    /// iPXE, cloud-init and curl take `Retry-After: 0` at its word.
    #[test]
    fn no_error_says_come_back_at_once() {
        for (error, ..) in every_error(Duration::ZERO) {
            let name = format!("{error:?}");
            let status = Status::from(error);
            assert_ne!(text(&status, RETRY_AFTER_S), Some("0"), "{name}");
        }
    }

    /// HTTP has no request ids, so the remedy must be one that every caller has.
    #[test]
    fn an_unknown_outcome_tells_everybody_what_to_do() {
        let status = Status::from(Error::OutcomeUnknown);
        assert_eq!(text(&status, RETRY_AFTER_S), Some("1"));
        assert!(
            status.message().contains("read back before you repeat"),
            "{status:?}"
        );
        assert!(!status.message().contains("request id"), "{status:?}");
    }

    /// `Retry-After: 0` after 300 ms would make a client hammer a cluster that is electing.
    #[test]
    fn a_retry_hint_is_rounded_up_to_whole_seconds() {
        let after = |millis| {
            let status = Status::from(Error::NoQuorum {
                retry_after: Duration::from_millis(millis),
            });
            text(&status, RETRY_AFTER_S).map(str::to_owned)
        };
        assert_eq!(after(300).as_deref(), Some("1"));
        assert_eq!(after(1000).as_deref(), Some("1"));
        assert_eq!(after(1001).as_deref(), Some("2"));
    }

    /// A writer counts a change as lost or done by this mark alone.
    #[test]
    fn an_unknown_outcome_is_marked_and_nothing_else_is() {
        for (error, unknown) in [
            (Error::OutcomeUnknown, true),
            (
                Error::DeadlineExceeded {
                    after: Duration::from_secs(1),
                },
                true,
            ),
            (
                Error::NoQuorum {
                    retry_after: Duration::ZERO,
                },
                false,
            ),
            (Error::Internal(String::new()), false),
        ] {
            assert_eq!(error.outcome_is_unknown(), unknown);
            let status = Status::from(error);
            assert_eq!(
                text(&status, OUTCOME),
                unknown.then_some(OUTCOME_UNKNOWN),
                "{status:?}"
            );
        }
    }

    #[test]
    fn the_current_revision_travels_with_a_mismatch() {
        let mismatch = Error::RevisionMismatch {
            id: "x0".into(),
            expected: 1,
            actual: 7,
        };
        assert_eq!(text(&Status::from(mismatch), REVISION), Some("7"));
    }

    #[test]
    fn a_watch_that_is_too_far_back_is_told_from_where_it_could_go_on() {
        let status = Status::from(Error::Compacted { oldest: 40 });
        assert_eq!(text(&status, OLDEST_REVISION), Some("40"));
        assert!(status.message().contains("begin again"), "{status:?}");
    }

    #[test]
    fn the_cause_of_a_storage_error_stays_in_the_log() {
        let status = Status::from(Error::Storage(std::io::Error::other("/secret/path: no space")));
        assert!(!status.message().contains("secret"), "{status:?}");
    }

    #[test]
    fn a_legacy_quirk_replaces_the_http_status_and_keeps_the_code() {
        let exists = || Error::AlreadyExists {
            kind: "boot parameters".into(),
            id: "x0".into(),
            detail: String::new(),
        };
        let status = exists().with_http_status(400);
        assert_eq!(
            (status.code(), text(&status, HTTP_STATUS)),
            (Code::AlreadyExists, Some("400"))
        );
        let conflict = Error::Conflict {
            detail: String::new(),
        }
        .with_http_status(400);
        assert_eq!(text(&conflict, HTTP_STATUS), Some("400"));
        assert_eq!(exists().to_string(), "boot parameters x0 exists already");
    }

    /// A header value with a line break would be a second header of the attacker's choice.
    #[test]
    fn an_illegal_header_is_left_out() {
        let mut metadata = MetadataMap::new();
        set_http_header(&mut metadata, "location", "/x\r\nset-cookie: a=b");
        set_http_header(&mut metadata, "bad name", "x");
        assert!(metadata.is_empty(), "{metadata:?}");
        set_http_header(&mut metadata, "location", "/hsm/v2/x0");
        assert_eq!(metadata.get("http-header-location").unwrap(), "/hsm/v2/x0");
    }

    /// Users read the same words whether a rejection came from this member or over the wire.
    #[test]
    fn rejections_keep_their_words() {
        for rejection in [
            Rejection::Invalid {
                field: "State".into(),
                problem: "bad".into(),
            },
            Rejection::NotFound {
                kind: "component".into(),
                id: "x0".into(),
            },
            Rejection::AlreadyExists {
                kind: "component".into(),
                id: "x0".into(),
                detail: "NID 5 is x1's".into(),
            },
            Rejection::Conflict {
                detail: "both".into(),
            },
            Rejection::RevisionMismatch {
                id: "x0".into(),
                expected: 1,
                actual: 7,
            },
            Rejection::SessionExpired,
            Rejection::RequestDiffers,
            Rejection::FeatureLevel {
                needed: 2,
                current: 1,
            },
            Rejection::Denied {
                permission: "bss.write".into(),
            },
            Rejection::invalid("members.ids", "there is no x0").of_another("component", "x0"),
        ] {
            assert_eq!(Error::from(rejection.clone()).to_string(), rejection.to_string());
        }
        assert!(matches!(
            Error::from(Rejection::Bug { detail: "x".into() }),
            Error::Internal(_)
        ));
    }
}
