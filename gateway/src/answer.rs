//! A service's answer as HTTP: status, headers and body.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, ETAG, HeaderMap};
use http::{HeaderValue, Response, StatusCode};
use tonic::Status;

use crate::conditional;
use crate::fields::Selection;
use crate::problem::{self, Problem};
use crate::response::{Shown, show, text_field};
use crate::routes::{Route, RouteTable};
use crate::trial;

/// What was asked for, as far as the answer depends on it.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) table: &'a RouteTable,
    pub(crate) route: &'a Route,
    pub(crate) selection: Option<Selection>,
    /// Of the request.
    pub(crate) headers: &'a HeaderMap,
    pub(crate) cluster_id: String,
    /// The change is only tried out.
    pub(crate) validate_only: bool,
    /// Told whose token it is, where requests are logged.
    pub(crate) seen_as: Option<rpc::SeenAs>,
}

impl Asked<'_> {
    /// The answer to a call that succeeded.
    ///
    /// # Errors
    /// 304 for an object that the client has already; 500 for a message that does not decode.
    pub(crate) fn respond(&self, answer: &tonic::Response<Bytes>) -> Result<Response<Bytes>, Problem> {
        let wire = answer.get_ref();
        let status = problem::overridden(answer.metadata()).unwrap_or(self.route.success);
        let mut headers = problem::headers(answer.metadata());
        let etag = conditional::etag(self.route, headers.get(ETAG), wire, &self.cluster_id);
        // What is only tried out is at no revision: a real change will get the next one.
        match etag.filter(|_| !self.validate_only) {
            Some(etag) => headers.insert(ETAG, etag),
            None => headers.remove(ETAG),
        };
        if headers
            .get(ETAG)
            .is_some_and(|etag| conditional::is_seen(self.route, self.headers, etag))
        {
            let mut unchanged = Problem::new(StatusCode::NOT_MODIFIED, "the client has it");
            *unchanged.headers = headers;
            return Err(unchanged);
        }
        let shown = match self.validate_only {
            true => trial::shown(self.table, answer, status)?,
            false => self.shown(status, wire)?,
        };
        let status = match self.validate_only {
            true => StatusCode::OK,
            false => status,
        };
        let texts = self.route.headers.iter();
        let texts = texts.map(|(name, number)| (name.clone(), text_field(wire, *number).unwrap_or("")));
        for (name, text) in texts.chain([(CONTENT_TYPE, shown.content_type.as_str())]) {
            if !text.is_empty()
                && let Ok(value) = HeaderValue::from_str(text)
            {
                headers.insert(name, value);
            }
        }
        let mut response = Response::new(shown.body);
        (*response.status_mut(), *response.headers_mut()) = (status, headers);
        Ok(response)
    }

    /// Why a call failed.
    pub(crate) fn problem(&self, status: Status) -> Problem {
        let current = conditional::current(&status, &self.cluster_id);
        let mut problem = Problem::from(status);
        problem.headers.extend(current.map(|etag| (ETAG, etag)));
        problem
    }

    fn shown(&self, status: StatusCode, wire: &Bytes) -> Result<Shown, Problem> {
        if status == StatusCode::NO_CONTENT {
            return Ok(Shown::default());
        }
        show(
            &self.table.schema,
            self.route.output,
            self.selection.as_ref(),
            wire,
        )
        .map_err(|error| {
            tracing::error!(method = %self.route.grpc_path, %error, "bad response");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
        })
    }
}
