//! From a request to its answer: counted, delayed, answered, spoilt.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use serde_json::Value;

use super::answers::{Body, Content, Reply, streamed};
use super::counts::InFlight;
use super::expand::Expand;
use super::faults::Fault;
use super::overlay::{Bmc, Overlay};
use super::tree::{ROOT, normal};
use super::{events, login, power, shown, spoil, tasks};

/// Longest body of a request, bytes.
const BODY_BYTES_MAX: usize = 1 << 20;

/// The connection ends instead of an answer.
#[derive(Debug, thiserror::Error)]
#[error("the emulated BMC ends the connection")]
pub(crate) struct Cut;

/// A request, as far as it matters.
struct Asked {
    method: Method,
    /// Normal.
    uri: String,
    query: String,
    headers: HeaderMap,
    body: Value,
}

impl Asked {
    async fn read(request: Request<Incoming>) -> Result<Asked, Cut> {
        let (parts, body) = request.into_parts();
        let body = Limited::new(body, BODY_BYTES_MAX)
            .collect()
            .await
            .map_err(|_| Cut)?;
        Ok(Asked {
            uri: normal(parts.uri.path()),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            method: parts.method,
            headers: parts.headers,
            // what is no JSON has no members, and is refused for that
            body: serde_json::from_slice(&body.to_bytes()).unwrap_or_default(),
        })
    }

