//! Fields of a request that HTTP headers fill, and nothing else: credentials of OAuth's clients, a browser's cookie.

use std::borrow::Cow;

use http::header::{COOKIE, HOST};
use http::{HeaderName, StatusCode, request};
use prost::encoding::{WireType, encode_key, encode_varint};

use crate::problem::Problem;
use crate::routes::Route;

/// Adds what the headers say to the request message `out`.
///
/// # Errors
/// 400 for a header that is there twice or is not visible ASCII: one of two might be another's.
pub(crate) fn put(route: &Route, parts: &request::Parts, out: &mut Vec<u8>) -> Result<(), Problem> {
    for (name, number) in &route.from_headers {
        if let Some(text) = text(parts, name)? {
            encode_key(*number, WireType::LengthDelimited, out);
            encode_varint(text.len() as u64, out);
            out.extend_from_slice(text.as_bytes());
        }
    }
    Ok(())
}

/// HTTP/2 says the host in the URI, and may say each cookie in a header of its own (RFC 9113, 8.2.3).
fn text<'p>(parts: &'p request::Parts, name: &HeaderName) -> Result<Option<Cow<'p, str>>, Problem> {
    let mut values = parts.headers.get_all(name).iter();
    let Some(value) = values.next() else {
        let authority = parts.uri.authority().filter(|_| *name == HOST);
        return Ok(authority.map(|authority| Cow::Borrowed(authority.as_str())));
    };
    let refused = || {
        Problem::new(
            StatusCode::BAD_REQUEST,
            format!("{name}: one header of visible ASCII characters is accepted"),
        )
    };
    let mut text = Cow::Borrowed(value.to_str().map_err(|_| refused())?);
    for more in values {
        match more.to_str() {
            Ok(crumb) if *name == COOKIE => text = Cow::Owned(format!("{text}; {crumb}")),
            _ => return Err(refused()),
        }
    }
    Ok(Some(text))
}
