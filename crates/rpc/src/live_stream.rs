//! A stream that ends when its caller's right to it does: the guard has asked once, before the first message.

use bytes::Bytes;
use futures::stream;
use http::{HeaderMap, HeaderValue};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Body as _, Frame};
use tokio::sync::watch;
use tokio::time::{Duration, Instant};
use tonic::body::Body;
use tonic::{Code, Status};

use crate::Error;
use crate::error::SUBJECT;
use crate::error_details;

/// When is asked again whether what had an end has ended, if the authority's clock is behind.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// What is left of a stream, and who watches it.
struct Live<C> {
    body: Body,
    /// `None` once nobody can change anything any more.
    changes: Option<watch::Receiver<u64>>,
    /// When what proves the caller ends; `None`: never.
    ends_at: Option<Instant>,
    check: C,
}

/// The same body; it ends with the status of `check`'s error as soon as that fails after `changes` has moved, if it may, or after `ends_in`.
/// What the client has not read by then it does not get.
pub(crate) fn until_revoked(
    body: Body,
    changes: Option<watch::Receiver<u64>>,
    ends_in: Option<Duration>,
    check: impl Fn() -> Result<(), Error> + Send + 'static,
) -> Body {
    // An error that is told by the headers alone: wrapped, it would be followed by an empty frame, and gRPC of Go and of the C
    // core takes that for a stream that broke, whatever the headers say.
    if body.is_end_stream() {
        return body;
    }
    let live = Live {
        body,
        changes,
        // an end that no clock reaches is none
        ends_at: ends_in.and_then(|left| Instant::now().checked_add(left)),
        check,
    };
    Body::new(StreamBody::new(stream::unfold(Some(live), next)))
}

async fn next<C>(live: Option<Live<C>>) -> Option<(Result<Frame<Bytes>, Status>, Option<Live<C>>)>
where
    C: Fn() -> Result<(), Error>,
{
    let mut live = live?;
    loop {
        tokio::select! {
            biased;
            moved = moved(&mut live.changes) => {
                if !moved {
                    live.changes = None;
                } else if let Err(error) = (live.check)() {
                    return Some((Ok(Frame::trailers(trailers(error))), None));
                }
            }
            () = ended(live.ends_at) => {
                live.ends_at = Some(Instant::now() + AGAIN_AFTER);
                if let Err(error) = (live.check)() {
                    return Some((Ok(Frame::trailers(trailers(error))), None));
                }
            }
            frame = live.body.frame() => {
                return frame.map(|frame| (frame, Some(live)));
            }
        }
    }
}

/// Whether something may have changed; `false` if nothing can any more.
async fn moved(changes: &mut Option<watch::Receiver<u64>>) -> bool {
    match changes {
        Some(changes) => changes.changed().await.is_ok(),
        None => std::future::pending().await,
    }
}

