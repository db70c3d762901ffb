//! `validate_only=true`: a write that is tried out instead of made, answered with what it would change.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use prost::Message as _;
use proto::http::v1::WouldChange;

use crate::problem::Problem;
use crate::request::{invalid, query_values};
use crate::response::{Shown, show};
use crate::routes::{Output, Route, RouteTable};

/// The query's name for it, matched without case; the header has the name of the metadata.
const NAME: &str = "validate_only";

/// Whether a write is only to be tried out. Reads change nothing anyway.
///
/// # Errors
/// A value that says neither yes nor no: whoever means "only try" must not be misunderstood.
pub(crate) fn is_asked(route: &Route, headers: &HeaderMap, query: &str) -> Result<bool, Problem> {
    if route.verb == Method::GET {
        return Ok(false);
    }
    let mut asked = false;
    let of_header = headers.get_all(rpc::VALIDATE_ONLY).iter();
    let of_header = of_header.map(|value| value.to_str().unwrap_or("?").to_owned());
    let of_query = query_values(query, NAME)?.into_iter().map(String::from);
    for value in of_query.chain(of_header) {
        asked |= match value.to_ascii_lowercase().as_str() {
            "true" | "1" | "" => true,
            "false" | "0" => false,
            _ => {
                return Err(invalid(format!("{value:?} is not accepted; use true or false"))
                    .within(NAME)
                    .into());
            }
        };
    }
    Ok(asked)
}

/// What the write would change, and the status that it would have been answered with.
///
/// # Errors
/// 500 if the service says nothing of it.
pub(crate) fn shown(
    table: &RouteTable,
    answer: &tonic::Response<Bytes>,
    status: StatusCode,
) -> Result<Shown, Problem> {
    let told = answer.extensions().get::<Arc<WouldChange>>();
    let (Some(told), Some(message)) = (told, table.would_change) else {
        return Err(Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the service does not say what it would change",
        ));
    };
    let told = WouldChange {
        status: status.as_u16().into(),
        ..told.as_ref().clone()
    };
    let wire = told.encode_to_vec().into();
    show(&table.schema, Output::Message(message), None, &wire)
        .map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}
