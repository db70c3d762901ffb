//! Lists as JSON, kept for a moment: asking the service whether one has changed costs less than to put it together again.

use std::time::Instant;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, ETAG};
use http::{HeaderValue, Method, Response, StatusCode, Uri};
use rpc::KeptAnswers;

use crate::answer::Asked;
use crate::compress;
use crate::conditional;
use crate::problem::Problem;
use crate::routes::Body;

/// Of all answers that are kept: a few of a large cluster's lists.
const BYTES_MAX: usize = 16 << 20;
/// Bytes of a question at most; a longer one is asked without being remembered.
const QUESTION_BYTES_MAX: usize = 16 << 10;

/// Answers of one port.
#[derive(Debug)]
pub(crate) struct KeptLists(KeptAnswers<Response<Bytes>>);

/// A request whose answer may be kept, or be there.
#[derive(Debug)]
pub(crate) struct Question {
    key: Vec<u8>,
    coding: Option<&'static str>,
    kept: Option<(HeaderValue, Response<Bytes>)>,
}

impl KeptLists {
    pub(crate) fn new() -> Self {
        Self(KeptAnswers::new(BYTES_MAX))
    }

    /// `None` for what is no list, for a caller who wants to know how old local state is, and for a long question. What
    /// else is asked for in a body is part of `message`.
    pub(crate) fn look_up(&self, asked: &Asked<'_>, uri: &Uri, message: &[u8]) -> Option<Question> {
        let is_list = asked.route.verb == Method::GET && asked.route.may_be_kept;
        if !is_list || asked.headers.contains_key(rpc::CONSISTENCY) {
            return None;
        }
        let coding = compress::coding(asked.headers);
        let mut key = format!("{} {uri} ", coding.unwrap_or_default()).into_bytes();
        if asked.route.body != Body::None {
            key.extend_from_slice(message);
        }
        if key.len() > QUESTION_BYTES_MAX {
            return None;
        }
        let kept = self.0.get(&key, Instant::now());
        Some(Question { key, coding, kept })
    }

    /// Keeps an answer that is whole, encoded as it was wanted, and has the ETag `etag`. It counts by its bytes before
    /// compression: so much was the work.
    pub(crate) fn keep(
        &self,
        question: Question,
        (etag, bytes): (HeaderValue, usize),
        response: &Response<Bytes>,
    ) {
        let coding = response.headers().get(CONTENT_ENCODING);
        let is_as_wanted = coding.and_then(|coding| coding.to_str().ok()) == question.coding;
        if response.status() == StatusCode::OK && is_as_wanted {
            self.0
                .keep(question.key, etag, response.clone(), bytes, Instant::now());
        }
    }
}

impl Question {
    /// The ETag of the answer that is kept, for the service to compare.
    pub(crate) fn etag(&self) -> Option<&HeaderValue> {
        self.kept.as_ref().map(|(etag, _)| etag)
    }

    /// The answer that is kept, if the service says that it has not changed, and the client does not have it either.
    pub(crate) fn unchanged(&self, problem: &Problem, asked: &Asked<'_>) -> Option<Response<Bytes>> {
        let (etag, response) = self.kept.as_ref()?;
        let is_current =
            problem.status == StatusCode::NOT_MODIFIED && problem.headers.get(ETAG) == Some(etag);
        (is_current && !conditional::is_seen(asked.route, asked.headers, etag)).then(|| response.clone())
    }
}
