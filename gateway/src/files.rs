//! Boot files over HTTP: GET and HEAD with `Content-Length`, `ETag`, digest and one range, or the way to a member that
//! has the bytes.

use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, LOCATION};
use http::{HeaderName, HeaderValue, Method, Response, StatusCode, request};

use crate::body::{self, Body};
use crate::file_range::{self, Range};
use crate::file_source::{AskedFile, FoundFile, OpenedFile};
use crate::options::BootFiles;
use crate::problem::Problem;
use crate::request::decode;
use crate::wire::Wire;
use crate::{StartError, send_file};

/// SHA-256 of the whole file, whichever part of it is sent (RFC 9530).
const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");
/// Query of a URL that a member has sent the node to; such a request is never sent on.
const REDIRECTED: &str = "redirected";

/// The files under one prefix.
#[derive(Clone)]
pub(crate) struct Files(BootFiles);

impl Files {
    /// # Errors
    /// A prefix that is none.
    pub(crate) fn new(files: BootFiles) -> Result<Self, StartError> {
        if files.prefix.starts_with('/') && files.prefix.ends_with('/') {
            return Ok(Self(files));
        }
        let problem = format!("the prefix {:?} must begin and end with /", files.prefix);
        Err(StartError::new("boot files", problem))
    }

    /// The rest of `path` behind the prefix, if it is one of ours.
    pub(crate) fn name<'p>(&self, path: &'p str) -> Option<&'p str> {
        path.strip_prefix(&self.0.prefix)
    }

    /// Answers for the file `name`, which is raw from the URL.
    ///
    /// # Errors
    /// 400 for a name that is no path, 404, 405, 412, 416 or 503.
    pub(crate) async fn answer(
        &self,
        name: &str,
        asked: &request::Parts,
        local: Option<SocketAddr>,
    ) -> Result<Response<Body>, Problem> {
        if asked.method != Method::GET && asked.method != Method::HEAD {
            return Err(Problem::other_verbs("GET,HEAD"));
        }
        let file = AskedFile {
            name: &path(name)?,
            local,
            is_redirected: asked.uri.query() == Some(REDIRECTED),
        };
        match self.0.source.find(file).await? {
            FoundFile::Here(opened) => respond(opened, asked),
            FoundFile::At(base) => self.redirect(&base, name),
        }
    }

    /// The raw name goes back as it came, but for bytes that no URI has: those of a client that does not encode them.
    fn redirect(&self, base: &str, name: &str) -> Result<Response<Body>, Problem> {
        let encoded = |byte: u8| match byte.is_ascii() {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        };
        let name: String = name.bytes().map(encoded).collect();
        let location = format!("{base}{}{name}?{REDIRECTED}", self.0.prefix);
        let location = HeaderValue::try_from(location)
            .map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "the name cannot stand in a header"))?;
        let mut response = Response::new(body::empty());
        *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
        response.headers_mut().insert(LOCATION, location);
        Ok(response)
    }
}

fn respond(opened: OpenedFile, asked: &request::Parts) -> Result<Response<Body>, Problem> {
    let size = opened.meta.len();
    let mut response = Response::new(body::empty());
    let etag = match &opened.sha256 {
        Some(sha256) => {
            let digest = format!("sha-256=:{}:", STANDARD.encode(sha256));
            response.headers_mut().insert(REPR_DIGEST, ascii(&digest));
            let digits: String = sha256.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("\"{digits}\"")
        }
        None => format!("W/\"{}\"", opened.version),
    };
    let headers = response.headers_mut();
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(ETAG, ascii(&etag));
    if !file_range::is_wanted(&asked.headers, &etag) {
        return Err(other_version(&etag));
    }
    if file_range::is_known(&asked.headers, &etag) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return Ok(response);
    }
    let range = match asked.method {
        Method::GET => file_range::range(&asked.headers, &etag, size),
        _ => Range::Whole,
    };
    let (first, length) = match range {
        Range::Whole => (0, size),
        Range::Part { first, length } => {
            let part = format!("bytes {first}-{}/{size}", first + length - 1);
            headers.insert(CONTENT_RANGE, ascii(&part));
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            (first, length)
        }
        Range::Outside => return Err(outside(size)),
    };
    response
        .headers_mut()
        .insert(CONTENT_LENGTH, HeaderValue::from(length));
    if asked.method == Method::GET {
        let wire = asked.extensions.get::<Wire>();
        *response.body_mut() = send_file::body(opened.file, &opened.meta, first..first + length, wire);
    }
    Ok(response)
}

/// The client goes on with a version that is no more.
fn other_version(etag: &str) -> Problem {
    let mut problem = Problem::new(
        StatusCode::PRECONDITION_FAILED,
        format!("the file is another version, {etag}; fetch it from its beginning"),
    );
    problem.headers.insert(ETAG, ascii(etag));
    problem
}

fn outside(size: u64) -> Problem {
    let mut problem = Problem::new(
        StatusCode::RANGE_NOT_SATISFIABLE,
        format!("the file has {size} bytes"),
    );
    problem
        .headers
        .insert(CONTENT_RANGE, ascii(&format!("bytes */{size}")));
    problem
}

fn ascii(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("letters, digits and punctuation are a legal header")
}

/// The relative path that a raw URL path names.
fn path(name: &str) -> Result<String, Problem> {
    let refuse = |why: String| Err(Problem::new(StatusCode::BAD_REQUEST, why));
    let mut segments = Vec::new();
    for raw in name.split('/') {
        let segment = match decode(raw) {
            Ok(segment) => segment,
            Err(error) => return refuse(error.detail()),
        };
        if matches!(segment.as_ref(), "" | "." | "..") || segment.contains(['/', '\\']) {
            return refuse(format!(
                "{segment:?} is no file name; name a file below the folder, without `..`"
            ));
        }
        segments.push(segment);
    }
    Ok(segments.join("/"))
}
