//! HTTP/2 on one connection, the same on every port: all of the guards there are, and whoever is silent or does not read.

use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

use super::PortCounters;
use super::counters::count;
use super::unread::Unread;

/// Limits of one HTTP/2 connection.
///
/// What has no number here is bounded by these: CONTINUATION frames by `header_list_bytes_max` (CVE-2024-27316), streams that a
/// client's own errors make us reset by `local_error_reset_streams_max` (MadeYouReset, CVE-2025-8671), and one answer to a
/// PING or SETTINGS at a time, because nothing more is read before it is written.
#[derive(Clone, Copy, Debug)]
pub struct Http2Limits {
    /// Time from the handshake to the first request: a connection that never asks anything is closed.
    pub first_call_at_most: Duration,
    /// Requests at once on one connection.
    pub concurrent_streams_max: u32,
    /// Streams that the client reset before they were accepted (rapid reset, CVE-2023-44487).
    pub pending_accept_reset_streams_max: usize,
    /// Streams that we reset because of the client's errors.
    pub local_error_reset_streams_max: usize,
    /// All headers of one request, bytes.
    pub header_list_bytes_max: u32,
    /// Headers that the client may have us remember, bytes.
    pub header_table_bytes: u32,
    /// Longest frame, bytes.
    pub frame_bytes_max: u32,
    /// Flow-control window of one stream, bytes.
    pub stream_window_bytes: u32,
    /// Flow-control window of one connection, bytes.
    pub connection_window_bytes: u32,
    /// What of one answer waits to be sent, bytes.
    pub send_buffer_bytes_max: usize,
    /// Pause between pings.
    pub keep_alive_interval: Duration,
    /// A connection whose ping is not answered for this long is closed.
    pub keep_alive_timeout: Duration,
    /// A connection on which an answer waits for this long to be read on is closed.
    pub unread_at_most: Duration,
}

impl Http2Limits {
    /// Limits of the ports for administrators and services.
    pub fn api() -> Self {
        Self {
            first_call_at_most: Duration::from_secs(30),
            concurrent_streams_max: 256,
            pending_accept_reset_streams_max: 20,
            local_error_reset_streams_max: 256,
            header_list_bytes_max: 16 * 1024,
            header_table_bytes: 4096,
            frame_bytes_max: 16 * 1024,
            stream_window_bytes: 1 << 20,
            connection_window_bytes: 4 << 20,
            send_buffer_bytes_max: 128 * 1024,
            keep_alive_interval: Duration::from_secs(15),
            keep_alive_timeout: Duration::from_secs(20),
            unread_at_most: Duration::from_secs(60),
        }
    }

    /// Limits of the peer port: wide windows for snapshots, and a dead member is noticed soon.
    pub fn peer() -> Self {
        Self {
            concurrent_streams_max: 1024,
            stream_window_bytes: 4 << 20,
            connection_window_bytes: 16 << 20,
            send_buffer_bytes_max: 400 * 1024,
            keep_alive_interval: Duration::from_secs(5),
            keep_alive_timeout: Duration::from_secs(5),
            ..Self::api()
        }
    }

    fn builder(&self) -> http2::Builder<TokioExecutor> {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .max_concurrent_streams(self.concurrent_streams_max)
            .max_pending_accept_reset_streams(self.pending_accept_reset_streams_max)
            .max_local_error_reset_streams(self.local_error_reset_streams_max)
            .max_header_list_size(self.header_list_bytes_max)
            .header_table_size(self.header_table_bytes)
            .max_frame_size(self.frame_bytes_max)
            .adaptive_window(false) // it would put its own windows in the place of these
            .initial_stream_window_size(self.stream_window_bytes)
            .initial_connection_window_size(self.connection_window_bytes)
            .max_send_buf_size(self.send_buffer_bytes_max)
            .keep_alive_interval(self.keep_alive_interval)
            .keep_alive_timeout(self.keep_alive_timeout);
        builder
    }
}

/// Answers what is asked over `io` to its end; when `draining` says so, what has been asked by then is the last.
///
/// # Errors
/// What hyper says of a connection that broke, or of a client that broke the protocol.
pub async fn serve_http2<Io, Answer, Answering, B>(
    io: Io,
    answer: Answer,
    limits: Http2Limits,
    counters: &PortCounters,
    mut draining: watch::Receiver<bool>,
) -> Result<(), hyper::Error>
where
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    Answer: Fn(Request<Incoming>) -> Answering + Send + 'static,
    Answering: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = Bytes> + Unpin + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let (called, unread) = (Arc::new(AtomicBool::new(false)), Unread::default());
    let service = {
        let (called, unread) = (Arc::clone(&called), unread.clone());
        service_fn(move |request: Request<Incoming>| {
            called.store(true, Ordering::Relaxed);
            let (answering, unread) = (answer(request), unread.clone());
            async move { Ok::<_, Infallible>(answering.await.map(|body| unread.watched(body))) }
        })
    };
    let connection = limits.builder().serve_connection(TokioIo::new(io), service);
    tokio::pin!(connection);
    // Even one that sends no HTTP/2 preface, which hyper would wait for without end.
    let silent_too_long = async {
        tokio::time::sleep(limits.first_call_at_most).await;
        if called.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        ended = connection.as_mut() => return ended,
        () = silent_too_long => {
            count(&counters.silent_closed);
            return Ok(());
        }
        () = unread.longer_than(limits.unread_at_most) => {
            count(&counters.unread_closed);
            return Ok(());
        }
        _ = draining.wait_for(|draining| *draining) => connection.as_mut().graceful_shutdown(),
    }
    connection.await
}
