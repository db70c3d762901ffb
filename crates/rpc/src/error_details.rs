//! What a status carries for programs, beside the words for people: `google.rpc.ErrorInfo` always, and `BadRequest`, `RetryInfo`
//! and `ResourceInfo` where they say more. In `grpc-status-details-bin`, which gRPC libraries of every language read.

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::Duration;

use http::HeaderMap;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::error::retry_after;
use crate::{Error, OUTCOME_UNKNOWN, Reason};

/// `domain` of every `ErrorInfo`.
pub const ERROR_DOMAIN: &str = "chamois";

/// Facts of an error that is because of another object: what kind of object that is, and which one.
pub(crate) const OTHER_KIND: &str = "other_kind";
/// See [`OTHER_KIND`].
pub(crate) const OTHER_ID: &str = "other_id";

/// Longest text of a detail, bytes: gRPC's C core, so Python, refuses an answer whose metadata is 8 KiB, and the details are
/// written in base64 beside the message.
const TEXT_BYTES_MAX: usize = 512;
/// A status with a longer message gets no details, whose `google.rpc.Status` repeats it: 8 KiB again. Clients read its code.
const MESSAGE_BYTES_MAX: usize = 1024;
/// How tonic words that a message is longer than its limit; a test over the wire holds it to that.
const TONIC_TOO_LARGE: &str = "Error, decoded message length too large: found ";
/// How prost words that bytes are no such message; likewise.
const PROST_MALFORMED: &str = "failed to decode Protobuf message: ";

/// What `error` says to programs.
pub(crate) fn of(error: &Error) -> ErrorDetails {
    let mut details = ErrorDetails::with_error_info(reason_of(error).as_str(), ERROR_DOMAIN, facts(error));
    match plain(error) {
        Error::Invalid { field, problem } => {
            details.add_bad_request_violation(clipped(field), clipped(problem));
        }
        Error::NotFound { kind, id } | Error::AlreadyExists { kind, id, .. } => {
            details.set_resource_info(clipped(kind), clipped(id), "", "");
        }
        Error::RevisionMismatch { id, .. } => {
            details.set_resource_info("", clipped(id), "", "");
        }
        _ => {}
    }
    if let Some(after) = retry_after(error) {
        details.set_retry_info(Some(after));
    }
    details
}

/// The same status with `details`; one that is too long for them stays as it is.
pub(crate) fn attached(status: Status, details: ErrorDetails) -> Status {
    if status.message().len() > MESSAGE_BYTES_MAX {
        return status;
    }
    let metadata = status.metadata().clone();
    Status::with_error_details_and_metadata(status.code(), status.message(), details, metadata)
}

/// Gives details to the status in `headers`, if it is an error that has none: of a handler's or a library's own making.
pub(crate) fn complete(headers: &mut HeaderMap) {
    if !is_error(headers) || headers.contains_key(Status::GRPC_STATUS_DETAILS) {
        return;
    }
    let Some(status) = Status::from_header_map(headers) else {
        return;
    };
    let mut details = ErrorDetails::with_error_info(
        Reason::of_code(&status).as_str(),
        ERROR_DOMAIN,
        HashMap::<String, String>::new(),
    );
    if let Some(after) = retry_after_told(&status) {
        details.set_retry_info(Some(after));
    }
    // what cannot be a header is left out: the status says it without details
    let _unchanged = attached(status, details).add_header(headers);
}

/// What tonic says of a message that it could not read, before any handler saw it: too long, or no such message.
pub(crate) fn refused_by_codec(headers: &HeaderMap) -> Option<Error> {
    if !is_error(headers) {
        return None;
    }
    let status = Status::from_header_map(headers)?;
    match status.code() {
        Code::OutOfRange => {
            let (found, limit) = status
                .message()
                .strip_prefix(TONIC_TOO_LARGE)?
                .split_once(" bytes, the limit is: ")?;
            Some(Error::TooLarge {
                what: format!("the message of {found} bytes"),
                limit: limit.to_owned(),
            })
        }
        Code::Internal => {
            let problem = status.message().strip_prefix(PROST_MALFORMED)?;
            Some(Error::Invalid {
                field: "message".to_owned(),
                problem: format!("it is not encoded as this method's request: {problem}"),
            })
        }
        _ => None,
    }
}

