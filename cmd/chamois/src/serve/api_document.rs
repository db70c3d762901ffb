//! `/openapi.json` of this version of the API.

use std::error::Error as _;

use bytes::Bytes;

/// # Errors
/// A descriptor without a document, which the tests of `openapi` exclude.
pub(super) fn make() -> Result<Bytes, String> {
    let document = openapi::document(proto::DOCUMENTED_DESCRIPTOR, env!("CARGO_PKG_VERSION"));
    let document = document.map_err(|error| match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    })?;
    let text = serde_json::to_vec(&document).map_err(|error| error.to_string())?;
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    /// What is served is the document, and small enough to be kept.
    #[test]
    fn it_is_made_of_our_own_descriptor() {
        let text = super::make().unwrap();
        let document: serde_json::Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
        assert!(text.len() < 2 << 20, "{} bytes", text.len());
    }
}
