//! One exchange, the same on both ports: find the route, transcode, ask the service, transcode back.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use futures::FutureExt;
use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, EXPECT, HOST, HeaderMap,
    HeaderValue, TRANSFER_ENCODING,
};
use http::{HeaderName, Method, Request, Response, StatusCode, Uri, Version, request};
use http_body::Body as _;
use rpc::SeenAs;
use rpc::server::PortCounters;

use crate::access_log::AccessLog;
use crate::admission::Admission;
use crate::answer::Asked;
use crate::api_document::Document;
use crate::body::{self, Body, Budget, Incoming, Received};
use crate::compress::Compressor;
use crate::conditional;
use crate::direct::Direct;
use crate::fields::Selection;
use crate::files::Files;
use crate::from_headers;
use crate::kept::{KeptLists, Question};
use crate::loaders::Loaders;
use crate::options::{Alias, ClusterId, Limits};
use crate::path;
use crate::probes::Probes;
use crate::problem::Problem;
use crate::proxies::Proxies;
use crate::request::{BadRequest, Parts, encode};
use crate::retry_after::Spread;
use crate::routes::{self, Found, Route, RouteTable};
use crate::sent::{self, SentFiles};
use crate::trial;
use crate::upstream::{Call, Upstream};

/// Longest segment of a path in the log, bytes.
const LOGGED_SEGMENT_BYTES_MAX: usize = 40;
/// Longest path there; no route has a longer one.
const LOGGED_PATH_BYTES_MAX: usize = 1024;

/// One of the gateway's ports: which routes it has and what a connection may do.
pub(crate) struct Port {
    pub(crate) routes: RouteTable,
    pub(crate) upstream: Upstream,
    /// Other beginnings of paths.
    pub(crate) aliases: Vec<Alias>,
    /// The id of the cluster, for ETags.
    pub(crate) cluster_id: ClusterId,
    /// HTTP headers that travel on as metadata.
    pub(crate) passed: Vec<HeaderName>,
    /// Compresses JSON, where clients are no nodes.
    pub(crate) compressor: Option<Compressor>,
    /// Keeps lists, where clients are no nodes.
    pub(crate) kept: Option<KeptLists>,
    pub(crate) files: Option<Files>,
    /// What is answered before any route.
    pub(crate) loaders: Loaders,
    /// Told of both kinds of files that were sent.
    pub(crate) sent_files: SentFiles,
    pub(crate) probes: Probes,
    /// What the port can be asked, where clients are no nodes.
    pub(crate) document: Option<Document>,
    pub(crate) limits: Limits,
    pub(crate) bodies: Budget,
    pub(crate) admission: Admission,
    /// Whose word counts for whom a request is from, where clients are nodes.
    pub(crate) proxies: Option<Proxies>,
    pub(crate) counters: Counters,
    /// Spreads those that are to come back, where clients are nodes.
    pub(crate) spread: Option<Spread>,
    /// Has a line for each request, where that is wanted.
    pub(crate) access_log: Option<AccessLog>,
    /// The port of one service.
    pub(crate) direct: Option<Direct>,
}

/// What a port has refused or survived since it was made.
#[derive(Debug, Default)]
pub struct Counters {
    /// Connections.
    pub connections: Arc<PortCounters>,
    /// Requests of addresses that asked too often, answered with 503.
    pub requests_refused: AtomicU64,
    /// Requests that panicked; each is a bug, and was answered with 500.
    pub panics: AtomicU64,
}

impl Counters {
    /// Every counter with its name, for metrics.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
        let requests = [
            ("requests_refused", &self.requests_refused),
            ("panics", &self.panics),
        ];
        let requests = requests.map(|(name, counter)| (name, counter.load(Ordering::Relaxed)));
        self.connections.all().chain(requests)
    }
}