/// `retry-after-s` of a status.
pub(crate) fn retry_after_told(status: &Status) -> Option<Duration> {
    let seconds = status.metadata().get(crate::RETRY_AFTER_S)?.to_str().ok()?;
    seconds.parse().ok().map(Duration::from_secs)
}

fn is_error(headers: &HeaderMap) -> bool {
    headers.get(Status::GRPC_STATUS).is_some_and(|code| code != "0")
}

/// Without the other object that it is because of.
fn plain(error: &Error) -> &Error {
    match error {
        Error::OfAnother { error, .. } => plain(error),
        error => error,
    }
}

/// No `_` arm: a new variant does not compile until someone picks its reason.
fn reason_of(error: &Error) -> Reason {
    match error {
        Error::Invalid { .. } => Reason::InvalidField,
        Error::NotFound { .. } => Reason::NotFound,
        Error::AlreadyExists { .. } => Reason::AlreadyExists,
        Error::Conflict { .. } => Reason::Conflict,
        Error::RevisionMismatch { .. } => Reason::RevisionMismatch,
        Error::SessionExpired => Reason::SessionExpired,
        Error::RequestDiffers => Reason::RequestDiffers,
        Error::Unauthenticated { .. } => Reason::Unauthenticated,
        Error::Denied { .. } => Reason::PermissionDenied,
        Error::TooLarge { .. } => Reason::TooLarge,
        Error::NoQuorum { .. } => Reason::NoQuorum,
        Error::NotReady { .. } => Reason::NotReady,
        Error::OutcomeUnknown => Reason::OutcomeUnknown,
        Error::Overloaded { .. } => Reason::Overloaded,
        Error::DeadlineExceeded { .. } => Reason::DeadlineExceeded,
        Error::Unimplemented { .. } => Reason::NoSuchMethod,
        Error::Compacted { .. } => Reason::Compacted,
        Error::NotModified { .. } => Reason::NotModified,
        Error::FeatureLevel { .. } => Reason::FeatureLevel,
        Error::OfAnother { error, .. } => reason_of(error),
        Error::Storage(_) => Reason::Storage,
        Error::Internal(_) => Reason::Internal,
    }
}

/// `metadata` of the `ErrorInfo`: what a program would otherwise have to read out of the text.
fn facts(error: &Error) -> HashMap<String, String> {
    let pair = |key: &str, value: Cow<'_, str>| (key.to_owned(), value.into_owned());
    let told = match error {
        Error::Invalid { field, .. } => vec![pair("field", clipped(field))],
        Error::NotFound { kind, id } | Error::AlreadyExists { kind, id, .. } => {
            vec![pair("kind", clipped(kind)), pair("id", clipped(id))]
        }
        Error::RevisionMismatch { id, expected, actual } => vec![
            pair("id", clipped(id)),
            pair("expected", expected.to_string().into()),
            pair("actual", actual.to_string().into()),
        ],
        Error::TooLarge { what, limit } => vec![pair("what", clipped(what)), pair("limit", clipped(limit))],
        Error::Unimplemented { path } => vec![pair("path", clipped(path))],
        Error::Compacted { oldest } => vec![pair("oldest", oldest.to_string().into())],
        Error::NotModified { etag } => vec![pair("etag", etag.to_string().into())],
        Error::OutcomeUnknown | Error::DeadlineExceeded { .. } => {
            vec![pair("outcome", OUTCOME_UNKNOWN.into())]
        }
        Error::OfAnother { error, kind, id } => {
            let mut all = facts(error);
            all.extend([pair(OTHER_KIND, clipped(kind)), pair(OTHER_ID, clipped(id))]);
            return all;
        }
        _ => Vec::new(),
    };
    told.into_iter().collect()
}

