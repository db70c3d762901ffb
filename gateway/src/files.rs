//! Boot files from a folder: GET and HEAD with `Content-Length`, `ETag` and one range; never a byte from outside.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, stream};
use http::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_NONE_MATCH, IF_RANGE, RANGE,
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use http_body::Frame;
use http_body_util::StreamBody;
use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::Mode;

use crate::StartError;
use crate::body::{self, Body};
use crate::problem::Problem;
use crate::request::decode;

/// Bytes that one answer holds in memory at a time.
const CHUNK_BYTES: u64 = 64 * 1024;
/// The kernel asks to try again when a rename races with the look-up; this often it is believed.
const RACES_MAX: usize = 16;

/// A folder whose files nodes may fetch.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    folder: Arc<OwnedFd>,
    /// E.g. `/files/`.
    prefix: String,
}

impl Files {
    /// Opens the folder; it is held open, so that replacing it needs a restart.
    ///
    /// # Errors
    /// It is no folder, cannot be read, or the kernel has no `openat2` (Linux 5.6).
    pub(crate) fn open(folder: &Path, prefix: &str) -> Result<Self, StartError> {
        let refuse =
            |problem: String| StartError::new(&format!("boot files in {}", folder.display()), problem);
        if !prefix.starts_with('/') || !prefix.ends_with('/') {
            return Err(refuse(format!("the prefix {prefix:?} must begin and end with /")));
        }
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let folder =
            nix::fcntl::open(folder, flags, Mode::empty()).map_err(|error| refuse(error.to_string()))?;
        let files = Self {
            folder: Arc::new(folder),
            prefix: prefix.to_owned(),
        };
        match files.look_up(Path::new(".")) {
            Err(Errno::ENOSYS) => Err(refuse("openat2 is missing; Linux 5.6 or later is needed".into())),
            Err(error) => Err(refuse(error.to_string())),
            Ok(_) => Ok(files),
        }
    }

    /// The rest of `path` behind the prefix, if it is one of ours.
    pub(crate) fn name<'p>(&self, path: &'p str) -> Option<&'p str> {
        path.strip_prefix(&self.prefix)
    }

    /// Answers for the file `name`, which is raw from the URL.
    ///
    /// # Errors
    /// 400 for a name that is no path below the folder, 404, 405, 416 or 503.
    pub(crate) async fn answer(
        &self,
        verb: &Method,
        name: &str,
        asked: &HeaderMap,
    ) -> Result<Response<Body>, Problem> {
        if verb != Method::GET && verb != Method::HEAD {
            return Err(Problem::other_verbs("GET,HEAD"));
        }
        let path = safe_path(name)?;
        let this = self.clone();
        let opened = tokio::task::spawn_blocking(move || this.open_file(&path)).await;
        match opened.unwrap_or_else(|panicked| Err(io::Error::other(panicked))) {
            Ok(opened) => opened.respond(verb, asked),
            Err(error) => Err(missing(name, &error)),
        }
    }

    fn open_file(&self, path: &Path) -> io::Result<Opened> {
        let file = File::from(self.look_up(path)?);
        let meta = file.metadata()?;
        if !meta.is_file() {
            return Err(io::ErrorKind::NotFound.into());
        }
        let etag = format!("\"{:x}-{:x}-{:x}\"", meta.size(), meta.mtime(), meta.mtime_nsec());
        let etag = HeaderValue::from_str(&etag).map_err(io::Error::other)?;
        Ok(Opened {
            file,
            size: meta.size(),
            etag,
        })
    }

    /// The kernel itself refuses `..`, absolute symlinks and anything else that would leave the folder.
    fn look_up(&self, path: &Path) -> nix::Result<OwnedFd> {
        // Without O_NONBLOCK a FIFO in the folder would hold the thread.
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        let how = OpenHow::new()
            .flags(flags)
            .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS);
        for _ in 1..RACES_MAX {
            match openat2(&*self.folder, path, how) {
                Err(Errno::EAGAIN) => {}
                other => return other,
            }
        }
        openat2(&*self.folder, path, how)
    }
}

/// A file that is about to be sent.
struct Opened {
    file: File,
    /// Bytes.
    size: u64,
    /// Differs whenever the file was written.
    etag: HeaderValue,
}