impl Port {
    /// Answers one request of `caller`; whatever happens in it ends with an answer.
    ///
    /// A request with `Transfer-Encoding` is the last of its connection: if it had a `Content-Length` too, which is not to be seen
    /// here any more, a proxy in front may take for its body what would be read as the next request (RFC 9112, 6.1).
    ///
    /// So is one whose body nobody has read, which hyper may be unable to skip: a client that is not told sends its next request into
    /// a connection that is being closed.
    pub(crate) async fn answer(
        &self,
        caller: rpc::Caller,
        request: Request<impl Incoming>,
    ) -> Response<Body> {
        let (mut parts, body) = request.into_parts();
        let caller = match &self.proxies {
            Some(proxies) => proxies.caller(caller, &parts.headers),
            None => caller,
        };
        let peer = caller.peer;
        if let Some(direct) = &self.direct {
            parts.uri = direct.uri(parts.uri);
        }
        let logged = self.access_log.as_ref().map(|log| {
            let seen_as = SeenAs::default();
            let entry = log.begin(&caller, &parts, seen_as.clone());
            parts.extensions.insert(seen_as);
            (log, entry)
        });
        let is_read = AtomicBool::new(body.is_end_stream());
        let exchange = AssertUnwindSafe(self.exchange(caller, &parts, body, &is_read)).catch_unwind();
        let answer = exchange.await.unwrap_or_else(|_| {
            self.counters.panics.fetch_add(1, Ordering::Relaxed);
            tracing::error!(verb = %parts.method, path = %shown(parts.uri.path()), "a request panicked");
            Err(Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "this request met a bug; the log of this member has it",
            ))
        });
        let response = answer.unwrap_or_else(|mut problem| {
            if let Some(spread) = &self.spread {
                spread.apply(&mut problem.headers);
            }
            tracing::debug!(verb = %parts.method, path = %shown(parts.uri.path()), detail = problem.detail, "problem");
            let mut response = Response::new(body::full(problem.body()));
            *response.status_mut() = problem.status;
            *response.headers_mut() = problem.into_headers();
            response
        });
        let mut response = if parts.method == Method::HEAD {
            without_body(response)
        } else {
            response
        };
        let is_left = parts.version < Version::HTTP_2 && !is_read.load(Ordering::Relaxed);
        if is_left || parts.headers.contains_key(TRANSFER_ENCODING) {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(CONNECTION, close);
        }
        if let Some((log, entry)) = &logged {
            log.end(entry, &response);
        }
        let status = response.status().as_u16();
        tracing::debug!(?peer, verb = %parts.method, path = %shown(parts.uri.path()), status, "answered");
        response
    }

    async fn exchange(
        &self,
        caller: rpc::Caller,
        parts: &request::Parts,
        body: impl Incoming,
        is_read: &AtomicBool,
    ) -> Result<Response<Body>, Problem> {
        // behind one address of a caller with a name may be a whole site
        let has_a_name = self.direct.is_some() && parts.headers.contains_key(AUTHORIZATION);
        if !has_a_name {
            self.admission.request(caller.peer).inspect_err(|_| {
                self.counters.requests_refused.fetch_add(1, Ordering::Relaxed);
            })?;
        }
        check_form(&parts.headers)?;
        self.check_length(&parts.uri)?;
        let path = path::own(parts.uri.path(), &self.aliases);
        let path = path.as_ref();
        if let Some(direct) = &self.direct {
            direct.check(path)?;
        }
        if let Some(answer) = self.probes.answer(path, parts.uri.query()) {
            return answer;
        }
        if let Some(document) = self.document.as_ref().filter(|document| document.is_at(path)) {
            return Ok(self.described(document, parts).await?.map(body::full));
        }
        let told = |response| sent::told(response, path, caller.peer, &self.sent_files);
        if let Some(answer) = self.loaders.answer(&parts.method, path) {
            return answer.map(told);
        }
        if let Some((files, name)) = self
            .files
            .as_ref()
            .and_then(|files| Some((files, files.name(path)?)))
        {
            return files.answer(name, parts, caller.local).await.map(told);
        }
        let segments = path::segments(path)?;
        let (route, values) = match self.routes.find(&parts.method, &segments) {
            Found::Route(route, values) => (route, values),
            Found::OtherVerbs(allow) => return Err(Problem::other_verbs(&allow)),
            Found::Nothing => {
                return Err(Problem::new(
                    StatusCode::NOT_FOUND,
                    format!("no such route: {}", shown(path)),
                ));
            }
        };
        let caller = match &self.direct {
            Some(direct) => direct.caller(caller, &parts.headers, route),
            None => caller,
        };
        if let Some(frames) = route.websocket {
            let first = self.message(route, &values, parts, None)?;
            // in a box: it is rare, and every other request would carry its size
            return Box::pin(self.attach(route, frames, first.into(), parts, caller)).await;
        }
        let query = parts.uri.query().unwrap_or("");
        let asked = Asked {
            table: &self.routes,
            route,
            selection: Selection::parse(&self.routes.schema, route, query)?,
            headers: &parts.headers,
            cluster_id: (self.cluster_id)(),
            validate_only: trial::is_asked(route, &parts.headers, query)?,
            seen_as: parts.extensions.get::<SeenAs>().cloned(),
        };
        let mut message = {
            let received = self.received(route, parts, body).await?; // in memory no longer than it is needed
            is_read.fetch_or(received.is_some(), Ordering::Relaxed);
            self.message(route, &values, parts, received.as_ref())?
        };
        conditional::put_if_match(route, asked.headers, &asked.cluster_id, &mut message)?;
        from_headers::put(route, parts, &mut message)?;
        let answer = self.ask(&asked, &parts.uri, caller, message).await;
        Ok(answer?.map(body::full))
    }

    /// The document of the API, as this client takes it.
    async fn described(
        &self,
        document: &Document,
        parts: &request::Parts,
    ) -> Result<Response<Bytes>, Problem> {
        let response = document.answer(&parts.method, &parts.headers).await?;
        Ok(match &self.compressor {
            Some(compressor) => compressor.compress(&parts.headers, response).await,
            None => response,
        })
    }

    /// The service's answer to a request message, or that to the same request a moment ago if it has not changed.
    async fn ask(
        &self,
        asked: &Asked<'_>,
        uri: &Uri,
        caller: rpc::Caller,
        message: Vec<u8>,
    ) -> Result<Response<Bytes>, Problem> {
        let kept = self.kept.as_ref();
        let question = kept.and_then(|kept| kept.look_up(asked, uri, &message));
        let call = Call {
            path: asked.route.grpc_path.clone(),
            message: message.into(),
            caller,
            headers: asked.headers,
            passed: &self.passed,
            kept: question.as_ref().and_then(Question::etag),
            validate_only: asked.validate_only,
            seen_as: asked.seen_as.clone(),
            deadline: match asked.route.takes_long {
                true => self.limits.long_answer_at_most,
                false => self.limits.answer_at_most,
            },
        };
        let answer = match self.upstream.call(call).await {
            Ok(answer) => answer,
            Err(status) => {
                let problem = asked.problem(status);
                let kept = question.and_then(|question| question.unchanged(&problem, asked));
                return kept.ok_or(problem);
            }
        };
        let response = asked.respond(&answer)?;
        // What the guard tells no ETag of may have been cut to its caller's part of the system, whatever its object says.
        let is_everybodys = answer.metadata().contains_key(rpc::ETAG);
        let etag = response.headers().get(ETAG).cloned(); // compression weakens it
        let etag = etag.filter(|_| is_everybodys);
        let bytes = response.body().len();
        let response = match &self.compressor {
            Some(compressor) => compressor.compress(asked.headers, response).await,
            None => response,
        };
        if let (Some(kept), Some(question), Some(etag)) = (&self.kept, question, etag) {
            kept.keep(question, (etag, bytes), &response);
        }
        Ok(response)
    }

    /// # Errors
    /// 414 for a path and query over the limit.
    fn check_length(&self, uri: &Uri) -> Result<(), Problem> {
        let length = uri.path_and_query().map_or(0, |text| text.as_str().len());
        if length <= self.limits.uri_bytes_max {
            return Ok(());
        }
        let limit = format!(
            "path and query have {length} bytes, the limit is {}",
            self.limits.uri_bytes_max
        );
        Err(Problem::new(StatusCode::URI_TOO_LONG, limit))
    }

    /// The body, of a route that has one.
    async fn received(
        &self,
        route: &Route,
        parts: &request::Parts,
        body: impl Incoming,
    ) -> Result<Option<Received>, Problem> {
        let Limits {
            body_bytes_max,
            body_at_most,
            ..
        } = self.limits;
        if route.body == routes::Body::None {
            Ok(None)
        } else if body.size_hint().lower() > body_bytes_max as u64 && parts.headers.contains_key(EXPECT) {
            Err(body::too_large(body_bytes_max)) // before the client sends it
        } else {
            self.bodies
                .read(body, body_bytes_max, body_at_most)
                .await
                .map(Some)
        }
    }

    fn message(
        &self,
        route: &Route,
        values: &[&str],
        parts: &request::Parts,
        received: Option<&Received>,
    ) -> Result<Vec<u8>, Problem> {
        let said = Parts {
            values,
            query: parts.uri.query().unwrap_or(""),
            says_form: says_form(&parts.headers),
            body: received.map_or(&[], |received| &received.bytes),
        };
        encode(&self.routes.schema, route, said).map_err(|error| {
            let status = if error.malformed {
                route.malformed_body
            } else {
                StatusCode::BAD_REQUEST
            };
            Problem::as_error(status, error.detail(), error.as_error())
        })
    }
}

