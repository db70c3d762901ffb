//! Requests to one BMC: at most so many at once over connections that are kept, each bounded in time and size.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::connection::{Connection, Way};
use crate::{Error, Limits};

/// What is sent.
#[derive(Clone)]
pub(crate) struct Sent {
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) path: String,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// JSON; empty: none.
    pub(crate) body: Bytes,
}

impl Sent {
    /// `method path` without anything else.
    pub(crate) fn new(method: Method, path: &str) -> Sent {
        Sent {
            method,
            path: path.to_owned(),
            headers: Vec::new(),
            body: Bytes::new(),
        }
    }

    /// As errors name it.
    pub(crate) fn what(&self) -> String {
        let path = self.path.split('?').next().unwrap_or_default();
        format!("{} {path}", self.method)
    }
}

/// What came back.
pub(crate) struct Received {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Received {
    /// A header's text; empty: there is none.
    pub(crate) fn header(&self, name: HeaderName) -> &str {
        let value = self.headers.get(name).map(HeaderValue::to_str);
        value.and_then(Result::ok).unwrap_or_default()
    }
}

/// The way to one BMC, with its open connections.
pub(crate) struct Wire {
    way: Way,
    limits: Limits,
    all: Arc<Semaphore>,
    own: Semaphore,
    idle: Mutex<Vec<Connection>>,
    requests: AtomicU64,
}

impl Wire {
    /// `all` bounds the requests to all BMCs together.
    pub(crate) fn new(way: Way, limits: &Limits, all: Arc<Semaphore>) -> Wire {
        Wire {
            way,
            own: Semaphore::new(limits.requests_in_flight.max(1)),
            limits: limits.clone(),
            all,
            idle: Mutex::default(),
            requests: AtomicU64::new(0),
        }
    }

    pub(crate) fn way(&self) -> &Way {
        &self.way
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Requests sent.
    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Sends `sent` and reads the whole answer.
    ///
    /// # Errors
    /// Everything but [`Error::Status`], [`Error::Credentials`] and [`Error::Unsupported`].
    pub(crate) async fn exchange(&self, sent: &Sent) -> Result<Received, Error> {
        let _permits = self.permits().await?;
        let connection = match self.idle_connection() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let answer = self.limits.answer;
        match within(answer, &sent.what(), self.over(connection, sent)).await? {
            Ok(received) => Ok(received),
            Err(Lost::Said(error)) => Err(error),
            // the BMC closed an idle connection: what it has not read is sent again, over a new one
            Err(Lost::Unread) => {
                let connection = self.connect().await?;
                let again = within(answer, &sent.what(), self.over(connection, sent)).await?;
                again.map_err(|lost| lost.said(sent))
            }
        }
    }

    /// Sends `sent` over a connection of its own and leaves the answer's body to the caller.
    ///
    /// # Errors
    /// As [`Wire::exchange`].
    pub(crate) async fn stream(&self, sent: &Sent) -> Result<(Connection, Response<Incoming>), Error> {
        let _permits = self.permits().await?;
        let mut connection = self.connect().await?;
        let head = within(self.limits.answer, &sent.what(), self.head(&mut connection, sent)).await?;
        let head = head.map_err(|lost| lost.said(sent))?;
        Ok((connection, head))
    }

    /// First a place at this BMC, then one of all: who waits for a slow BMC holds nobody else up.
    async fn permits(&self) -> Result<(SemaphorePermit<'_>, SemaphorePermit<'_>), Error> {
        let closed = |_| Error::Unsupported("no requests are made any more".to_owned());
        let own = self.own.acquire().await.map_err(closed)?;
        let all = self.all.acquire().await.map_err(closed)?;
        Ok((own, all))
    }

    async fn connect(&self) -> Result<Connection, Error> {
        let bound = self.limits.connect;
        let connecting = Box::pin(self.way.connect());
        // nothing was sent yet: this is no request without an answer
        tokio::time::timeout(bound, connecting).await.unwrap_or_else(|_| {
            Err(Error::Unreachable {
                address: self.way.address().to_string(),
                problem: format!("not within {} ms", bound.as_millis()),
            })
        })
    }

    fn idle_connection(&self) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(connection) = idle.pop() {
            if connection.sender.is_ready() {
                return Some(connection);
            }
        }
        None
    }