    fn header(&self, name: header::HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    fn is_for_root(&self) -> bool {
        self.method == Method::GET && self.uri == ROOT
    }

    /// What everybody may ask, and the login itself.
    fn needs_no_login(&self, sessions: &str) -> bool {
        match self.method {
            Method::GET => {
                let open = [ROOT, "/redfish", "/redfish/v1/odata", "/redfish/v1/$metadata"];
                open.contains(&self.uri.as_str())
            }
            _ => self.method == Method::POST && self.uri == sessions,
        }
    }
}

/// Answers one request.
///
/// # Errors
/// [`Cut`] where the connection is to end.
pub(crate) async fn answer(bmc: Arc<Bmc>, request: Request<Incoming>) -> Result<Response<Body>, Cut> {
    let asked = Asked::read(request).await?;
    let _in_work = InFlight::begin(&bmc, &asked.method, &asked.uri);
    let latency = bmc.overlay().latency;
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    let fault = bmc.overlay().faults.spoiling(&asked.uri);
    match fault {
        Some(Fault::ConnectionReset) => return Err(Cut),
        Some(Fault::Silent) => std::future::pending::<()>().await,
        Some(Fault::Busy(_)) => return Ok(Reply::busy().into_response()),
        Some(Fault::EndlessBody) if asked.method == Method::GET => {
            return Ok(Response::new(streamed(spoil::endless())));
        }
        Some(Fault::Unauthorized) if !asked.is_for_root() => return Ok(login::refused().into_response()),
        _ => {}
    }
    let reply = reply(&bmc, &asked).ok_or(Cut)?;
    Ok(match fault {
        Some(fault) if asked.method == Method::GET => spoilt(reply, &fault, &asked.uri),
        _ => reply.into_response(),
    })
}

/// The answer of a BMC without a fault; `None`: the connection ends.
fn reply(bmc: &Arc<Bmc>, asked: &Asked) -> Option<Reply> {
    let places = bmc.tree().places();
    let mut overlay = bmc.overlay();
    if !asked.needs_no_login(&places.sessions) && !login::admits(&overlay, &asked.headers) {
        return Some(login::refused());
    }
    match asked.method {
        Method::GET if Some(&asked.uri) == places.event_stream.as_ref() => {
            Some(events::subscribe(&mut overlay.streams))
        }
        Method::GET => Some(read(bmc, &overlay, asked)),
        Method::PATCH => Some(patch(bmc, &mut overlay, asked)),
        Method::DELETE => Some(overlay.sessions.close(&asked.uri)),
        Method::POST => {
            drop(overlay);
            post(bmc, asked)
        }
        _ => Some(not_allowed(asked)),
    }
}

fn read(bmc: &Bmc, overlay: &Overlay, asked: &Asked) -> Reply {
    let expand = Expand::of(&asked.query).filter(|_| bmc.tree().places().expands);
    if let Some(task) = overlay.tasks.show(&asked.uri) {
        return task;
    }
    let loops = || {
        overlay
            .faults
            .behaviour(&asked.uri, |fault| (*fault == Fault::LinkLoop).then_some(()))
    };
    let Some(shown) = shown::shown(bmc, overlay, &asked.uri) else {
        return match spoil::inside_loop(&asked.uri).filter(|_| loops().is_some()) {
            Some(value) => Reply::made(StatusCode::OK, &value),
            None => Reply::not_found(&asked.uri),
        };
    };
    let reply = match expand {
        None => shown.into_reply(),
        Some(expand) => {
            let mut value = shown.into_value();
            expand.apply(bmc, overlay, &mut value);
            Reply::made(StatusCode::OK, &value)
        }
    };
    reply.unless_known(asked.header(header::IF_NONE_MATCH))
}

fn post(bmc: &Arc<Bmc>, asked: &Asked) -> Option<Reply> {
    let places = bmc.tree().places();
    let target = Some(&asked.uri);
    if asked.uri == places.sessions {
        let mut overlay = bmc.overlay();
        let without = overlay
            .faults
            .behaviour(&asked.uri, |fault| (*fault == Fault::NoSessions).then_some(()));
        return Some(match without {
            Some(()) => not_allowed(asked),
            None => login::open(&mut overlay, &places.sessions, &asked.body),
        });
    }
    let system = places
        .systems
        .iter()
        .position(|system| system.reset_target.as_ref() == target);
    if let Some(system) = system {
        return power::reset(bmc, system, &asked.body);
    }
    if places.simple_update.as_ref() == target {
        return Some(tasks::simple_update(&mut bmc.overlay(), &asked.uri, &asked.body));
    }
    Some(not_allowed(asked))
}

fn patch(bmc: &Bmc, overlay: &mut Overlay, asked: &Asked) -> Reply {
    let Some(shown) = shown::shown(bmc, overlay, &asked.uri) else {
        return Reply::not_found(&asked.uri);
    };
    let expected = asked.header(header::IF_MATCH);
    if expected.is_some_and(|expected| expected != "*" && expected != shown.etag()) {
        return Reply::error(
            StatusCode::PRECONDITION_FAILED,
            "Base.1.8.PreconditionFailed",
            "the resource has another ETag by now",
        );
    }
    if overlay.accounts.user_at(&asked.uri).is_none() {
        return not_allowed(asked);
    }
    overlay
        .accounts
        .patch(&asked.uri, &asked.body, bmc.tree().places())
}

fn not_allowed(asked: &Asked) -> Reply {
    let text = format!("{} {} is not supported", asked.method, asked.uri);
    Reply::error(
        StatusCode::METHOD_NOT_ALLOWED,
        "Base.1.8.OperationNotAllowed",
        &text,
    )
}

/// The answer with what `fault` does to it; what is no resource stays as it is.
fn spoilt(reply: Reply, fault: &Fault, uri: &str) -> Response<Body> {
    let is_found = reply.status == StatusCode::OK;
    let Reply {
        content: Content::Json(body),
        ..
    } = &reply
    else {
        return reply.into_response();
    };
    let body = body.clone();
    if !is_found {
        return reply.into_response();
    }
    let remade = |change: &dyn Fn(&mut Value)| {
        let mut value = serde_json::from_slice(&body).unwrap_or_default();
        change(&mut value);
        Reply::made(StatusCode::OK, &value).into_response()
    };
    match fault {
        Fault::Truncated => with_body(reply, Full::new(spoil::truncated(&body)).boxed_unsync()),
        Fault::SlowDrip(pause) => with_body(reply, streamed(spoil::dripping(body, *pause))),
        Fault::WrongTypes => remade(&spoil::wrong_types),
        Fault::MissingMembers => remade(&spoil::missing_members),
        Fault::LinkLoop => remade(&|value: &mut Value| spoil::loop_members(uri, value)),
        _ => reply.into_response(),
    }
}

/// The head of `reply`, and another body.
fn with_body(reply: Reply, body: Body) -> Response<Body> {
    let mut without = reply;
    without.content = Content::Json(Bytes::new());
    without.into_response().map(|_| body)
}
