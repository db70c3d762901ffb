//! The access log: one line a request with who asked for what, and what came of it. Bounded, because strangers cause lines.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use http::{HeaderMap, Method, Response, request};
use http_body::Body as _;
use rpc::{Caller, LogLimit, SeenAs};

use crate::body::Body;
use crate::port::shown;

/// Lines a second of one port; what is more is counted, and the next line says how many were left out.
const LINES_PER_S_MAX: u32 = 1000;
/// Longer verbs are nobody's, and a stranger may make up one of a hundred kilobytes.
const VERB_BYTES_MAX: usize = 16;
/// Longer ids of requests are nobody's.
const REQUEST_ID_BYTES_MAX: usize = 64;
/// Headers in which clients and proxies give a request its id; the first that is there counts.
const REQUEST_ID: &str = "x-request-id";
const TRACE_PARENT: &str = "traceparent";

/// Writes the lines of one port.
#[derive(Debug)]
pub(crate) struct AccessLog {
    /// As metrics name the port.
    port: String,
    limit: LogLimit,
}

/// A request that is being answered.
#[derive(Debug)]
pub(crate) struct Entry {
    began: Instant,
    peer: Option<SocketAddr>,
    /// Who the connection has shown to be.
    connection: String,
    seen_as: SeenAs,
    verb: String,
    path: String,
    request_id: String,
}

/// What a line says.
#[derive(Debug, PartialEq, Eq)]
struct Line<'a> {
    principal: &'a str,
    status: u16,
    /// Of the body as it is sent, where that is known; 0 of one that is streamed.
    bytes: u64,
    /// From the headers of the request to those of the answer.
    ms: u64,
}

impl AccessLog {
    pub(crate) fn new(port: impl Into<String>) -> Self {
        Self {
            port: port.into(),
            limit: LogLimit::per_second(LINES_PER_S_MAX),
        }
    }

    /// Begins an entry; `seen_as` goes with the request, so that the guard tells whose token it has.
    pub(crate) fn begin(&self, caller: &Caller, parts: &request::Parts, seen_as: SeenAs) -> Entry {
        Entry {
            began: Instant::now(),
            peer: caller.peer,
            connection: caller.identity.principal(),
            seen_as,
            verb: verb(&parts.method).to_owned(),
            path: shown(parts.uri.path()),
            request_id: request_id(&parts.headers).to_owned(),
        }
    }

    /// Writes the line of a request that was answered. The query is not in it: it may hold anything.
    pub(crate) fn end(&self, entry: &Entry, response: &Response<Body>) {
        let now = Instant::now();
        let Some(left_out) = self.limit.admit(now) else {
            return;
        };
        let line = entry.line(response, now.duration_since(entry.began));
        tracing::info!(
            target: "access",
            port = self.port,
            peer = entry.peer.map(tracing::field::display),
            principal = line.principal,
            verb = entry.verb,
            path = entry.path,
            status = line.status,
            bytes = line.bytes,
            ms = line.ms,
            request_id = entry.request_id,
            left_out,
            "request"
        );
    }
}

impl Entry {
    fn line(&self, response: &Response<Body>, took: Duration) -> Line<'_> {
        Line {
            principal: self.seen_as.principal().unwrap_or(&self.connection),
            status: response.status().as_u16(),
            bytes: response.body().size_hint().exact().unwrap_or(0),
            ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

fn verb(method: &Method) -> &str {
    match method.as_str() {
        verb if verb.len() <= VERB_BYTES_MAX => verb,
        _ => "…",
    }
}

/// The request's own id, or that of the trace it belongs to (W3C Trace Context, 3.2.2.3); empty without one that can be shown.
fn request_id(headers: &HeaderMap) -> &str {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let trace = || text(TRACE_PARENT)?.split('-').nth(1);
    let id = text(REQUEST_ID).or_else(trace).unwrap_or_default();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(&byte);
    match id.len() <= REQUEST_ID_BYTES_MAX && id.bytes().all(is_plain) {
        true => id,
        false => "",
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, Request};
    use rpc::Identity;

    use super::*;
    use crate::body;

    fn entry(uri: &str, headers: &[(&'static str, &str)]) -> Entry {
        let mut request = Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let address = "10.97.0.5".parse().unwrap();
        let caller = Caller {
            identity: Identity::LegacyReader { address },
            peer: Some(SocketAddr::new(address, 40000)),
            local: None,
        };
        AccessLog::new("api").begin(&caller, &parts, SeenAs::default())
    }

    #[test]
    fn a_line_says_who_asked_for_what_and_what_came_of_it() {
        let entry = entry("/hsm/v2/State/Components?type=Node", &[("x-request-id", "a-1")]);
        assert_eq!((entry.verb.as_str(), entry.request_id.as_str()), ("GET", "a-1"));
        assert_eq!(entry.path, "/hsm/v2/State/Components");
        let line = Line {
            principal: "legacy-reader/10.97.0.5",
            status: 200,
            bytes: 5,
            ms: 7,
        };
        let response = Response::new(body::full("12345".to_owned()));
        assert_eq!(entry.line(&response, Duration::from_micros(7900)), line);
    }

    /// Queries and long segments may be secrets: neither is in the log.
    #[test]
    fn no_line_has_what_may_be_a_token() {
        let token = "19abcdef012-8q0pXTwJ3cYdVpI4mQ1dYpDq5g7wK0z3b2n1m0l9k8j";
        let uri = format!("/cloud-init/b/1-2/t/{token}/meta-data?token={token}");
        let entry = entry(&uri, &[("authorization", token)]);
        assert!(!format!("{entry:?}").contains(token), "{entry:?}");
    }

    /// Lines are bounded in number, so each must be in length.
    #[test]
    fn a_line_has_a_bound() {
        let entry = entry(&"/a".repeat(20_000), &[]);
        assert!(entry.path.len() < 1100, "{} bytes", entry.path.len());
        let made_up = Method::from_bytes("A".repeat(20_000).as_bytes()).unwrap();
        assert_eq!((verb(&made_up), verb(&Method::DELETE)), ("…", "DELETE"));
    }

    #[test]
    fn a_request_has_its_own_id_or_that_of_its_trace() {
        let of = |name: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_str(value).unwrap());
            request_id(&headers).to_owned()
        };
        assert_eq!(of(REQUEST_ID, "b7ad6b71-69203331"), "b7ad6b71-69203331");
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(of(TRACE_PARENT, parent), "4bf92f3577b34da6a3ce929d0e0e4736");
        for forged in ["a b", "a\"b", &"x".repeat(65)] {
            assert_eq!(of(REQUEST_ID, forged), "", "{forged}");
        }
        assert_eq!(of(TRACE_PARENT, "nonsense"), "");
    }
}