/// Until then; for ever without an end.
async fn ended(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// The same body; an error at its end does not say what is for the guard alone, and says to programs what every error does.
pub(crate) fn as_told(body: Body) -> Body {
    Body::new(body.map_frame(|frame| match frame.into_trailers() {
        Ok(mut trailers) => {
            trailers.remove(SUBJECT);
            error_details::complete(&mut trailers);
            Frame::trailers(trailers)
        }
        Err(frame) => frame,
    }))
}

/// The end of a stream that says why.
fn trailers(error: Error) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    if Status::from(error).add_header(&mut trailers).is_err() {
        let code = HeaderValue::from(Code::PermissionDenied as i32);
        trailers.insert(Status::GRPC_STATUS, code);
    }
    trailers
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use futures::StreamExt as _;

    use super::*;

    const AT_MOST: Duration = Duration::from_secs(10);

    /// A stream of one message that never ends by itself, and what makes it end.
    struct Stream {
        body: Body,
        changes: watch::Sender<u64>,
        is_revoked: Arc<AtomicBool>,
        checks: Arc<AtomicUsize>,
    }

    fn stream_of(body: Body) -> Stream {
        stream_that_ends(body, None)
    }

    fn stream_that_ends(body: Body, ends_in: Option<Duration>) -> Stream {
        let (changes, receiver) = watch::channel(0);
        let (is_revoked, checks) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (revoked, count) = (Arc::clone(&is_revoked), Arc::clone(&checks));
        let check = move || {
            count.fetch_add(1, Ordering::SeqCst);
            match revoked.load(Ordering::SeqCst) {
                false => Ok(()),
                true => Err(Error::Unauthenticated {
                    reason: "it was revoked".to_owned(),
                }),
            }
        };
        Stream {
            body: until_revoked(body, Some(receiver), ends_in, check),
            changes,
            is_revoked,
            checks,
        }
    }

    fn endless() -> Body {
        let message = Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"m")));
        let messages = stream::iter([message]).chain(stream::pending());
        Body::new(StreamBody::new(messages))
    }

    async fn frame(body: &mut Body) -> Option<Frame<Bytes>> {
        let frame = tokio::time::timeout(AT_MOST, body.frame()).await;
        frame.expect("a frame in time").map(Result::unwrap)
    }

    /// Go's gRPC reads a status that is in the headers only if they end the answer.
    #[test]
    fn an_answer_that_has_ended_stays_one() {
        assert!(stream_of(Body::empty()).body.is_end_stream());
    }

    #[tokio::test]
    async fn a_right_that_is_taken_back_ends_the_stream() {
        let mut live = stream_of(endless());
        assert_eq!(
            frame(&mut live.body).await.unwrap().into_data().unwrap(),
            b"m"[..]
        );
        live.is_revoked.store(true, Ordering::SeqCst);
        live.changes.send_replace(1);
        let end = frame(&mut live.body).await.unwrap().into_trailers().unwrap();
        let status = Status::from_header_map(&end).unwrap();
        assert_eq!(
            (status.code(), status.message()),
            (Code::Unauthenticated, "it was revoked")
        );
        assert!(frame(&mut live.body).await.is_none());
    }

    /// Other people's policies change, too.
    #[tokio::test]
    async fn a_change_of_something_else_ends_nothing() {
        let mut live = stream_of(endless());
        frame(&mut live.body).await.unwrap();
        for change in 1..4 {
            live.changes.send_replace(change);
            let quiet = tokio::time::timeout(Duration::from_millis(50), live.body.frame()).await;
            assert!(quiet.is_err(), "it goes on, and has nothing to say");
            assert_eq!(live.checks.load(Ordering::SeqCst), change as usize);
        }
    }

    /// A token is good for ten minutes, and nothing changes when they are over.
    #[tokio::test]
    async fn what_ends_by_its_time_ends_the_stream_without_any_change() {
        let mut live = stream_that_ends(endless(), Some(Duration::from_millis(50)));
        frame(&mut live.body).await.unwrap();
        live.is_revoked.store(true, Ordering::SeqCst);
        let end = frame(&mut live.body).await.unwrap().into_trailers().unwrap();
        let status = Status::from_header_map(&end).unwrap();
        assert_eq!(status.code(), Code::Unauthenticated);
        assert_eq!(live.changes.send_replace(1), 0, "nothing had changed");
    }

    /// The authority's clock decides, and it may be behind.
    #[tokio::test]
    async fn an_end_that_is_not_there_yet_is_asked_for_again() {
        let mut live = stream_that_ends(endless(), Some(Duration::ZERO));
        frame(&mut live.body).await.unwrap();
        let quiet = tokio::time::timeout(AGAIN_AFTER / 2, live.body.frame()).await;
        assert!(quiet.is_err() && live.checks.load(Ordering::SeqCst) > 0);
        live.is_revoked.store(true, Ordering::SeqCst);
        assert!(frame(&mut live.body).await.unwrap().is_trailers());
        let never = stream_that_ends(endless(), Some(Duration::MAX));
        drop(never);
    }

    /// The client must not learn what an error was about, at the end of a stream either.
    #[tokio::test]
    async fn what_is_for_the_guard_is_taken_off_the_end() {
        let mut trailers = HeaderMap::new();
        trailers.insert(SUBJECT, HeaderValue::from_static("x0c0s0b0n0"));
        trailers.insert(Status::GRPC_STATUS, HeaderValue::from_static("5"));
        let frames = [
            Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"a"))),
            Ok(Frame::trailers(trailers)),
        ];
        let body = as_told(Body::new(StreamBody::new(stream::iter(frames))));
        let whole = body.collect().await.unwrap();
        let left = whole.trailers().unwrap();
        assert!(!left.contains_key(SUBJECT) && left.contains_key(Status::GRPC_STATUS));
        assert!(left.contains_key(Status::GRPC_STATUS_DETAILS));
        assert_eq!(whole.to_bytes(), b"a"[..]);
    }

    #[tokio::test]
    async fn a_stream_that_ends_by_itself_is_passed_on_whole() {
        let mut trailers = HeaderMap::new();
        trailers.insert(Status::GRPC_STATUS, HeaderValue::from_static("0"));
        let frames = [
            Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"a"))),
            Ok(Frame::data(Bytes::from_static(b"b"))),
            Ok(Frame::trailers(trailers)),
        ];
        let live = stream_of(Body::new(StreamBody::new(stream::iter(frames))));
        drop(live.changes);
        let whole = live.body.collect().await.unwrap();
        assert_eq!(whole.trailers().unwrap()[Status::GRPC_STATUS], "0");
        assert_eq!(whole.to_bytes(), b"ab"[..]);
        assert_eq!(live.checks.load(Ordering::SeqCst), 0);
    }
}