impl From<BadRequest> for Problem {
    fn from(error: BadRequest) -> Self {
        Self::as_error(StatusCode::BAD_REQUEST, error.detail(), error.as_error())
    }
}

/// What no request may say, whatever it is for.
fn check_form(headers: &HeaderMap) -> Result<(), Problem> {
    if headers.get_all(HOST).iter().nth(1).is_some() {
        let problem = "the header Host is there twice: a request is for one host";
        return Err(Problem::new(StatusCode::BAD_REQUEST, problem));
    }
    // a megabyte may unpack to a gigabyte; no client of these routes packs what it sends
    let mut codings = headers.get_all(CONTENT_ENCODING).iter();
    if codings.any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        let problem = "Content-Encoding: a body that is compressed is not taken; send it as it is";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, problem));
    }
    Ok(())
}

/// A path as the log may have it: a segment that is longer than names are may be a token, and is left out; a path of very many segments
/// is cut.
pub(crate) fn shown(path: &str) -> String {
    let segments = path.split('/').map(|segment| match segment.len() {
        0..=LOGGED_SEGMENT_BYTES_MAX => segment,
        _ => "…",
    });
    let mut shown = segments.collect::<Vec<_>>().join("/");
    if shown.len() > LOGGED_PATH_BYTES_MAX {
        let mut ends = (0..=LOGGED_PATH_BYTES_MAX).rev();
        let end = ends.find(|at| shown.is_char_boundary(*at));
        shown.truncate(end.unwrap_or_default());
        shown.push('…');
    }
    shown
}