    fn keep(&self, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < self.limits.requests_in_flight {
            idle.push(connection);
        }
    }

    async fn over(&self, mut connection: Connection, sent: &Sent) -> Result<Received, Lost> {
        let response = self.head(&mut connection, sent).await?;
        let (head, body) = response.into_parts();
        let body = self.body(sent, body).await?;
        // it takes the next request only once its own task has seen the end of this answer
        if connection.sender.ready().await.is_ok() {
            self.keep(connection);
        }
        Ok(Received {
            status: head.status,
            headers: head.headers,
            body,
        })
    }

    async fn head(&self, connection: &mut Connection, sent: &Sent) -> Result<Response<Incoming>, Lost> {
        let request = self
            .request(sent)
            .map_err(|problem| Lost::broken(sent, problem))?;
        self.requests.fetch_add(1, Ordering::Relaxed);
        let mut error = match connection.sender.try_send_request(request).await {
            Ok(response) => return Ok(response),
            Err(error) => error,
        };
        let is_read = error.take_message().is_none();
        let error = error.into_error();
        // a read may be sent twice; anything else only if the BMC surely has not seen it
        match !is_read || (sent.method == Method::GET && is_closed(&error)) {
            true => Err(Lost::Unread),
            false => Err(Lost::broken(sent, error.to_string())),
        }
    }

    fn request(&self, sent: &Sent) -> Result<Request<Full<Bytes>>, String> {
        let mut request = Request::builder()
            .method(sent.method.clone())
            .uri(&sent.path)
            .header(header::HOST, self.way.address().authority())
            .header(header::USER_AGENT, "chamois")
            .header(header::ACCEPT_ENCODING, "identity")
            .header("OData-Version", "4.0");
        if !sent.body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        for (name, value) in &sent.headers {
            request = request.header(name, value);
        }
        request
            .body(Full::new(sent.body.clone()))
            .map_err(|error| error.to_string())
    }

    async fn body(&self, sent: &Sent, mut body: Incoming) -> Result<Bytes, Lost> {
        let mut read = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| Lost::broken(sent, error.to_string()))?;
            let Ok(data) = frame.into_data() else { continue };
            if read.len() + data.len() > self.limits.resource_bytes_max {
                let max = self.limits.resource_bytes_max;
                return Err(Lost::Said(Error::Limit {
                    what: sent.what(),
                    problem: format!("its answer has more than {max} bytes"),
                }));
            }
            read.extend_from_slice(&data);
        }
        Ok(read.freeze())
    }
}

/// Whether the connection ended before an answer began.
fn is_closed(error: &hyper::Error) -> bool {
    let cause = std::error::Error::source(error);
    error.is_incomplete_message()
        || error.is_canceled()
        || cause.is_some_and(|cause| cause.is::<std::io::Error>())
}

/// Why there is no answer.
enum Lost {
    /// The BMC has not seen the request, or it may be seen twice.
    Unread,
    Said(Error),
}

impl Lost {
    fn broken(sent: &Sent, problem: String) -> Lost {
        Lost::Said(Error::Broken {
            what: sent.what(),
            problem,
        })
    }

    fn said(self, sent: &Sent) -> Error {
        match self {
            Lost::Said(error) => error,
            Lost::Unread => Error::Broken {
                what: sent.what(),
                problem: "the connection was closed before there was an answer".to_owned(),
            },
        }
    }
}

/// Waits for `work`, and no longer than `bound`.
pub(crate) async fn within<T>(
    bound: Duration,
    what: &str,
    work: impl Future<Output = T>,
) -> Result<T, Error> {
    tokio::time::timeout(bound, work)
        .await
        .map_err(|_| Error::Timeout {
            what: what.to_owned(),
            ms: u64::try_from(bound.as_millis()).unwrap_or(u64::MAX),
        })
}
