//! A body that is a part of a file: sent by the kernel straight from its page cache where the connection allows it,
//! read in pieces otherwise.

use std::fs::File;
use std::future::Future;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http_body::{Frame, SizeHint};
use http_body_util::StreamBody;
use rustix::io::{Errno, ReadWriteFlags, preadv2};
use tokio::task::JoinHandle;

use crate::body::{self, Body};
use crate::wire::Wire;

/// Bytes that the kernel is given at a time; about 0.1 ms of work. After each the other connections have their turn,
/// so that a boot storm's files do not delay its scripts.
const TURN_BYTES: u64 = 512 * 1024;
/// Bytes that an answer holds in memory at a time where they have to be read.
const PIECE_BYTES: u64 = 256 * 1024;

/// The bytes `first..first + length` of `file`. A file that shrinks meanwhile ends the connection with an error: a
/// short answer must not look like a whole one.
pub(crate) fn body(file: File, first: u64, length: u64, wire: Option<&Wire>) -> Body {
    match wire {
        Some(wire) => body::boxed(SendFile {
            file: Arc::new(file),
            wire: wire.clone(),
            at: first,
            end: first + length,
            turn: Turn::Head,
        }),
        None => pieces(file, first, length),
    }
}

/// What a [`SendFile`] does when it is polled next.
enum Turn {
    /// Asks for the head of the response to be sent first.
    Head,
    /// Sends once the head is out.
    AfterHead,
    /// Sends what the page cache has.
    Send,
    /// Lets the others have their turn.
    Yield,
    /// Waits for the disk, on another thread.
    Read(JoinHandle<io::Result<()>>),
}

struct SendFile {
    file: Arc<File>,
    wire: Wire,
    at: u64,
    end: u64,
    turn: Turn,
}

impl SendFile {
    /// Whether the next bytes are in the page cache, so that sending them waits for no disk.
    fn is_cached(&self, count: u64) -> bool {
        let mut byte = [0];
        let mut probe = |at| {
            let mut into = [io::IoSliceMut::new(&mut byte)];
            preadv2(&*self.file, &mut into, at, ReadWriteFlags::NOWAIT) != Err(Errno::AGAIN)
        };
        // File systems that cannot tell (EOPNOTSUPP) are in memory, or take their chance.
        probe(self.at) && probe(self.at + count - 1)
    }

    fn read_ahead(&self, count: u64) -> JoinHandle<io::Result<()>> {
        let (file, at) = (Arc::clone(&self.file), self.at);
        tokio::task::spawn_blocking(move || file.read_exact_at(&mut vec![0; count as usize], at))
    }
}

impl http_body::Body for SendFile {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = &mut *self;
        loop {
            if this.at == this.end {
                return Poll::Ready(None);
            }
            let count = (this.end - this.at).min(TURN_BYTES);
            match std::mem::replace(&mut this.turn, Turn::Send) {
                Turn::Head => {
                    this.wire.await_head();
                    this.turn = Turn::AfterHead;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                // The socket is full: HTTP flushes when it takes more, and polls again then.
                Turn::AfterHead if !this.wire.head_is_out() => {
                    this.turn = Turn::AfterHead;
                    return Poll::Pending;
                }
                Turn::AfterHead => {}
                Turn::Yield => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Turn::Read(mut reading) => match Pin::new(&mut reading).poll(cx) {
                    Poll::Pending => {
                        this.turn = Turn::Read(reading);
                        return Poll::Pending;
                    }
                    Poll::Ready(read) => {
                        read.map_err(io::Error::other)??;
                        return this.send(cx, count);
                    }
                },
                Turn::Send if this.is_cached(count) => return this.send(cx, count),
                Turn::Send => this.turn = Turn::Read(this.read_ahead(count)),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.at == self.end
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.end - self.at)
    }
}

impl SendFile {
    fn send(&mut self, cx: &mut Context<'_>, count: u64) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let sent = ready!(self.wire.poll_send_file(cx, &self.file, self.at, count as usize))?;
        if sent == 0 {
            return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into())));
        }
        self.at += sent as u64;
        self.turn = Turn::Yield;
        Poll::Ready(Some(Ok(Frame::data(counted(sent)))))
    }
}

/// Stands for `count` bytes that are sent already: HTTP counts them, nobody reads them.
fn counted(count: usize) -> Bytes {
    static BYTES: OnceLock<Bytes> = OnceLock::new();
    BYTES
        .get_or_init(|| Bytes::from(vec![0; TURN_BYTES as usize]))
        .slice(..count)
}

/// Reads piece by piece, as fast as the client takes them.
fn pieces(file: File, first: u64, length: u64) -> Body {
    let file = Arc::new(file);
    let starts = (first..first + length).step_by(PIECE_BYTES as usize);
    let pieces = stream::iter(starts).then(move |start| {
        let file = Arc::clone(&file);
        let count = PIECE_BYTES.min(first + length - start) as usize;
        async move {
            let read = tokio::task::spawn_blocking(move || {
                let mut piece = vec![0; count];
                file.read_exact_at(&mut piece, start)
                    .map(|()| Frame::data(Bytes::from(piece)))
            });
            read.await.map_err(io::Error::other)?
        }
    });
    body::boxed(StreamBody::new(pieces))
}
