//! Boot loaders for UEFI HTTP boot, from memory: `HEAD`, then `GET`, each with `Content-Length`, which the firmware
//! needs before it reserves memory.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Method, Response, StatusCode};

use crate::body::{self, Body};
use crate::problem::Problem;

/// Where loaders are in a node's URL.
pub const LOADERS_PREFIX: &str = "/loaders/";

/// The loaders by their names; the same bytes as over TFTP.
#[derive(Clone, Debug)]
pub(crate) struct Loaders(BTreeMap<String, Bytes>);

impl Loaders {
    pub(crate) fn new(files: &BTreeMap<String, Bytes>) -> Self {
        Self(files.clone())
    }

    /// For a port that nodes do not use.
    pub(crate) fn none() -> Self {
        Self(BTreeMap::new())
    }

    /// The answer, if the path is below the prefix. A name is looked up in the list and never touches a filesystem.
    pub(crate) fn answer(&self, verb: &Method, path: &str) -> Option<Result<Response<Body>, Problem>> {
        let name = path.strip_prefix(LOADERS_PREFIX)?;
        if verb != Method::GET && verb != Method::HEAD {
            return Some(Err(Problem::other_verbs("GET,HEAD")));
        }
        let Some(content) = self.0.get(name) else {
            let detail = format!("no such loader: {name}");
            return Some(Err(Problem::new(StatusCode::NOT_FOUND, detail)));
        };
        let mut response = Response::new(body::full(content.clone()));
        let headers = response.headers_mut();
        headers.insert(CONTENT_LENGTH, HeaderValue::from(content.len()));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/efi"));
        Some(Ok(response))
    }
}
