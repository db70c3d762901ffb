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
use super::token_source::{TokenSource, bearer};
use crate::tls::RenewedCertificate;
use crate::{CONSISTENCY, CONSISTENCY_LOCAL, Error};

/// A connection being made or in use; all waiting calls share it.
type Connecting = Shared<BoxFuture<'static, Result<Sender, Arc<DialError>>>>;

/// The endpoints of a channel and the connection in use.
pub(super) struct Connections {
    endpoints: Vec<Endpoint>,
    tls: TlsConnector,
    dialler: Dialler,
    authorization: Option<Authorization>,
    /// Whether reads ask for what the member has, whatever others have.
    reads_locally: bool,
    /// What `tls` shows, if it may change.
    certificate: Option<RenewedCertificate>,
    current: Mutex<Current>,
}

/// The bearer token of each call.
#[derive(Clone)]
pub(super) enum Authorization {
    /// One for all.
    Fixed(HeaderValue),
    /// Asked for with each.
    Source(Arc<dyn TokenSource>),
}

#[derive(Default)]
struct Current {
    /// Counts connections; its remainder is the endpoint in use.
    turn: usize,
    /// Which of the certificate's turns it was made with.
    certificate: u64,
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
            reads_locally: false,
            certificate: None,
            current: Mutex::default(),
        }
    }

    pub(super) fn with_authorization(&self, authorization: Authorization) -> Self {
        Self {
            authorization: Some(authorization),
            ..self.afresh()
        }
    }

    pub(super) fn with_local_reads(&self) -> Self {
        Self {
            reads_locally: true,
            ..self.afresh()
        }
    }

    /// The same, whose TLS configuration shows `certificate`: connections that were made before it was renewed are left.
    pub(super) fn with_certificate(&self, certificate: RenewedCertificate) -> Self {
        Self {
            certificate: Some(certificate),
            ..self.afresh()
        }
    }

    /// The same endpoints without a connection.
    fn afresh(&self) -> Self {
        Self {
            endpoints: self.endpoints.clone(),
            tls: self.tls.clone(),
            dialler: Arc::clone(&self.dialler),
            authorization: self.authorization.clone(),
            reads_locally: self.reads_locally,
            certificate: self.certificate.clone(),
            current: Mutex::default(),
        }
    }

    /// Sends `request` to the member in use, or to the next one that can be reached.
    pub(super) async fn send(&self, mut request: Request<Body>) -> Result<Response<Body>, Status> {
        if let Some(authorization) = &self.authorization {
            let value = authorization.header().await?;
            request.headers_mut().insert(header::AUTHORIZATION, value);
        }
        if self.reads_locally {
            let value = HeaderValue::from_static(CONSISTENCY_LOCAL);
            request.headers_mut().insert(CONSISTENCY, value);
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
        let certificate = self.certificate.as_ref().map_or(0, RenewedCertificate::turn);
        let mut current = self.current();
        if current.certificate != certificate {
            // the one before was made with a certificate that ends; its calls go on until they are done
            current.certificate = certificate;
            current.connecting = None;
        }
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
            current.turn = turn.wrapping_add(1);
            current.connecting = None;
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

impl Authorization {
    /// # Errors
    /// `UNAUTHENTICATED` if the source gives no token; nothing was sent.
    async fn header(&self) -> Result<HeaderValue, Status> {
        let source = match self {
            Self::Fixed(value) => return Ok(value.clone()),
            Self::Source(source) => source,
        };
        let none = |reason: String| Status::from(Error::Unauthenticated { reason });
        let token = source.token().await.map_err(|error| none(error.to_string()))?;
        bearer(&token).ok_or_else(|| none("the token source gives characters that no token has".to_owned()))
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