impl Opened {
    fn respond(self, verb: &Method, asked: &HeaderMap) -> Result<Response<Body>, Problem> {
        let mut response = Response::new(body::empty());
        let headers = response.headers_mut();
        headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        headers.insert(ETAG, self.etag.clone());
        if asked.get(IF_NONE_MATCH) == Some(&self.etag) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return Ok(response);
        }
        let (first, length) = match self.range(verb, asked) {
            Range::Whole => (0, self.size),
            Range::Part { first, length } => {
                let part = format!("bytes {first}-{}/{}", first + length - 1, self.size);
                headers.insert(CONTENT_RANGE, digits(&part));
                *response.status_mut() = StatusCode::PARTIAL_CONTENT;
                (first, length)
            }
            Range::Outside => {
                let detail = format!("the file has {} bytes", self.size);
                let mut problem = Problem::new(StatusCode::RANGE_NOT_SATISFIABLE, detail);
                problem
                    .headers
                    .insert(CONTENT_RANGE, digits(&format!("bytes */{}", self.size)));
                return Err(problem);
            }
        };
        response
            .headers_mut()
            .insert(CONTENT_LENGTH, HeaderValue::from(length));
        if verb == Method::GET {
            *response.body_mut() = chunks(self.file, first, length);
        }
        Ok(response)
    }

    /// The range that counts: only of a GET, and only of the version that the client has a part of.
    fn range(&self, verb: &Method, asked: &HeaderMap) -> Range {
        let same_version = asked.get(IF_RANGE).is_none_or(|known| *known == self.etag);
        match asked.get(RANGE).map(HeaderValue::to_str) {
            Some(Ok(text)) if verb == Method::GET && same_version => parse_range(text, self.size),
            _ => Range::Whole,
        }
    }
}

fn digits(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("letters and digits are a legal header")
}

/// The path below the folder that a raw URL path names.
fn safe_path(name: &str) -> Result<PathBuf, Problem> {
    let refuse = |why: String| Err(Problem::new(StatusCode::BAD_REQUEST, why));
    let mut path = PathBuf::new();
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
        path.push(segment.as_ref());
    }
    Ok(path)
}

fn missing(name: &str, error: &io::Error) -> Problem {
    use Errno::{EACCES, ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR, ENXIO, EXDEV};
    let errno = error.raw_os_error().map(Errno::from_raw);
    // EXDEV: a link out of the folder. To a stranger that is as good as nothing there.
    let absent = [ENOENT, ENOTDIR, EXDEV, ELOOP, EACCES, ENAMETOOLONG, ENXIO]
        .map(Some)
        .contains(&errno);
    if absent || error.kind() == io::ErrorKind::NotFound {
        return Problem::new(StatusCode::NOT_FOUND, format!("no such file: {name}"));
    }
    tracing::error!(name, %error, "could not open a boot file");
    Problem::busy("the file cannot be read at the moment")
}

/// What a `Range` header asks for.
#[derive(Debug, PartialEq, Eq)]
enum Range {
    /// Not understood, or several ranges: the whole file, as RFC 9110 (14.2) allows.
    Whole,
    Part {
        first: u64,
        length: u64,
    },
    Outside,
}

fn parse_range(text: &str, size: u64) -> Range {
    let Some((first, last)) = text
        .strip_prefix("bytes=")
        .and_then(|range| range.split_once('-'))
    else {
        return Range::Whole;
    };
    let (first, last) = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) if last < first => return Range::Whole,
        (Ok(first), Ok(last)) => (first, last.min(size.saturating_sub(1))),
        (Ok(first), Err(_)) if last.is_empty() => (first, size.saturating_sub(1)),
        (Err(_), Ok(0)) if first.is_empty() => return Range::Outside,
        (Err(_), Ok(count)) if first.is_empty() => (size.saturating_sub(count), size.saturating_sub(1)),
        _ => return Range::Whole,
    };
    if first >= size {
        Range::Outside
    } else {
        Range::Part {
            first,
            length: last - first + 1,
        }
    }
}

/// Reads chunk by chunk, as fast as the client takes them. A file that shrinks meanwhile ends the
/// connection with an error: a short answer must not look like a whole one.
fn chunks(file: File, first: u64, length: u64) -> Body {
    let file = Arc::new(file);
    let starts = (first..first + length).step_by(CHUNK_BYTES as usize);
    let chunks = stream::iter(starts).then(move |start| {
        let file = Arc::clone(&file);
        let count = CHUNK_BYTES.min(first + length - start) as usize;
        async move {
            let read = tokio::task::spawn_blocking(move || {
                let mut chunk = vec![0; count];
                file.read_exact_at(&mut chunk, start)
                    .map(|()| Frame::data(Bytes::from(chunk)))
            });
            read.await.map_err(io::Error::other)?
        }
    });
    body::boxed(StreamBody::new(chunks))
}
