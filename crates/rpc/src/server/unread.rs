//! Answers over HTTP/2 that their client does not read: in pieces, so that little of one lies about, and each with the time
//! since it waits.
//!
//! A client that gives a stream no window, or a byte of it now and then, and answers every ping, looks alive to HTTP/2. But
//! hyper asks a body for its next frame only when the one before has found room, so from how long a body has not been asked
//! it can be told that nobody reads.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

/// What is handed on at once: h2 takes a frame whole as soon as there is room for one byte of it, and keeps it.
const PIECE_BYTES_MAX: usize = 16 * 1024;
/// How often within the time they are given the answers are looked at.
const LOOKS: u32 = 4;

/// The answers of one connection that wait to be read; cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Unread(Arc<Mutex<Waiting>>);

#[derive(Debug, Default)]
struct Waiting {
    /// Bodies so far.
    numbered: u64,
    /// Which of them wait, and since when. A connection has a few hundred streams at most.
    since: Vec<(u64, Instant)>,
}

impl Unread {
    /// The same body, in pieces that are looked after.
    pub(super) fn watched<B>(&self, inner: B) -> Watched<B> {
        let mut waiting = self.lock();
        waiting.numbered += 1;
        Watched {
            inner,
            rest: Bytes::new(),
            number: waiting.numbered,
            unread: self.clone(),
        }
    }

    /// Completes when an answer has waited for `at_most`, or a quarter of it longer.
    pub(super) async fn longer_than(&self, at_most: Duration) {
        loop {
            tokio::time::sleep(at_most / LOOKS).await;
            let oldest = self.lock().since.iter().map(|(_, since)| *since).min();
            if oldest.is_some_and(|since| since.elapsed() >= at_most) {
                return;
            }
        }
    }

    fn is_asked_for_more(&self, number: u64) {
        self.lock().since.retain(|(waiting, _)| *waiting != number);
    }

    fn waits(&self, number: u64, since: Instant) {
        self.lock().since.push((number, since));
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A body that tells when it waits for its client.
#[derive(Debug)]
pub(super) struct Watched<B> {
    inner: B,
    /// What is left of the frame that is handed on.
    rest: Bytes,
    number: u64,
    unread: Unread,
}

impl<B: Body<Data = Bytes> + Unpin> Body for Watched<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = &mut *self;
        this.unread.is_asked_for_more(this.number);
        if this.rest.is_empty() {
            let frame = match Pin::new(&mut this.inner).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => frame,
                other => return other,
            };
            match frame.into_data() {
                Ok(data) => this.rest = data,
                Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
            }
        }
        let piece = this.rest.split_to(this.rest.len().min(PIECE_BYTES_MAX));
        this.unread.waits(this.number, Instant::now());
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (inner, rest) = (self.inner.size_hint(), self.rest.len() as u64);
        let mut hint = SizeHint::new();
        hint.set_lower(inner.lower() + rest);
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper + rest);
        }
        hint
    }
}

impl<B> Drop for Watched<B> {
    fn drop(&mut self) {
        self.unread.is_asked_for_more(self.number);
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt as _, Empty, Full};

    use super::*;

    const AT_MOST: Duration = Duration::from_millis(40);

    fn full(bytes: usize) -> Full<Bytes> {
        Full::new(Bytes::from(vec![7; bytes]))
    }

    async fn is_cut_off(unread: &Unread) -> bool {
        tokio::time::timeout(5 * AT_MOST, unread.longer_than(AT_MOST))
            .await
            .is_ok()
    }

    /// The length is said before the first piece, and nothing is lost or added.
    #[tokio::test]
    async fn a_body_is_the_same_in_pieces() {
        let bytes = 3 * PIECE_BYTES_MAX + 1;
        let mut body = Unread::default().watched(full(bytes));
        assert_eq!(body.size_hint().exact(), Some(bytes as u64));
        let (mut pieces, mut seen) = (Vec::new(), 0);
        while let Some(frame) = body.frame().await {
            let piece = frame.unwrap().into_data().unwrap().len();
            pieces.push(piece);
            seen += piece;
            assert_eq!(body.size_hint().exact(), Some((bytes - seen) as u64));
            assert_eq!(body.is_end_stream(), seen == bytes);
        }
        assert_eq!(pieces, [PIECE_BYTES_MAX, PIECE_BYTES_MAX, PIECE_BYTES_MAX, 1]);
    }

    /// An answer without a body ends with its headers.
    #[tokio::test]
    async fn nothing_stays_nothing() {
        let mut body = Unread::default().watched(Empty::<Bytes>::new());
        assert!(body.is_end_stream());
        assert_eq!(body.size_hint().exact(), Some(0));
        assert!(body.frame().await.is_none());
    }

    #[tokio::test]
    async fn who_does_not_come_for_the_next_piece_is_cut_off() {
        let unread = Unread::default();
        let mut body = unread.watched(full(2 * PIECE_BYTES_MAX));
        assert!(!is_cut_off(&unread).await, "it has not been sent anything yet");
        body.frame().await.unwrap().unwrap();
        assert!(is_cut_off(&unread).await);
        body.frame().await.unwrap().unwrap();
        drop(body);
        assert!(!is_cut_off(&unread).await, "it is over");
    }

    /// A watch that has nothing to tell waits for us, not for its client.
    #[tokio::test]
    async fn a_body_without_news_may_take_its_time() {
        let unread = Unread::default();
        let quiet = http_body_util::StreamBody::new(futures::stream::pending::<
            Result<Frame<Bytes>, std::convert::Infallible>,
        >());
        let mut body = unread.watched(quiet);
        let asked = tokio::time::timeout(AT_MOST, body.frame()).await;
        assert!(asked.is_err());
        assert!(!is_cut_off(&unread).await);
    }

    /// One that is read must not excuse one that is not.
    #[tokio::test]
    async fn each_answer_counts_for_itself() {
        let unread = Unread::default();
        let (mut left, mut read) = (unread.watched(full(1)), unread.watched(full(1)));
        left.frame().await.unwrap().unwrap();
        read.frame().await.unwrap().unwrap();
        assert!(read.frame().await.is_none());
        assert!(is_cut_off(&unread).await);
    }
}
