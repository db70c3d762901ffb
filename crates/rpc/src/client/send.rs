//! Which member gets the next call, and what happens when it does not answer.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderValue, Request, Response, Uri, header};
use rustls::ClientConfig;
use tokio_rustls::TlsConnector;
use tonic::body::Body;
use tonic::{Code, Status};

use super::dial::{DialError, Dialler, Endpoint, Sender, dial};
use crate::Error;

/// A connection being made or in use; all waiting calls share it.
type Connecting = Shared<BoxFuture<'static, Result<Sender, Arc<DialError>>>>;

/// The endpoints of a channel and the connection in use.
pub(super) struct Connections {
    endpoints: Vec<Endpoint>,
    tls: TlsConnector,
    dialler: Dialler,
    authorization: Option<HeaderValue>,
    current: Mutex<Current>,
}

#[derive(Default)]
struct Current {
    /// Counts connections; its remainder is the endpoint in use.
    turn: usize,
    connecting: Option<Connecting>,
}

impl Connections {
    pub(super) fn new(endpoints: Vec<Endpoint>, tls: ClientConfig, dialler: Dialler) -> Self {
        let tls = TlsConnector::from(Arc::new(tls));
        Self {
            endpoints,
            tls,
            dialler,
            authorization: None,
            current: Mutex::default(),
        }
    }

    pub(super) fn with_authorization(&self, value: HeaderValue) -> Self {
        Self {
            endpoints: self.endpoints.clone(),
            tls: self.tls.clone(),
            dialler: Arc::clone(&self.dialler),
            authorization: Some(value),
            current: Mutex::default(),
        }
    }

    /// Sends `request` to the member in use, or to the next one that can be reached.
    pub(super) async fn send(&self, mut request: Request<Body>) -> Result<Response<Body>, Status> {
        if let Some(value) = &self.authorization {
            request.headers_mut().insert(header::AUTHORIZATION, value.clone());
        }
        let mut problems = Vec::new();
        // Each endpoint once, and one more: the connection in use may have died since the last call.
        for _ in 0..=self.endpoints.len() {
            let (turn, endpoint, connecting) = self.connection();
            let mut sender = match connecting.await {
                Ok(sender) => sender,
                Err(error) => {
                    self.give_up(turn);
                    problems.push(error.to_string());
                    continue;
                }
            };
            *request.uri_mut() = at(endpoint, request.uri());
            match sender.try_send_request(request).await {
                Ok(response) => {
                    self.rotate_if_unavailable(turn, &response);
                    return Ok(response.map(Body::new));
                }
                Err(mut error) => {
                    self.give_up(turn);
                    match error.take_message() {
                        Some(unsent) => request = unsent,
                        None => return Err(lost(endpoint, &error.into_error())),
                    }
                }
            }
        }
        problems.dedup();
        Err(Status::unavailable(format!(
            "no member can be reached: {}",
            problems.join("; ")
        )))
    }

    /// The connection in use, or a new one to the endpoint whose turn it is.
    fn connection(&self) -> (usize, &Endpoint, Connecting) {
        let mut current = self.current();
        let turn = current.turn;
        let endpoint = &self.endpoints[turn % self.endpoints.len()];
        let connecting = current.connecting.get_or_insert_with(|| {
            dial(endpoint.clone(), self.tls.clone(), Arc::clone(&self.dialler))
                .boxed()
                .shared()
        });
        (turn, endpoint, connecting.clone())
    }

    pub(super) fn turn(&self) -> usize {
        self.current().turn
    }

    /// Leaves the connection of `turn` to its calls in progress; the next call takes the next endpoint.
    pub(super) fn give_up(&self, turn: usize) {
        let mut current = self.current();
        if current.turn == turn {
            *current = Current {
                turn: turn.wrapping_add(1),
                connecting: None,
            };
        }
    }

    /// A member that says UNAVAILABLE is cut off or starting: the next call asks another one, if any.
    fn rotate_if_unavailable<B>(&self, turn: usize, response: &Response<B>) {
        let status = response
            .headers()
            .get("grpc-status")
            .map(|code| Code::from_bytes(code.as_bytes()));
        if status == Some(Code::Unavailable) && self.endpoints.len() > 1 {
            self.give_up(turn);
        }
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `uri`'s path at `endpoint`.
fn at(endpoint: &Endpoint, uri: &Uri) -> Uri {
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(Scheme::HTTPS);
    parts.authority = Some(endpoint.authority.clone());
    parts.path_and_query = Some(
        uri.path_and_query()
            .cloned()
            .unwrap_or_else(|| PathAndQuery::from_static("/")),
    );
    Uri::from_parts(parts).expect("scheme, authority and path are all there")
}

/// The request may have arrived before the connection broke.
fn lost(endpoint: &Endpoint, error: &hyper::Error) -> Status {
    let mut text = format!("the connection to {} broke: {error}", endpoint.authority);
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    let unknown = Status::from(Error::OutcomeUnknown);
    Status::with_metadata(Code::Unavailable, text, unknown.metadata().clone())
}
