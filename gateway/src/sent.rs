//! Tells the gateway's owner that a node was sent a file to its end: a boot file or a loader.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_RANGE};
use http::{Response, StatusCode};
use http_body::{Body as _, Frame, SizeHint};

use crate::body::{self, Body};

/// A file, or its rest, that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SentFile<'a> {
    /// Of the URL, as the node has written it.
    pub path: &'a str,
    /// The node's end of the connection.
    pub peer: SocketAddr,
    /// Sent with this answer.
    pub bytes: u64,
}

/// Whom to tell. It is called where the answer is sent, and must not block.
pub type SentFiles = Arc<dyn Fn(SentFile<'_>) + Send + Sync>;

/// `response`, whose last byte is told of if it is that of the file. What breaks off before is not.
pub(crate) fn told(
    response: Response<Body>,
    path: &str,
    peer: Option<SocketAddr>,
    files: &SentFiles,
) -> Response<Body> {
    let (Some(peer), Some(bytes)) = (peer, length(&response).filter(|_| reaches_end(&response))) else {
        return response;
    };
    let (path, files) = (path.to_owned(), Arc::clone(files));
    let tell = move || {
        let path = &path;
        files(SentFile { path, peer, bytes });
    };
    response.map(|body| {
        body::boxed(Told {
            body,
            left: bytes,
            tell: Some(tell),
        })
    })
}

/// Bytes of the body, if it has any. One that is read in pieces does not know, but its header does.
fn length(response: &Response<Body>) -> Option<u64> {
    let header = || {
        response
            .headers()
            .get(CONTENT_LENGTH)?
            .to_str()
            .ok()?
            .parse()
            .ok()
    };
    let bytes = response.body().size_hint().exact().or_else(header);
    bytes.filter(|bytes| *bytes > 0)
}

fn reaches_end(response: &Response<Body>) -> bool {
    if response.status() != StatusCode::PARTIAL_CONTENT {
        return response.status() == StatusCode::OK;
    }
    let range = response
        .headers()
        .get(CONTENT_RANGE)
        .and_then(|range| range.to_str().ok());
    let ends = range.and_then(|range| {
        let (part, size) = range.rsplit_once('/')?;
        let (_, last) = part.rsplit_once('-')?;
        Some((last.parse::<u64>().ok()?, size.parse::<u64>().ok()?))
    });
    ends.is_some_and(|(last, size)| last + 1 == size)
}

/// A body that calls `tell` with its last byte.
struct Told<F> {
    body: Body,
    left: u64,
    tell: Option<F>,
}

impl<F: FnOnce() + Send + Unpin> http_body::Body for Told<F> {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &frame {
            let sent = frame.data_ref().map_or(0, |data| data.len() as u64);
            self.left = self.left.saturating_sub(sent);
            let is_last = self.left == 0;
            if let Some(tell) = self.tell.take_if(|_| is_last) {
                tell();
            }
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
