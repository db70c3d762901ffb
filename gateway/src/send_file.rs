//! A body that is a part of a file: sent by the kernel straight from its page cache where the connection allows it,
//! read in pieces otherwise.

use std::fs::{File, Metadata};
use std::future::Future;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http_body::{Frame, SizeHint};
use http_body_util::StreamBody;
use rustix::io::{Errno, ReadWriteFlags, preadv2};
use tokio::task::JoinHandle;

use crate::body::{self, Body};
use crate::unchanged::Unchanged;
use crate::wire::Wire;

/// Bytes that are sent before the other connections have their turn, so that a boot storm's files do not delay its
/// scripts: some 30 us of work.
const TURN_BYTES: u64 = 128 * 1024;
/// Bytes that are read into the page cache at a time.
const AHEAD_BYTES: u64 = 512 * 1024;
/// One byte of so many is looked up in the page cache: what the kernel reads and forgets at a time is mostly larger.
const PROBE_BYTES: u64 = 32 * 1024;
/// Bytes that an answer holds in memory at a time where they have to be read.
const PIECE_BYTES: u64 = 256 * 1024;

/// The bytes `range` of `file`, which was `seen` when its length and ETag were found. A file that is written meanwhile
/// ends the connection with an error: neither a short answer nor one of two versions must look like a whole one.
pub(crate) fn body(file: File, seen: &Metadata, range: Range<u64>, wire: Option<&Wire>) -> Body {
    let unchanged = Unchanged::since(seen);
    match wire {
        Some(wire) => body::boxed(SendFile::new(file, unchanged, range, wire)),
        None => pieces(file, unchanged, range),
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
    unchanged: Unchanged,
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
    fn new(file: File, unchanged: Unchanged, range: Range<u64>, wire: &Wire) -> Self {
        Self {
            file: Arc::new(file),
            unchanged,
            wire: wire.clone(),
            at: range.start,
            end: range.end,
            cached_to: range.start,
            before_yield: TURN_BYTES,
            turn: Turn::Head,
        }
    }

    /// The end of what may be sent before the others have their turn.
    fn turn_end(&self) -> u64 {
        self.end.min(self.at + self.before_yield)
    }

    /// Whether the bytes up to `to` are in the page cache, so that sending them waits for no disk.
    fn is_cached(&self, to: u64) -> bool {
        let mut probes = (self.at..to).step_by(PROBE_BYTES as usize);
        probes.all(|at| self.is_cached_at(at)) && self.is_cached_at(to - 1)
    }

    /// File systems that cannot tell (EOPNOTSUPP) are in memory, or take their chance.
    fn is_cached_at(&self, at: u64) -> bool {
        let mut byte = [0];
        let mut into = [io::IoSliceMut::new(&mut byte)];
        preadv2(&*self.file, &mut into, at, ReadWriteFlags::NOWAIT) != Err(Errno::AGAIN)
    }

    fn read_ahead(&self) -> JoinHandle<io::Result<()>> {
        let (file, at) = (Arc::clone(&self.file), self.at);
        let count = AHEAD_BYTES.min(self.end - at) as usize;
        tokio::task::spawn_blocking(move || file.read_exact_at(&mut vec![0; count], at))
    }

    fn send(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.unchanged.check(&self.file)?;
        let count = (self.cached_to - self.at) as usize;
        let Poll::Ready(sent) = self.wire.poll_send_file(cx, &self.file, self.at, count) else {
            self.cached_to = self.at; // until the client takes more the cache may forget it
            return Poll::Pending;
        };
        let sent = sent?;
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
                        this.cached_to = this.turn_end();
                    }
                },
                Turn::Send if this.at < this.cached_to => return this.send(cx),
                Turn::Send if this.is_cached(this.turn_end()) => this.cached_to = this.turn_end(),
                Turn::Send => this.turn = Turn::Read(this.read_ahead()),
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

/// The piece of `count` bytes from `start` on, of the same version as those before it.
fn piece(file: &File, unchanged: &Mutex<Unchanged>, start: u64, count: usize) -> io::Result<Frame<Bytes>> {
    let mut piece = vec![0; count];
    file.read_exact_at(&mut piece, start)?;
    unchanged
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .check(file)?;
    Ok(Frame::data(Bytes::from(piece)))
}

/// Reads piece by piece, as fast as the client takes them.
fn pieces(file: File, unchanged: Unchanged, range: Range<u64>) -> Body {
    let shared = Arc::new((file, Mutex::new(unchanged)));
    let starts = range.clone().step_by(PIECE_BYTES as usize);
    let pieces = stream::iter(starts).then(move |start| {
        let shared = Arc::clone(&shared);
        let count = PIECE_BYTES.min(range.end - start) as usize;
        async move {
            let read = tokio::task::spawn_blocking(move || piece(&shared.0, &shared.1, start, count));
            read.await.map_err(io::Error::other)?
        }
    });
    body::boxed(StreamBody::new(pieces))
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use http_body::Body as _;
    use http_body_util::BodyExt as _;
    use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    const FILE_BYTES: usize = 3 * AHEAD_BYTES as usize / 2 + 5;
    /// How often the kernel is asked to forget pages that it may be using just then.
    const TRIES_MAX: usize = 100;

    /// A body over a connection whose head is out, and the client's end.
    async fn begun(file: &File) -> (SendFile, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut wire = Wire::new(listener.accept().await.unwrap().0);
        let unchanged = Unchanged::since(&file.metadata().unwrap());
        let range = 0..FILE_BYTES as u64;
        let mut body = SendFile::new(file.try_clone().unwrap(), unchanged, range, &wire);
        assert!(poll_now(&mut body).is_pending());
        wire.flush().await.unwrap();
        (body, client)
    }

    fn poll_now(body: &mut SendFile) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop()))
    }

    /// Has the kernel forget what it has of the file behind the next byte.
    fn make_cold(body: &SendFile) {
        body.file.sync_all().unwrap();
        for _ in 0..TRIES_MAX {
            posix_fadvise(&*body.file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED).unwrap();
            if !body.is_cached(body.turn_end()) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        panic!("the file stays in the page cache");
    }

    /// Waiting for the disk on a thread that serves others would delay their boots; and what was in memory at one turn
    /// need not be there at the next.
    #[tokio::test]
    async fn a_cold_file_is_read_on_another_thread_at_each_turn() {
        // beside the test itself: /tmp may be in memory
        let beside = std::env::current_exe().unwrap();
        let folder = tempfile::tempdir_in(beside.parent().unwrap()).unwrap();
        let content: Vec<u8> = (0..FILE_BYTES).map(|n| (n / 7 % 251) as u8).collect();
        std::fs::write(folder.path().join("large"), &content).unwrap();
        let file = File::open(folder.path().join("large")).unwrap();
        let (mut body, mut client) = begun(&file).await;
        let mut received = Vec::new();
        while !body.is_end_stream() {
            make_cold(&body);
            while !matches!(body.turn, Turn::Read(_)) {
                assert!(poll_now(&mut body).is_pending(), "sent what is not in memory");
            }
            let turn_end = body.turn_end();
            while body.at < turn_end {
                let sent = body.frame().await.unwrap().unwrap().into_data().unwrap().len();
                let mut part = vec![0; sent];
                client.read_exact(&mut part).await.unwrap();
                received.extend(part);
            }
        }
        assert!(received == content);
    }

    /// Both ends of a turn in memory say nothing about its middle.
    #[tokio::test]
    async fn a_hole_in_the_cache_is_seen() {
        let beside = std::env::current_exe().unwrap();
        let folder = tempfile::tempdir_in(beside.parent().unwrap()).unwrap();
        std::fs::write(folder.path().join("large"), vec![7; FILE_BYTES]).unwrap();
        let file = File::open(folder.path().join("large")).unwrap();
        let (body, _client) = begun(&file).await;
        assert!(body.is_cached(TURN_BYTES), "it was just written");
        make_cold(&body);
        let no_more_than_asked = PosixFadviseAdvice::POSIX_FADV_RANDOM;
        posix_fadvise(&*body.file, 0, 0, no_more_than_asked).unwrap();
        for at in [0, TURN_BYTES - 1] {
            body.file.read_exact_at(&mut [0], at).unwrap();
            assert!(
                body.is_cached_at(at),
                "{at}: what was read is there, and nothing else"
            );
        }
        assert!(!body.is_cached(TURN_BYTES));
    }
}
