//! Bodies: what the gateway sends, and bounded reading of what it gets.

use std::convert::Infallible;
use std::fmt::Display;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::problem::Problem;

/// A request's body.
pub(crate) trait Incoming: http_body::Body<Data = Bytes, Error: Display> + Unpin {}

impl<B: http_body::Body<Data = Bytes, Error: Display> + Unpin> Incoming for B {}

/// A response's body.
pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// Unit of the memory budget, bytes: permits are counted in `u32`.
const PERMIT_BYTES: usize = 1024;

pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into())
        .map_err(|never: Infallible| match never {})
        .boxed_unsync()
}

pub(crate) fn empty() -> Body {
    full(Bytes::new())
}

pub(crate) fn boxed(body: impl http_body::Body<Data = Bytes, Error = io::Error> + Send + 'static) -> Body {
    body.boxed_unsync()
}

/// Memory that the bodies of all requests may take together.
#[derive(Clone, Debug)]
pub(crate) struct Budget(Arc<Semaphore>);

/// A request's whole body; its memory is given back to the budget when this is dropped.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) bytes: Bytes,
    _share: Vec<OwnedSemaphorePermit>,
}

impl Budget {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes_max / PERMIT_BYTES)))
    }

    /// Reads all of `body`.
    ///
    /// # Errors
    /// 413 over `bytes_max`, 408 when it takes longer than `time_max`, 503 when other bodies fill the
    /// budget, 400 when the connection breaks.
    pub(crate) async fn read(
        &self,
        mut body: impl Incoming,
        bytes_max: usize,
        time_max: Duration,
    ) -> Result<Received, Problem> {
        // more than `discard` would take off: there is nothing to wait for
        if body.size_hint().lower() / 2 > bytes_max as u64 {
            return Err(too_large(bytes_max));
        }
        let read = async {
            let mut share = Vec::new();
            let mut bytes = BytesMut::new();
            let mut paid = 0;
            while let Some(chunk) = next_chunk(&mut body).await? {
                if bytes.len() + chunk.len() > bytes_max {
                    discard(&mut body, bytes_max).await;
                    return Err(too_large(bytes_max));
                }
                bytes.extend_from_slice(&chunk);
                if bytes.len() > paid {
                    // Twice what is there, as the buffer itself grows.
                    let more = u32::try_from(bytes.len() / PERMIT_BYTES + 1).unwrap_or(u32::MAX);
                    let permit = Arc::clone(&self.0).try_acquire_many_owned(more);
                    share.push(permit.map_err(|_| {
                        Problem::busy("too many large requests at once; nothing was changed")
                    })?);
                    paid += more as usize * PERMIT_BYTES;
                }
            }
            Ok(Received {
                bytes: bytes.freeze(),
                _share: share,
            })
        };
        let slow = || {
            Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                format!("the body took more than {time_max:?}"),
            )
        };
        tokio::time::timeout(time_max, read)
            .await
            .unwrap_or_else(|_| Err(slow()))
    }
}

/// The body is over the limit, which the text names.
pub(crate) fn too_large(bytes_max: usize) -> Problem {
    let limit = format!("the body is larger than the limit of {bytes_max} bytes; send it in parts");
    let error = rpc::Error::TooLarge {
        what: "the body".to_owned(),
        limit: format!("{bytes_max} bytes"),
    };
    Problem::as_error(StatusCode::PAYLOAD_TOO_LARGE, limit, error)
}

/// Takes up to `bytes_max` more off the connection: closing it at once would reset it, and a client that is
/// still sending would never read why.
pub(crate) async fn discard(body: &mut impl Incoming, bytes_max: usize) {
    let mut left = bytes_max;
    while let Ok(Some(chunk)) = next_chunk(body).await {
        match left.checked_sub(chunk.len()) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

async fn next_chunk<B: Incoming>(body: &mut B) -> Result<Option<Bytes>, Problem> {
    while let Some(frame) = body.frame().await {
        let broken =
            |error: B::Error| Problem::new(StatusCode::BAD_REQUEST, format!("the body ended early: {error}"));
        if let Ok(chunk) = frame.map_err(broken)?.into_data() {
            return Ok(Some(chunk));
        }
    }
    Ok(None)
}
