//! Calls that are repeated by themselves, at whichever member answers, and never made twice.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full};
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Service, ServiceExt as _};

use super::{Channel, Trials};
use crate::request_id::{ACK_BELOW, CLIENT_ID, SEQ, SESSION_AGE_MS};
use crate::{OUTCOME, RETRY_AFTER_S};

/// How long one member may take for an attempt before the next is asked.
const ATTEMPT_AT_MOST: Duration = Duration::from_secs(3);
/// Pause before an attempt after one that failed.
const PAUSE: Duration = Duration::from_millis(50);
/// A session that old is left for a new one: the cluster forgets one an hour after its last request.
const SESSION_AT_MOST: Duration = Duration::from_secs(20 * 60);
/// Requests of one session from the oldest that is not done to the newest: the cluster keeps 1,024 outcomes of each.
const SPAN_MAX: u64 = 512;

/// A channel for unary calls. Each gets a number in a session; after an attempt whose outcome is unknown, or that a member
/// could not take, the call is repeated under the same number, at the next member, until `at_most` is over. A client that
/// can reach no member learns so at once. Cheap to clone; clones share the session.
#[derive(Clone)]
pub struct ExactlyOnce {
    channel: Channel,
    session: Arc<Mutex<Session>>,
    at_most: Duration,
    /// Nothing is changed: writes are tried out.
    trials: Option<Trials>,
}

/// The session in use.
struct Session {
    id: String,
    opened: Opened,
    next_seq: u64,
    open: BTreeSet<u64>,
}

/// When a session was opened. The longer of two clocks' opinions counts: one stands still while the host sleeps, the other
/// is set by hand.
#[derive(Clone, Copy)]
struct Opened(Instant, SystemTime);

/// One call's place in its session; the call is done when it drops.
struct Ticket {
    owner: Arc<Mutex<Session>>,
    id: String,
    seq: u64,
    ack_below: u64,
    opened: Opened,
}

impl ExactlyOnce {
    /// Calls over `channel` that take at most `at_most`, with all attempts.
    pub fn new(channel: Channel, at_most: Duration) -> ExactlyOnce {
        ExactlyOnce {
            channel,
            session: Arc::new(Mutex::new(Session::new())),
            at_most,
            trials: None,
        }
    }

    /// The same, with every write tried out instead of made.
    #[must_use]
    pub fn only_trying(self, trials: Trials) -> ExactlyOnce {
        ExactlyOnce {
            trials: Some(trials),
            ..self
        }
    }

    /// The call as it is, or tried out if this client changes nothing and the call is a write.
    async fn settle_or_try(
        &self,
        mut parts: http::request::Parts,
        body: Bytes,
    ) -> Result<Response<Body>, Status> {
        let Some(trials) = &self.trials else {
            return self.settle(&parts, body).await;
        };
        let path = parts.uri.path().to_owned();
        let is_write = trials.mark(&path, &mut parts.headers)?;
        let answer = self.settle(&parts, body).await;
        match failure(&answer) {
            None if is_write => Err(trials.ended(answer?.headers())),
            _ => answer,
        }
    }

    async fn settle(&self, parts: &http::request::Parts, body: Bytes) -> Result<Response<Body>, Status> {
        let deadline = Instant::now() + self.at_most;
        let ticket = Ticket::take(&self.session);
        let mut unknown = false;
        loop {
            let mut request = Request::from_parts(parts.clone(), Body::new(Full::new(body.clone())));
            ticket.sign(request.headers_mut());
            let left = deadline.saturating_duration_since(Instant::now());
            let answer = self.attempt(request, left.min(ATTEMPT_AT_MOST)).await;
            let Some(status) = failure(&answer).filter(|status| unknown || is_open(status)) else {
                return answer;
            };
            if !matches!(
                status.code(),
                Code::Unavailable | Code::DeadlineExceeded | Code::ResourceExhausted
            ) {
                // It did not look at what an attempt before has done.
                return match unknown && !is_outcome(status.code()) {
                    true => Err(crate::Error::OutcomeUnknown.into()),
                    false => answer,
                };
            }
            unknown |= status.metadata().contains_key(OUTCOME);
            if Instant::now() + PAUSE >= deadline {
                return if unknown {
                    Err(crate::Error::OutcomeUnknown.into())
                } else {
                    answer
                };
            }
            tracing::debug!(seq = ticket.seq, "the call is repeated: {status}");
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// One attempt; the answer is read whole, because a connection that breaks in the middle of it is an unknown outcome.
    async fn attempt(&self, mut request: Request<Body>, at_most: Duration) -> Result<Response<Body>, Status> {
        request.headers_mut().insert("grpc-timeout", timeout(at_most));
        let turn = self.channel.turn();
        let call = async {
            let response = self.channel.clone().oneshot(request).await?;
            let (parts, body) = response.into_parts();
            let broken = |_broken_off| Status::from(crate::Error::OutcomeUnknown);
            let body = body.collect().await.map_err(broken)?;
            let trailers = body.trailers().cloned().map(Ok);
            let body = Full::new(body.to_bytes()).with_trailers(std::future::ready(trailers));
            Ok(Response::from_parts(parts, Body::new(body)))
        };
        match tokio::time::timeout(at_most, call).await {
            Ok(answer) => answer,
            Err(_) => {
                // It hangs: whoever asks next, asks the next member.
                self.channel.leave(turn);
                Err(crate::Error::DeadlineExceeded { after: at_most }.into())
            }
        }
    }
}

impl Service<Request<Body>> for ExactlyOnce {
    type Response = Response<Body>;
    type Error = Status;
    type Future = BoxFuture<'static, Result<Response<Body>, Status>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(())) // waiting for a connection is part of the call
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let once = self.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await?.to_bytes();
            once.settle_or_try(parts, body).await
        })
    }
}

