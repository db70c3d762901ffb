//! Kept answers of gRPC methods: the question is the method with its message, the answer the message with its trailers.

use std::convert::Infallible;
use std::time::Instant;

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, BodyStream, Full, StreamBody};
use tonic::Status;
use tonic::body::Body;

use crate::KeptAnswers;

/// Of all answers that are kept: a few of a large cluster's lists.
const BYTES_MAX: usize = 16 << 20;
/// A message with more bytes than this is asked without being remembered.
const QUESTION_BYTES_MAX: usize = 16 << 10;

/// Extension of a request whose caller keeps answers itself: they need not be kept twice.
#[derive(Clone, Copy, Debug)]
pub struct KeepsAnswers;

/// Answers of all methods that have an ETag before the handler looks.
#[derive(Debug)]
pub(crate) struct KeptUnary(KeptAnswers<Whole>);

/// An answer that has ended well.
#[derive(Clone, Debug)]
struct Whole {
    headers: HeaderMap,
    message: Bytes,
    trailers: HeaderMap,
}

impl KeptUnary {
    pub(crate) fn new() -> Self {
        Self(KeptAnswers::new(BYTES_MAX))
    }

    /// The answer to `request`: the one that is kept, if its ETag is still `etag`, or that of `call`.
    pub(crate) async fn answer<E>(
        &self,
        path: &str,
        request: Request<Body>,
        etag: &HeaderValue,
        call: impl AsyncFnOnce(Request<Body>) -> Result<Response<Body>, E>,
    ) -> Result<Response<Body>, E> {
        if request.extensions().get::<KeepsAnswers>().is_some() {
            return call(request).await;
        }
        let (question, request) = read(path, request).await;
        let Some(question) = question else {
            return call(request).await;
        };
        if let Some((kept, whole)) = self.0.get(&question, Instant::now())
            && kept == *etag
        {
            return Ok(whole.into_response());
        }
        let answer = call(request).await?;
        let whole = match Whole::of(answer).await {
            Ok(whole) => whole,
            Err(status) => return Ok(status.into_http()),
        };
        if whole.is_ok() {
            let bytes = whole.message.len();
            self.0
                .keep(question, etag.clone(), whole.clone(), bytes, Instant::now());
        }
        Ok(whole.into_response())
    }
}

/// What is asked, and the request as it was. `None` for a message that is too long, or breaks off.
async fn read(path: &str, request: Request<Body>) -> (Option<Vec<u8>>, Request<Body>) {
    let (parts, mut body) = request.into_parts();
    let mut question = [path.as_bytes(), b"\0"].concat();
    let bytes_max = question.len() + QUESTION_BYTES_MAX;
    let mut frames = Vec::new();
    let mut ended = false;
    while question.len() <= bytes_max && !ended {
        match body.frame().await {
            Some(frame) => {
                let data = frame.as_ref().ok().and_then(|frame| frame.data_ref());
                if data.is_some_and(Bytes::is_empty) {
                    continue; // any number of them says nothing
                }
                question.extend(data.into_iter().flatten());
                ended = frame.is_err();
                frames.push(frame);
            }
            None => {
                let whole = frames.iter().all(Result::is_ok).then_some(question);
                let body = Body::new(StreamBody::new(stream::iter(frames)));
                return (whole, Request::from_parts(parts, body));
            }
        }
    }
    let all = stream::iter(frames).chain(BodyStream::new(body));
    (None, Request::from_parts(parts, Body::new(StreamBody::new(all))))
}

impl Whole {
    async fn of(answer: Response<Body>) -> Result<Self, Status> {
        let (parts, body) = answer.into_parts();
        let collected = body.collect().await?;
        let trailers = collected.trailers().cloned().unwrap_or_default();
        Ok(Self {
            headers: parts.headers,
            message: collected.to_bytes(),
            trailers,
        })
    }

    fn is_ok(&self) -> bool {
        let name = Status::GRPC_STATUS;
        let told = self.headers.get(&name).or(self.trailers.get(&name));
        told.is_some_and(|status| status == "0")
    }