/// The beginning of a text that is longer than [`TEXT_BYTES_MAX`], which ends with `…` then.
fn clipped(text: &str) -> Cow<'_, str> {
    if text.len() <= TEXT_BYTES_MAX {
        return Cow::Borrowed(text);
    }
    let ends = (0..=TEXT_BYTES_MAX).rev().find(|at| text.is_char_boundary(*at));
    let end = ends.unwrap_or_default();
    Cow::Owned(format!("{}…", &text[..end]))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::invalid;

    fn told(error: Error) -> ErrorDetails {
        Status::from(error).check_error_details().unwrap()
    }

    fn facts_told(error: Error) -> (String, Vec<(String, String)>) {
        let details = told(error);
        let info = details.error_info().unwrap();
        assert_eq!(info.domain, ERROR_DOMAIN);
        let mut facts: Vec<_> = info.metadata.clone().into_iter().collect();
        facts.sort();
        (info.reason.clone(), facts)
    }

    fn pairs(facts: &[(&str, &str)]) -> Vec<(String, String)> {
        facts
            .iter()
            .map(|(key, value)| ((*key).into(), (*value).into()))
            .collect()
    }

    /// The table of `proto/README.md`; clients in Go and Python are tested against the same.
    #[test]
    fn each_error_says_its_reason_and_what_it_is_about() {
        let s = |text: &str| text.to_owned();
        let retry_after = Duration::from_secs(1);
        let table = [
            (
                invalid("nid", "no number"),
                "INVALID_FIELD",
                vec![("field", "nid")],
            ),
            (
                Error::NotFound {
                    kind: s("component"),
                    id: s("x0"),
                },
                "NOT_FOUND",
                vec![("id", "x0"), ("kind", "component")],
            ),
            (
                Error::RevisionMismatch {
                    id: s("x0"),
                    expected: 1,
                    actual: 7,
                },
                "REVISION_MISMATCH",
                vec![("actual", "7"), ("expected", "1"), ("id", "x0")],
            ),
            (
                Error::TooLarge {
                    what: s("the list"),
                    limit: s("9 nodes"),
                },
                "TOO_LARGE",
                vec![("limit", "9 nodes"), ("what", "the list")],
            ),
            (Error::NoQuorum { retry_after }, "NO_QUORUM", vec![]),
            (
                Error::OutcomeUnknown,
                "OUTCOME_UNKNOWN",
                vec![("outcome", "unknown")],
            ),
            (
                Error::DeadlineExceeded { after: retry_after },
                "DEADLINE_EXCEEDED",
                vec![("outcome", "unknown")],
            ),
            (
                Error::Unimplemented { path: s("/a.B/C") },
                "NO_SUCH_METHOD",
                vec![("path", "/a.B/C")],
            ),
            (
                Error::Compacted { oldest: 40 },
                "COMPACTED",
                vec![("oldest", "40")],
            ),
            (Error::SessionExpired, "SESSION_EXPIRED", vec![]),
            (
                Error::OfAnother {
                    error: Box::new(Error::AlreadyExists {
                        kind: s("NID"),
                        id: s("7"),
                        detail: s("it belongs to x0"),
                    }),
                    kind: s("component"),
                    id: s("x0"),
                },
                "ALREADY_EXISTS",
                vec![
                    ("id", "7"),
                    ("kind", "NID"),
                    ("other_id", "x0"),
                    ("other_kind", "component"),
                ],
            ),
        ];
        for (error, reason, facts) in table {
            assert_eq!(facts_told(error), (s(reason), pairs(&facts)));
        }
    }

    #[test]
    fn a_field_that_is_not_accepted_is_a_violation_of_its_own() {
        let details = told(invalid("nid", "7 is x1's"));
        let violations = &details.bad_request().unwrap().field_violations;
        assert_eq!(violations.len(), 1);
        assert_eq!(
            (violations[0].field.as_str(), violations[0].description.as_str()),
            ("nid", "7 is x1's")
        );
        assert!(told(Error::OutcomeUnknown).bad_request().is_none());
    }

    /// Who knows nothing of the two facts reads what was always there.
    #[test]
    fn an_error_because_of_another_object_is_the_same_error() {
        let plain = || invalid("members.ids", "there is no x0; create it first");
        let told = Status::from(Error::OfAnother {
            error: Box::new(plain()),
            kind: "component".into(),
            id: "x0".into(),
        });
        let is = Status::from(plain());
        assert_eq!((told.code(), told.message()), (is.code(), is.message()));
        let shown = |status: &Status| format!("{:?}", status.metadata());
        assert_eq!(shown(&told), shown(&is));
        let fields = |status: &Status| {
            let violations = status.get_details_bad_request().unwrap().field_violations;
            format!("{violations:?}")
        };
        assert_eq!(fields(&told), fields(&is));
    }

    #[test]
    fn the_one_object_that_is_meant_is_named() {
        let details = told(Error::AlreadyExists {
            kind: "group".into(),
            id: "compute".into(),
            detail: String::new(),
        });
        let resource = details.resource_info().unwrap();
        assert_eq!(
            (resource.resource_type.as_str(), resource.resource_name.as_str()),
            ("group", "compute")
        );
    }

    /// Detail and `retry-after-s` are one number: a client may read either.
    #[test]
    fn when_to_come_back_is_said_twice_alike() {
        let status = Status::from(Error::NoQuorum {
            retry_after: Duration::from_millis(1001),
        });
        let delay = status.get_details_retry_info().unwrap().retry_delay;
        assert_eq!(delay, Some(Duration::from_secs(2)));
        assert_eq!(retry_after_told(&status), delay);
        assert!(
            told(Error::DeadlineExceeded {
                after: Duration::ZERO
            })
            .retry_info()
            .is_none()
        );
    }

    /// Python's `grpc_status` refuses details whose code or message is not that of the status.
    #[test]
    fn the_details_repeat_code_and_message() {
        use prost::Message as _;
        let status = Status::from(invalid("id", "né \u{1f98c}"));
        let repeated = tonic_types::pb::Status::decode(status.details()).unwrap();
        assert_eq!(repeated.code, status.code() as i32);
        assert_eq!(repeated.message, status.message());
    }

    /// An answer whose metadata has more than 8 KiB never reaches a client in Python.
    #[test]
    fn no_details_are_too_long_for_a_client() {
        for bytes in [10, 500, 600, 5000] {
            let long = "é".repeat(bytes / 2);
            let status = Status::from(invalid(&long, &long));
            let mut headers = HeaderMap::new();
            status.add_header(&mut headers).unwrap();
            let sum: usize = headers.values().map(HeaderValue::len).sum();
            let has_details = headers.contains_key(Status::GRPC_STATUS_DETAILS);
            assert!(!has_details || sum <= 7 << 10, "{bytes}: {sum}");
            assert_eq!(has_details, bytes <= 500, "{bytes}");
        }
        let short = clipped(&"né".repeat(300)).into_owned();
        assert!(short.len() <= TEXT_BYTES_MAX + '…'.len_utf8() && short.ends_with('…'));
    }

    #[test]
    fn a_status_of_ones_own_making_gets_what_its_code_says() {
        let mut headers = Status::not_found("no such node")
            .into_http::<()>()
            .into_parts()
            .0
            .headers;
        complete(&mut headers);
        let status = Status::from_header_map(&headers).unwrap();
        assert_eq!(
            (status.code(), status.message()),
            (Code::NotFound, "no such node")
        );
        assert_eq!(status.get_details_error_info().unwrap().reason, "NOT_FOUND");
        assert_eq!(headers["content-type"], "application/grpc");
    }

    #[test]
    fn what_has_details_or_is_no_error_stays_as_it_is() {
        for status in [Status::from(invalid("id", "no")), Status::new(Code::Ok, "")] {
            let before = status.into_http::<()>().into_parts().0.headers;
            let mut after = before.clone();
            complete(&mut after);
            assert_eq!(after, before);
        }
        let mut empty = HeaderMap::new();
        complete(&mut empty);
        assert!(empty.is_empty());
    }

    #[test]
    fn what_tonic_cannot_read_is_said_in_our_words() {
        let of = |status: Status| refused_by_codec(status.into_http::<()>().headers());
        let too_long = Status::out_of_range(
            "Error, decoded message length too large: found 5242880 bytes, the limit is: 4194304 bytes",
        );
        let error = of(too_long).unwrap();
        assert_eq!(
            error.to_string(),
            "the message of 5242880 bytes is larger than the limit of 4194304 bytes"
        );
        let malformed = of(Status::internal(
            "failed to decode Protobuf message: invalid varint",
        ));
        assert!(matches!(malformed, Some(Error::Invalid { field, .. }) if field == "message"));
        assert!(of(Status::out_of_range("revision 3 is not kept")).is_none());
        assert!(of(Status::internal("a bug")).is_none());
    }
}
