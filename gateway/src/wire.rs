//! A plain TCP connection that HTTP and a body share: the body sends a file's pages straight to the socket
//! (`sendfile(2)`), and HTTP, which counts the bytes of every body, gets as many that it may throw away.
//!
//! What makes it sound: hyper writes a response's head, then its body, in order, and flushes this stream only when
//! nothing is left in its own buffer. A body begins after such a flush, so the head is out; and until the bytes that it
//! has sent are "written" by hyper too, whatever hyper writes is that body. If a later hyper should do otherwise,
//! responses break at once and every test of a download fails; no answer can look right and be wrong.

use std::io;
use std::os::fd::AsRawFd as _;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use nix::sys::socket;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

/// The connection; cheap to clone. One task uses all of its clones.
#[derive(Clone, Debug)]
pub(crate) struct Wire(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    stream: TcpStream,
    /// Bytes that a body has sent itself and HTTP has not passed on yet.
    sent_past: AtomicU64,
    /// Whether HTTP's buffer has been empty since a body asked.
    flushed: AtomicBool,
}

impl Wire {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self(Arc::new(Shared {
            stream,
            sent_past: AtomicU64::new(0),
            flushed: AtomicBool::new(false),
        }))
    }

    /// A body is about to begin: from now on a flush means that its head is out.
    pub(crate) fn await_head(&self) {
        self.0.flushed.store(false, Ordering::Relaxed);
    }

    /// Whether everything that HTTP had to say before the body is with the kernel.
    pub(crate) fn head_is_out(&self) -> bool {
        self.0.flushed.load(Ordering::Relaxed)
    }

    /// Sends up to `count` bytes of `file` from `offset`; waits until the socket takes some. 0: the file ends there.
    pub(crate) fn poll_send_file(
        &self,
        cx: &mut Context<'_>,
        file: &std::fs::File,
        offset: u64,
        count: usize,
    ) -> Poll<io::Result<usize>> {
        let stream = &self.0.stream;
        loop {
            ready!(stream.poll_write_ready(cx))?;
            let mut at = offset;
            let send = || Ok(rustix::fs::sendfile(stream, file, Some(&mut at), count)?);
            match stream.try_io(Interest::WRITABLE, send) {
                Ok(sent) => {
                    self.0.sent_past.fetch_add(sent as u64, Ordering::Relaxed);
                    return Poll::Ready(Ok(sent));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// How many of `offered` bytes are only counted, because the body has sent them already.
    fn pass_over(&self, offered: usize) -> usize {
        let due = self.0.sent_past.load(Ordering::Relaxed);
        let passed = usize::try_from(due).map_or(offered, |due| due.min(offered));
        self.0.sent_past.fetch_sub(passed as u64, Ordering::Relaxed);
        passed
    }

    fn poll_io<T>(
        &self,
        cx: &mut Context<'_>,
        ready: impl Fn(&TcpStream, &mut Context<'_>) -> Poll<io::Result<()>>,
        mut attempt: impl FnMut(&TcpStream) -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        loop {
            ready!(ready(&self.0.stream, cx))?;
            match attempt(&self.0.stream) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = ready!(self.poll_io(cx, TcpStream::poll_read_ready, |stream| {
            stream.try_read(into.initialize_unfilled())
        }))?;
        into.advance(read);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.pass_over(bytes.len()) {
            0 => self.poll_io(cx, TcpStream::poll_write_ready, |stream| stream.try_write(bytes)),
            passed => Poll::Ready(Ok(passed)),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.pass_over(parts.iter().map(|part| part.len()).sum()) {
            0 => self.poll_io(cx, TcpStream::poll_write_ready, |stream| {
                stream.try_write_vectored(parts)
            }),
            passed => Poll::Ready(Ok(passed)),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.flushed.store(true, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let fd = self.0.stream.as_raw_fd();
        Poll::Ready(socket::shutdown(fd, socket::Shutdown::Write).map_err(io::Error::from))
    }
}