    fn into_response(self) -> Response<Body> {
        let body = if self.message.is_empty() && self.trailers.is_empty() {
            // An error is nothing but headers: gRPC's C core takes an empty data frame after them for a stream that broke.
            Body::empty()
        } else {
            let trailers = Some(Ok::<_, Infallible>(self.trailers));
            Body::new(Full::new(self.message).with_trailers(std::future::ready(trailers)))
        };
        let mut response = Response::new(body);
        *response.headers_mut() = self.headers;
        response
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use hyper::body::Frame;
    use tonic::Code;

    use super::*;

    const ETAG: HeaderValue = HeaderValue::from_static("\"c-7\"");
    const LATER: HeaderValue = HeaderValue::from_static("\"c-8\"");
    /// As long as an answer must be to be kept.
    const LONG: usize = 64 << 10;

    /// A handler that answers with the number of its call, and with the bytes that it was asked.
    #[derive(Default)]
    struct Handler {
        kept: KeptUnary,
        calls: AtomicUsize,
    }

    impl Default for KeptUnary {
        fn default() -> Self {
            Self::new()
        }
    }

    fn request(message: &[u8]) -> Request<Body> {
        Request::new(Body::new(Full::new(Bytes::copy_from_slice(message))))
    }

    impl Handler {
        async fn ask(&self, path: &str, etag: &HeaderValue, request: Request<Body>) -> Response<Body> {
            let call = async |request: Request<Body>| {
                let asked = request.into_body().collect().await.unwrap().to_bytes();
                let call = self.calls.fetch_add(1, Ordering::Relaxed) as u8;
                if asked == b"refused"[..] {
                    return Ok(Status::not_found("no").into_http());
                }
                let message = Bytes::from([vec![call; LONG], asked.to_vec()].concat());
                let mut trailers = HeaderMap::new();
                trailers.insert(Status::GRPC_STATUS, HeaderValue::from_static("0"));
                let body = Full::new(message).with_trailers(std::future::ready(Some(Ok(trailers))));
                Ok(Response::new(Body::new(body)))
            };
            let answer: Result<_, Infallible> = self.kept.answer(path, request, etag, call).await;
            let Ok(answer) = answer;
            answer
        }

        /// The number of the call that made the answer.
        async fn call_of(&self, path: &str, etag: &HeaderValue, message: &[u8]) -> u8 {
            let answer = self.ask(path, etag, request(message)).await;
            let body = answer.into_body().collect().await.unwrap();
            assert_eq!(
                body.trailers().unwrap()[Status::GRPC_STATUS],
                "0",
                "the end is there"
            );
            let bytes = body.to_bytes();
            assert!(bytes.ends_with(message), "what was asked has reached the handler");
            bytes[0]
        }
    }

    #[tokio::test]
    async fn the_same_question_has_the_same_answer_until_something_changes() {
        let handler = Handler::default();
        let mut calls = Vec::new();
        for (path, etag, message) in [
            ("/a", ETAG, &b"m"[..]),
            ("/a", ETAG, b"m"),
            ("/a", ETAG, b"n"),
            ("/b", ETAG, b"m"),
            ("/a", LATER, b"m"),
            ("/a", LATER, b"m"),
        ] {
            calls.push(handler.call_of(path, &etag, message).await);
        }
        assert_eq!(calls, [0, 0, 1, 2, 3, 3]);
    }

    #[tokio::test]
    async fn an_error_is_not_kept() {
        let handler = Handler::default();
        for _ in 0..2 {
            let answer = handler.ask("/a", &ETAG, request(b"refused")).await;
            let status = Status::from_header_map(answer.headers()).unwrap();
            assert_eq!((status.code(), status.message()), (Code::NotFound, "no"));
            assert!(
                hyper::body::Body::is_end_stream(answer.body()),
                "no data frame follows"
            );
        }
        assert_eq!(handler.calls.load(Ordering::Relaxed), 2);
    }

    /// The gateway has a better form of it.
    #[tokio::test]
    async fn whoever_keeps_answers_is_answered_each_time() {
        let handler = Handler::default();
        for _ in 0..2 {
            let mut request = request(b"m");
            request.extensions_mut().insert(KeepsAnswers);
            handler.ask("/a", &ETAG, request).await;
        }
        assert_eq!(handler.calls.load(Ordering::Relaxed), 2);
    }

    /// All of it must reach the handler, however it came.
    #[tokio::test]
    async fn a_long_question_is_asked_each_time() {
        let handler = Handler::default();
        let message = vec![b'm'; QUESTION_BYTES_MAX + 1];
        for call in 0..2 {
            assert_eq!(handler.call_of("/a", &ETAG, &message).await, call);
        }
        let pieces = message.chunks(1000).map(|piece| {
            let piece = Bytes::copy_from_slice(piece);
            Ok::<_, Infallible>(Frame::data(piece))
        });
        let body = StreamBody::new(stream::iter(pieces.collect::<Vec<_>>()));
        let (question, request) = read("/a", Request::new(Body::new(body))).await;
        assert_eq!(question, None);
        assert_eq!(request.into_body().collect().await.unwrap().to_bytes(), message);
    }

    /// They would take memory for as long as they come.
    #[tokio::test]
    async fn frames_without_bytes_are_not_kept() {
        let frame = |bytes: &'static [u8]| Ok::<_, Infallible>(Frame::data(Bytes::from_static(bytes)));
        let pieces = [frame(b""), frame(b"m"), frame(b""), frame(b"n")];
        let body = StreamBody::new(stream::iter(pieces));
        let (question, request) = read("/a", Request::new(Body::new(body))).await;
        assert_eq!(question.unwrap(), b"/a\0mn");
        let mut body = request.into_body();
        let mut frames = 0;
        while body.frame().await.is_some() {
            frames += 1;
        }
        assert_eq!(frames, 2);
    }

    /// A request that breaks off is no other request.
    #[tokio::test]
    async fn a_broken_question_stays_broken() {
        let pieces = [
            Ok(Frame::data(Bytes::from_static(b"m"))),
            Err(Status::cancelled("gone")),
        ];
        let body = StreamBody::new(stream::iter(pieces));
        let (question, request) = read("/a", Request::new(Body::new(body))).await;
        assert_eq!(question, None);
        request.into_body().collect().await.unwrap_err();
    }
}
