//! Errors as RFC 7807 problems, as the services this replaces answer them; the one gRPC to HTTP status table.

use std::time::Duration;

use http::header::{ALLOW, CONTENT_TYPE, ETAG, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use rpc::client::{ClientError, FieldProblem};
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};

/// Why a request gets no answer of its route.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    /// What happened, and what to do.
    pub(crate) detail: String,
    /// Sent beside it; boxed, because results that hold a problem are everywhere.
    pub(crate) headers: Box<HeaderMap>,
    /// What a service said to programs; boxed likewise.
    told: Option<Box<ClientError>>,
}

#[derive(serde::Serialize)]
struct Body<'a> {
    r#type: &'static str,
    title: &'a str,
    detail: &'a str,
    status: u16,
    /// The current ETag, where another one was expected.
    #[serde(skip_serializing_if = "Option::is_none")]
    etag: Option<&'a str>,
    /// Why, in one word; those that there are lists `proto/README.md`.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    /// The fields that are not accepted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError<'a>>,
    /// When a repeat makes sense, as `Retry-After` has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_s: Option<u64>,
}

#[derive(serde::Serialize)]
struct FieldError<'a> {
    field: &'a str,
    description: &'a str,
}

impl Problem {
    /// A problem of the gateway's own.
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            status,
            detail: detail.into(),
            headers: Box::default(),
            told: None,
        }
    }

    /// A problem of the gateway's own that says to programs what a service would say with `error`.
    pub(crate) fn as_error(status: StatusCode, detail: impl Into<String>, error: rpc::Error) -> Self {
        let told = ClientError::from(Status::from(error));
        Self {
            told: Some(Box::new(told)),
            ..Self::new(status, detail)
        }
    }

    /// The path is known for other verbs: `allow` lists them, e.g. `GET,POST`.
    pub(crate) fn other_verbs(allow: &str) -> Self {
        let mut problem = Self::new(StatusCode::METHOD_NOT_ALLOWED, format!("allow {allow}"));
        if let Ok(value) = HeaderValue::from_str(allow) {
            problem.headers.insert(ALLOW, value);
        }
        problem
    }

    /// Something that passes by itself; iPXE and cloud-init both wait and ask again.
    pub(crate) fn busy(detail: impl Into<String>) -> Self {
        let detail = detail.into();
        let error = rpc::Error::NotReady {
            retry_after: Duration::from_secs(1),
            reason: detail.clone(),
        };
        let mut problem = Self::as_error(StatusCode::SERVICE_UNAVAILABLE, detail, error);
        problem.headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        problem
    }

    /// The body as JSON; none of what is not modified.
    pub(crate) fn body(&self) -> Vec<u8> {
        if self.status == StatusCode::NOT_MODIFIED {
            return Vec::new();
        }
        let title = self.status.canonical_reason().unwrap_or("Unknown Status");
        let told = self.told.as_deref();
        let errors = told.map(ClientError::fields).unwrap_or_default();
        let body = Body {
            r#type: "about:blank",
            title,
            detail: &self.detail,
            status: self.status.as_u16(),
            etag: self.headers.get(ETAG).and_then(|etag| etag.to_str().ok()),
            reason: told.map(|told| told.reason().as_str()),
            errors: errors.iter().map(FieldError::of).collect(),
            retry_after_s: told.and_then(|told| Some(told.retry_after()?.as_secs())),
        };
        serde_json::to_vec(&body).expect("strings and a number always have a JSON form")
    }

    /// Status line headers of the answer.
    pub(crate) fn into_headers(mut self) -> HeaderMap {
        if self.status != StatusCode::NOT_MODIFIED {
            self.headers
                .insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        }
        *self.headers
    }
}

impl<'a> FieldError<'a> {
    fn of(problem: &'a FieldProblem) -> Self {
        Self {
            field: &problem.field,
            description: &problem.description,
        }
    }
}

impl From<Status> for Problem {
    /// The service's own words, status override and headers; and its details, of which what is not modified shows none.
    fn from(status: Status) -> Self {
        let usual = http_status(status.code());
        let mut problem = Self::new(overridden(status.metadata()).unwrap_or(usual), status.message());
        let is_told = problem.status != StatusCode::NOT_MODIFIED && !status.details().is_empty();
        problem.told = is_told.then(|| Box::new(ClientError::of(&status)));
        *problem.headers = headers(status.metadata());
        if problem.status == StatusCode::UNAUTHORIZED {
            problem
                .headers
                .entry(WWW_AUTHENTICATE)
                .or_insert(HeaderValue::from_static("Bearer"));
        }
        let passes = matches!(
            problem.status,
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT
        );
        if passes {
            problem
                .headers
                .entry(RETRY_AFTER)
                .or_insert(HeaderValue::from_static("1"));
        }
        problem
    }
}

/// The HTTP status that a service asks for instead of the usual one.
pub(crate) fn overridden(metadata: &MetadataMap) -> Option<StatusCode> {
    let text = metadata.get(rpc::HTTP_STATUS)?.to_str().ok()?;
    StatusCode::from_u16(text.parse().ok()?).ok()
}

/// The HTTP headers that a service asks for: `http-header-*`, `retry-after-s` and its ETag.
pub(crate) fn headers(metadata: &MetadataMap) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in metadata.as_ref() {
        let name = match name.as_str() {
            rpc::RETRY_AFTER_S => Ok(RETRY_AFTER),
            rpc::ETAG => Ok(ETAG),
            other => match other.strip_prefix(rpc::HTTP_HEADER_PREFIX) {
                Some(name) => name.parse(),
                None => continue,
            },
        };
        if let Ok(name) = name {
            headers.append(name, value.clone());
        }
    }
    headers
}

