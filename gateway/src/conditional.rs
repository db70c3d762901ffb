//! Conditional requests: the ETag of an answer, `If-None-Match` and `If-Match`.

use bytes::Bytes;
use http::header::{HeaderMap, IF_MATCH, IF_NONE_MATCH};
use http::{HeaderValue, Method, StatusCode};
use prost::Message as _;
use prost::encoding::{WireType, encode_key, encode_varint};
use proto::http::v1::ObjectMeta;
use rpc::Etag;

use crate::problem::Problem;
use crate::response::bytes_field;
use crate::routes::Route;

/// Adds the revision that `If-Match` names to the request message `out`.
///
/// # Errors
/// 400 for a write that cannot be conditional in this way, 412 for what is no ETag of this cluster: nobody has seen that
/// here.
pub(crate) fn put_if_match(
    route: &Route,
    headers: &HeaderMap,
    cluster_id: &str,
    out: &mut Vec<u8>,
) -> Result<(), Problem> {
    if route.verb == Method::GET {
        return Ok(());
    }
    if headers.contains_key(IF_NONE_MATCH) {
        let problem = "If-None-Match: it is for GET; a write takes If-Match";
        return Err(Problem::new(StatusCode::BAD_REQUEST, problem));
    }
    let Some(value) = headers.get(IF_MATCH) else {
        return Ok(());
    };
    let refuse = |status, problem: &str| Err(Problem::new(status, format!("If-Match: {problem}")));
    let Some(number) = route.if_match else {
        return refuse(
            StatusCode::BAD_REQUEST,
            "this route takes no condition: it changes more than one object with an ETag of its own; leave it out",
        );
    };
    let text = value.to_str().unwrap_or("");
    if text.trim() == "*" {
        return refuse(
            StatusCode::BAD_REQUEST,
            "* is not accepted; write the ETag of the object as a GET gives it",
        );
    }
    let Some(revision) = Etag::revision_in(text, cluster_id) else {
        return refuse(
            StatusCode::PRECONDITION_FAILED,
            "it is not one ETag of this cluster; read the object again",
        );
    };
    encode_key(number, WireType::Varint, out);
    encode_varint(revision, out);
    Ok(())
}

/// The ETag of a successful answer: the service's own, or that of the revision which its object carries.
pub(crate) fn etag(
    route: &Route,
    own: Option<&HeaderValue>,
    wire: &Bytes,
    cluster_id: &str,
) -> Option<HeaderValue> {
    if let Some(own) = own {
        return Some(own.clone());
    }
    let meta = ObjectMeta::decode(bytes_field(wire, route.meta?)?).ok()?;
    let revision = meta.modified?.revision;
    let cluster_id = cluster_id.to_owned();
    HeaderValue::try_from(Etag { cluster_id, revision }.to_string()).ok()
}

/// Whether the client says that it has the answer with this ETag.
pub(crate) fn is_seen(route: &Route, headers: &HeaderMap, etag: &HeaderValue) -> bool {
    let Some(etag) = etag.to_str().ok().filter(|_| route.verb == Method::GET) else {
        return false;
    };
    let mut seen = headers.get_all(IF_NONE_MATCH).iter();
    seen.any(|seen| seen.to_str().is_ok_and(|seen| rpc::is_current(etag, seen)))
}

/// The ETag that the object has, where a client's `If-Match` names another.
pub(crate) fn current(status: &tonic::Status, cluster_id: &str) -> Option<HeaderValue> {
    let revision = status.metadata().get(rpc::REVISION)?;
    let revision = revision
        .to_str()
        .ok()?
        .parse()
        .ok()
        .filter(|revision| *revision > 0)?;
    let cluster_id = cluster_id.to_owned();
    HeaderValue::try_from(Etag { cluster_id, revision }.to_string()).ok()
}
