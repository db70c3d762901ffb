//! `/openapi.json`: what the API port can be asked, for tools; without credentials, because the same is in every copy of this
//! program.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, ETAG, HeaderMap, IF_NONE_MATCH};
use http::{HeaderValue, Method, Response, StatusCode};

use crate::options::ApiDocument;
use crate::problem::Problem;
use crate::response::JSON;

/// Where it is.
const PATH: &str = "/openapi.json";

/// The document, made when it is asked for first: most members are never asked.
pub(crate) struct Document {
    make: ApiDocument,
    made: Arc<OnceLock<Made>>,
}

/// As clients get it; the ETag is that of its text, so it is the same at members of the same version.
#[derive(Clone)]
struct Made {
    etag: HeaderValue,
    body: Bytes,
}

impl Document {
    pub(crate) fn new(make: ApiDocument) -> Self {
        Self {
            make,
            made: Arc::default(),
        }
    }

    /// Whether this path is the document's.
    pub(crate) fn is_at(&self, path: &str) -> bool {
        path == PATH
    }

    /// # Errors
    /// 304 for a client that has it; 405 for another verb than GET and HEAD; 500 if it cannot be made.
    pub(crate) async fn answer(
        &self,
        verb: &Method,
        headers: &HeaderMap,
    ) -> Result<Response<Bytes>, Problem> {
        if verb != Method::GET && verb != Method::HEAD {
            return Err(Problem::other_verbs("GET,HEAD"));
        }
        let Made { etag, body } = self.made().await?;
        if is_seen(headers, &etag) {
            let mut unchanged = Problem::new(StatusCode::NOT_MODIFIED, "the client has it");
            unchanged.headers.insert(ETAG, etag);
            return Err(unchanged);
        }
        let mut response = Response::new(body);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
        headers.insert(ETAG, etag);
        Ok(response)
    }

    /// Making it takes some tens of milliseconds, which no connection shall wait for.
    async fn made(&self) -> Result<Made, Problem> {
        if let Some(made) = self.made.get() {
            return Ok(made.clone());
        }
        let (make, made) = (Arc::clone(&self.make), Arc::clone(&self.made));
        let making = move || -> Result<Made, String> {
            let fresh = Made::of(make()?)?;
            Ok(made.get_or_init(|| fresh).clone())
        };
        let made = tokio::task::spawn_blocking(making).await;
        let made = made.unwrap_or_else(|broken| Err(broken.to_string()));
        made.map_err(|cause| {
            tracing::error!(cause, "the document of the API cannot be made");
            let text = "the document of the API cannot be made; the log of this member says why";
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, text)
        })
    }
}

impl Made {
    fn of(body: Bytes) -> Result<Self, String> {
        let mut hasher = DefaultHasher::new(); // with keys that never change
        body.hash(&mut hasher);
        let etag = HeaderValue::try_from(format!("\"{:016x}\"", hasher.finish()));
        let etag = etag.map_err(|error| error.to_string())?;
        Ok(Self { etag, body })
    }
}

fn is_seen(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    let Ok(etag) = etag.to_str() else {
        return false;
    };
    let mut seen = headers.get_all(IF_NONE_MATCH).iter();
    seen.any(|seen| seen.to_str().is_ok_and(|seen| rpc::is_current(etag, seen)))
}