/// The answer to HEAD: the length stays. hyper drops the body on HTTP/1.1, but on HTTP/2 it would send it, and
/// the client would end the stream with PROTOCOL_ERROR.
fn without_body(mut response: Response<Body>) -> Response<Body> {
    if let Some(length) = response.body().size_hint().exact() {
        response
            .headers_mut()
            .entry(CONTENT_LENGTH)
            .or_insert(length.into());
    }
    response.map(|_| body::empty())
}

fn says_form(headers: &HeaderMap) -> bool {
    let content_type = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("");
    let kind = content_type.split(';').next().unwrap_or("").trim();
    kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn what_may_be_a_token_is_in_no_log() {
        let token = "19abcdef012-8q0pXTwJ3cYdVpI4mQ1dYpDq5g7wK0z3b2n1m0l9k8j";
        let path = format!("/cloud-init/b/1267-00000000000000a1/t/{token}/meta-data");
        assert_eq!(shown(&path), "/cloud-init/b/1267-00000000000000a1/t/…/meta-data");
        assert_eq!(
            shown("/hsm/v2/State/Components/x1000c0s0b0n0"),
            "/hsm/v2/State/Components/x1000c0s0b0n0"
        );
        assert_eq!(shown(""), "");
    }

    /// A stranger may send a hundred kilobytes of segments that are short.
    #[test]
    fn a_path_in_the_log_has_a_bound() {
        for segment in ["a/", "é/"] {
            let shown = shown(&segment.repeat(20_000));
            assert!(
                shown.len() < 1100 && shown.ends_with('…'),
                "{} bytes",
                shown.len()
            );
        }
    }
}
