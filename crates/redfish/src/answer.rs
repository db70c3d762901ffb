//! What an answer says: a resource, or why there is none.

use http::StatusCode;
use http::header;
use serde_json::Value;

use crate::json::{self, Refused};
use crate::value;
use crate::wire::{Received, Sent};
use crate::{Error, Limits};

/// Longest text of a BMC's own that an error carries, bytes.
const MESSAGE_MAX: usize = 300;

/// The JSON of a successful answer, and what it costs to hold.
///
/// # Errors
/// [`Error::Status`], [`Error::Limit`] and [`Error::Broken`]. Its content type is not looked at: BMCs write any.
pub(crate) fn body(limits: &Limits, sent: &Sent, received: &Received) -> Result<(Value, usize), Error> {
    if !received.status.is_success() {
        return Err(status(limits, sent, received));
    }
    let broken = |problem: String| Error::Broken {
        what: sent.what(),
        problem,
    };
    let encoding = received.header(header::CONTENT_ENCODING);
    if !encoding.is_empty() && !encoding.eq_ignore_ascii_case("identity") {
        return Err(broken(format!(
            "it is compressed, which was not asked for: {encoding:?}"
        )));
    }
    json::parse(&received.body, limits.json_depth_max).map_err(|refused| match refused {
        Refused::NoJson(problem) => broken(problem),
        Refused::TooDeep(depth) => Error::Limit {
            what: sent.what(),
            problem: format!(
                "its answer nests {depth} levels, more than {}",
                limits.json_depth_max
            ),
        },
    })
}

/// As [`body`], if it is an object, as every resource is.
///
/// # Errors
/// As [`body`].
pub(crate) fn resource(limits: &Limits, sent: &Sent, received: &Received) -> Result<(Value, usize), Error> {
    let (value, weight) = body(limits, sent, received)?;
    match value.is_object() {
        true => Ok((value, weight)),
        false => Err(Error::Broken {
            what: sent.what(),
            problem: "it is JSON, but no object".to_owned(),
        }),
    }
}

/// That the BMC said no.
pub(crate) fn status(limits: &Limits, sent: &Sent, received: &Received) -> Error {
    Error::Status {
        what: sent.what(),
        status: received.status.as_u16(),
        message: message(limits, &received.body),
    }
}

/// What an error object says, in one line; empty: nothing.
pub(crate) fn message(limits: &Limits, body: &[u8]) -> String {
    let Ok((body, _)) = json::parse(body, limits.json_depth_max) else {
        return String::new();
    };
    let error = value::at(&body, "error");
    let extended = value::list(error, "@Message.ExtendedInfo").iter();
    let said = extended
        .map(|info| value::first_text(info, &["Message", "MessageId"]))
        .chain([value::first_text(error, &["message", "code"])])
        .find(|text| !text.is_empty())
        .unwrap_or_default();
    value::cut(&said, MESSAGE_MAX).to_owned()
}

/// Whether the answer sends elsewhere.
pub(crate) fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http::{HeaderMap, HeaderValue, Method};

    fn received(status: u16, body: &str) -> Received {
        Received {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: Bytes::from(body.to_owned()),
        }
    }

    fn sent() -> Sent {
        Sent::new(Method::GET, "/redfish/v1/Systems?$expand=.")
    }

    #[test]
    fn an_error_object_is_shown_in_one_line() {
        let limits = Limits::default();
        let extended = r#"{"error": {"code": "Base.1.0.GeneralError", "message": "See ExtendedInfo",
            "@Message.ExtendedInfo": [{"MessageId": "x"}, {"Message": "late"}]}}"#;
        assert_eq!(message(&limits, extended.as_bytes()), "x");
        let plain = r#"{"error": {"code": "c", "message": " not\nnow "}}"#;
        assert_eq!(message(&limits, plain.as_bytes()), "not now");
        for nothing in ["", "<html>", "[]", "{\"error\": 7}"] {
            assert_eq!(message(&limits, nothing.as_bytes()), "", "{nothing}");
        }
        let long = format!("{{\"error\": {{\"message\": \"{}\"}}}}", "x".repeat(5000));
        assert_eq!(message(&limits, long.as_bytes()).len(), MESSAGE_MAX);
    }

    #[test]
    fn a_refusal_names_the_request_without_its_query() {
        let error = body(&Limits::default(), &sent(), &received(503, "")).unwrap_err();
        assert_eq!(error.to_string(), "GET /redfish/v1/Systems was answered with 503");
    }

    #[test]
    fn what_is_no_object_or_compressed_is_broken() {
        let limits = Limits::default();
        for text in ["[]", "7", "null", "", "{"] {
            let result = resource(&limits, &sent(), &received(200, text));
            assert!(matches!(result, Err(Error::Broken { .. })), "{text}");
        }
        let mut compressed = received(200, "{}");
        let gzip = HeaderValue::from_static("gzip");
        compressed.headers.insert(header::CONTENT_ENCODING, gzip);
        assert!(matches!(
            resource(&limits, &sent(), &compressed),
            Err(Error::Broken { .. })
        ));
        assert!(resource(&limits, &sent(), &received(200, "{}")).is_ok());
    }

    #[test]
    fn what_nests_too_deep_is_a_limit() {
        let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
        let result = body(&Limits::default(), &sent(), &received(200, &deep));
        assert!(matches!(result, Err(Error::Limit { .. })));
    }
}
