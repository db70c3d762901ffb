//! `/keys`: what other programs check access tokens with.

use proto::google::api::HttpBody;
use rpc::{set_http_header, set_http_status};
use state::State;
use tonic::Response;

use super::error::json;
use crate::signing_keys::published;

/// A reader may keep the keys for so long, seconds: a key is published for an hour before it signs.
const KEPT_S: u32 = 600;

/// The set of keys. Without any the answer says so: an empty set would make every token look forged.
pub(crate) fn keys(state: &State) -> Response<HttpBody> {
    let set = published(state);
    let mut response = json(&set);
    let metadata = response.metadata_mut();
    if set.keys.is_empty() {
        set_http_status(metadata, 503);
        set_http_header(metadata, "retry-after", "1");
        set_http_header(metadata, "cache-control", "no-store");
    } else {
        set_http_header(metadata, "cache-control", &format!("public, max-age={KEPT_S}"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token_testing::Bed;

    #[tokio::test]
    async fn each_key_is_there_once_and_no_private_half() {
        let bed = Bed::new().await;
        bed.rotate(true, false).await;
        let response = keys(&bed.store.state());
        let text = String::from_utf8(response.get_ref().data.clone()).unwrap();
        let shown: serde_json::Value = serde_json::from_str(&text).unwrap();
        let ids: std::collections::BTreeSet<&str> = shown["keys"]
            .as_array()
            .unwrap()
            .iter()
            .map(|key| key["kid"].as_str().unwrap())
            .collect();
        assert_eq!(ids.len(), 3);
        assert!(ids.contains(bed.store.state().auth.active_key().unwrap().id.as_str()));
        assert!(!text.contains("\"d\""), "{text}");
        assert!(response.metadata().get(rpc::HTTP_STATUS).is_none());
    }

    /// OPAAL answered an empty 200, and services took it for "no key is right".
    #[test]
    fn no_keys_are_no_answer() {
        let response = keys(&State::new());
        assert_eq!(response.metadata().get(rpc::HTTP_STATUS).unwrap(), "503");
    }
}
