//! Fields of a request that HTTP headers fill, and nothing else: credentials of OAuth's clients, a browser's cookie.

use http::header::HOST;
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

/// HTTP/2 says the host in the URI.
fn text<'p>(parts: &'p request::Parts, name: &HeaderName) -> Result<Option<&'p str>, Problem> {
    let mut values = parts.headers.get_all(name).iter();
    let Some(value) = values.next() else {
        let authority = parts.uri.authority().filter(|_| *name == HOST);
        return Ok(authority.map(http::uri::Authority::as_str));
    };
    match (value.to_str(), values.next()) {
        (Ok(text), None) => Ok(Some(text)),
        _ => Err(Problem::new(
            StatusCode::BAD_REQUEST,
            format!("{name}: one header of visible ASCII characters is accepted"),
        )),
    }
}