fn http_status(code: Code) -> StatusCode {
    match code {
        Code::Ok => StatusCode::OK,
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => StatusCode::BAD_REQUEST,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::AlreadyExists | Code::Aborted => StatusCode::CONFLICT,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Cancelled => StatusCode::from_u16(499).expect("499 is a three-digit status"),
        Code::Internal | Code::Unknown | Code::DataLoss => StatusCode::INTERNAL_SERVER_ERROR,
        Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every code a service can answer, and what today's clients see of it.
    #[test]
    fn every_code_has_its_http_status() {
        let table = [
            (Code::InvalidArgument, 400),
            (Code::FailedPrecondition, 400),
            (Code::OutOfRange, 400),
            (Code::Unauthenticated, 401),
            (Code::PermissionDenied, 403),
            (Code::NotFound, 404),
            (Code::AlreadyExists, 409),
            (Code::Aborted, 409),
            (Code::ResourceExhausted, 429),
            (Code::Cancelled, 499),
            (Code::Internal, 500),
            (Code::Unknown, 500),
            (Code::DataLoss, 500),
            (Code::Unimplemented, 501),
            (Code::Unavailable, 503),
            (Code::DeadlineExceeded, 504),
        ];
        for (code, http) in table {
            assert_eq!(
                Problem::from(Status::new(code, "x")).status.as_u16(),
                http,
                "{code:?}"
            );
        }
    }

    #[test]
    fn the_body_is_an_rfc_7807_problem_in_the_order_of_todays_services() {
        let problem = Problem::from(Status::not_found("no such component: \"x9\""));
        let body = String::from_utf8(problem.body()).unwrap();
        let expected =
            r#"{"type":"about:blank","title":"Not Found","detail":"no such component: \"x9\"","status":404}"#;
        assert_eq!(body, expected);
        assert_eq!(problem.into_headers()["content-type"], "application/problem+json");
    }

    /// What `rpc::Error` puts into metadata arrives as status and header.
    #[test]
    fn a_service_overrides_status_and_headers() {
        let quorum = rpc::Error::NoQuorum {
            retry_after: Duration::from_millis(2500),
        };
        let problem = Problem::from(Status::from(quorum));
        assert_eq!(problem.status, 503);
        assert_eq!(problem.headers["retry-after"], "3");

        let mut status = rpc::Error::NotFound {
            kind: "boot parameters".into(),
            id: "x1".into(),
        }
        .with_http_status(400);
        rpc::set_http_header(status.metadata_mut(), "bss-referral-token", "t");
        let problem = Problem::from(status);
        assert_eq!(
            (problem.status.as_u16(), &problem.headers["bss-referral-token"]),
            (400, &"t".parse().unwrap())
        );

        let etag = rpc::Etag {
            cluster_id: "c".into(),
            revision: 7,
        };
        let problem = Problem::from(Status::from(rpc::Error::NotModified { etag }));
        assert_eq!((problem.status.as_u16(), problem.body()), (304, Vec::new()));
        let headers = problem.into_headers();
        assert_eq!(headers["etag"], "\"c-7\"");
        assert!(!headers.contains_key("content-type"));

        let stale = rpc::Error::RevisionMismatch {
            id: "x1".into(),
            expected: 1,
            actual: 7,
        };
        assert_eq!(Problem::from(Status::from(stale)).status, 412);
    }

    /// What a program would otherwise have to read out of the text; RFC 7807 has readers skip what they do not know.
    #[test]
    fn a_problem_says_to_programs_what_the_service_said() {
        let body = |error: rpc::Error| {
            let body = Problem::from(Status::from(error)).body();
            serde_json::from_slice::<serde_json::Value>(&body).unwrap()
        };
        let invalid = body(rpc::invalid("NID", "7 is x1's"));
        assert_eq!(invalid["reason"], "INVALID_FIELD");
        let errors = serde_json::json!([{ "field": "NID", "description": "7 is x1's" }]);
        assert_eq!(invalid["errors"], errors);
        assert!(invalid.get("retry_after_s").is_none());
        let passes = body(rpc::Error::NoQuorum {
            retry_after: Duration::from_millis(2500),
        });
        assert_eq!(passes["reason"], "NO_QUORUM");
        assert_eq!(passes["retry_after_s"], 3);
        assert!(passes.get("errors").is_none());
        let busy: serde_json::Value = serde_json::from_slice(&Problem::busy("later").body()).unwrap();
        assert_eq!(
            (busy["reason"].as_str(), busy["retry_after_s"].as_u64()),
            (Some("NOT_READY"), Some(1))
        );
        let names: Vec<_> = invalid.as_object().unwrap().keys().map(String::as_str).collect();
        assert!(names.contains(&"detail") && names.len() == 6, "{names:?}");
    }

    /// Without Retry-After iPXE gives up at once.
    #[test]
    fn what_passes_by_itself_always_says_when_to_come_back() {
        for status in [Status::unavailable("x"), Status::deadline_exceeded("x")] {
            assert_eq!(Problem::from(status).headers["retry-after"], "1");
        }
        assert!(
            !Problem::from(Status::internal("x"))
                .headers
                .contains_key("retry-after")
        );
    }

    #[test]
    fn a_senseless_override_is_ignored() {
        let mut status = Status::not_found("x");
        status
            .metadata_mut()
            .insert(rpc::HTTP_STATUS, "99".parse().unwrap());
        assert_eq!(Problem::from(status).status, 404);
    }
}