impl Session {
    fn new() -> Session {
        let mut id = [0; 16];
        // Without randomness no TLS connection could be made either.
        aws_lc_rs::rand::fill(&mut id).expect("the system gives random bytes");
        Session {
            id: id.iter().map(|byte| format!("{byte:02x}")).collect(),
            opened: Opened(Instant::now(), SystemTime::now()),
            next_seq: 1,
            open: BTreeSet::new(),
        }
    }

    fn is_spent(&self) -> bool {
        let oldest = self.open.first().copied().unwrap_or(self.next_seq);
        self.opened.age() > SESSION_AT_MOST || self.next_seq - oldest >= SPAN_MAX
    }
}

impl Opened {
    fn age(self) -> Duration {
        let by_wall_clock = SystemTime::now().duration_since(self.1).unwrap_or_default();
        self.0.elapsed().max(by_wall_clock)
    }
}

impl Ticket {
    fn take(owner: &Arc<Mutex<Session>>) -> Ticket {
        let mut session = lock(owner);
        if session.is_spent() {
            // Calls in progress go on in the old one, which their tickets name.
            *session = Session::new();
        }
        let seq = session.next_seq;
        session.next_seq += 1;
        session.open.insert(seq);
        Ticket {
            owner: Arc::clone(owner),
            id: session.id.clone(),
            seq,
            ack_below: session.open.first().copied().unwrap_or(seq),
            opened: session.opened,
        }
    }

    fn sign(&self, headers: &mut HeaderMap) {
        let id = HeaderValue::try_from(&self.id).expect("hex digits are a header");
        headers.insert(CLIENT_ID, id);
        headers.insert(SEQ, self.seq.into());
        headers.insert(ACK_BELOW, self.ack_below.into());
        headers.insert(SESSION_AGE_MS, millis(self.opened.age()).into());
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut session = lock(&self.owner);
        if session.id == self.id {
            session.open.remove(&self.seq);
        }
    }
}

/// What an answer says that is no success.
fn failure(answer: &Result<Response<Body>, Status>) -> Option<Status> {
    match answer {
        Ok(response) => {
            Status::from_header_map(response.headers()).filter(|status| status.code() != Code::Ok)
        }
        Err(status) => Some(status.clone()),
    }
}

/// Whether a member said that another attempt may do, or nobody knows what was done. Where no member at all can be
/// reached, the caller is told at once.
fn is_open(status: &Status) -> bool {
    let has = |key| status.metadata().contains_key(key);
    has(OUTCOME) || has(RETRY_AFTER_S)
}

/// Whether the replicated state may have answered: what a member refuses by itself says nothing of earlier attempts.
fn is_outcome(code: Code) -> bool {
    matches!(
        code,
        Code::Ok
            | Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::FailedPrecondition
            | Code::Aborted
            | Code::OutOfRange
    )
}

fn timeout(at_most: Duration) -> HeaderValue {
    HeaderValue::try_from(format!("{}m", millis(at_most))).expect("digits and a letter are a header")
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn lock(session: &Mutex<Session>) -> MutexGuard<'_, Session> {
    session.lock().unwrap_or_else(PoisonError::into_inner)
}
