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

/// Bytes that are sent before the other connections have their turn, so that a boot storm's files do not delay its
/// scripts: some 30 us of work.
const TURN_BYTES: u64 = 128 * 1024;
/// Bytes that are looked up in the page cache, or read into it, at a time.
const AHEAD_BYTES: u64 = 512 * 1024;
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
            cached_to: first,
            before_yield: TURN_BYTES,
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
    /// The bytes before this one are in the page cache, or were a moment ago.
    cached_to: u64,
    /// Bytes that may be sent before the others have their turn.
    before_yield: u64,
    turn: Turn,
}

impl SendFile {
    /// Whether the bytes up to `to` are in the page cache, so that sending them waits for no disk.
    fn is_cached(&self, to: u64) -> bool {
        let mut byte = [0];
        let mut probe = |at| {
            let mut into = [io::IoSliceMut::new(&mut byte)];
            preadv2(&*self.file, &mut into, at, ReadWriteFlags::NOWAIT) != Err(Errno::AGAIN)
        };
        // File systems that cannot tell (EOPNOTSUPP) are in memory, or take their chance.
        probe(self.at) && probe(to - 1)
    }

    fn read_ahead(&self, to: u64) -> JoinHandle<io::Result<()>> {
        let (file, at) = (Arc::clone(&self.file), self.at);
        tokio::task::spawn_blocking(move || file.read_exact_at(&mut vec![0; (to - at) as usize], at))
    }

    fn send(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let count = (self.cached_to - self.at).min(self.before_yield) as usize;
        let sent = ready!(self.wire.poll_send_file(cx, &self.file, self.at, count))?;
        if sent == 0 {
            return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into())));
        }
        self.at += sent as u64;
        self.before_yield -= sent as u64;
        if self.before_yield == 0 {
            self.before_yield = TURN_BYTES;
            self.turn = Turn::Yield;
        }
        Poll::Ready(Some(Ok(Frame::data(counted(sent)))))
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
            let ahead = this.end.min(this.at + AHEAD_BYTES);
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
                        this.cached_to = ahead;
                    }
                },
                Turn::Send if this.at < this.cached_to => return this.send(cx),
                Turn::Send if this.is_cached(ahead) => this.cached_to = ahead,
                Turn::Send => this.turn = Turn::Read(this.read_ahead(ahead)),
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
