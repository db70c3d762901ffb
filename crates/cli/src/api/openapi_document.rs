//! `chamois api openapi`.

use crate::error::CliError;
use crate::output;

pub(super) fn run() -> Result<(), CliError> {
    let unusable = |error: &dyn std::fmt::Display| CliError::other("cannot write the document", error);
    let document = openapi::document(proto::DOCUMENTED_DESCRIPTOR, env!("CARGO_PKG_VERSION"));
    let document = document.map_err(|error| unusable(&error))?;
    let text = serde_json::to_string_pretty(&document).map_err(|error| unusable(&error))?;
    output::print(text)
}
