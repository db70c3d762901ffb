//! Answers that are wrong in the ways that BMCs' firmware gets them wrong.

use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt as _, stream};
use serde_json::{Map, Value, json};

/// Bytes that drip at once.
const DRIP_BYTES: usize = 64;
/// What an endless list consists of.
const ENDLESS_PIECE: &[u8] = &[b' '; 16 << 10];

/// The first half.
pub(crate) fn truncated(body: &Bytes) -> Bytes {
    body.slice(..body.len() / 2)
}

/// Every value has another type; what is called `@odata.id` stays, and so do lists, so that links are found.
pub(crate) fn wrong_types(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (_, value) in members.iter_mut().filter(|(name, _)| *name != "@odata.id") {
                wrong_types(value);
            }
        }
        Value::Array(values) => values.iter_mut().for_each(wrong_types),
        Value::String(_) => *value = json!({"Value": 7}),
        Value::Number(number) => *value = Value::String(format!("about {number}")),
        Value::Bool(flag) => *value = json!([*flag]),
        Value::Null => *value = json!(0.5),
    }
}

/// Every second member of each object is gone, but for links.
pub(crate) fn missing_members(value: &mut Value) {
    match value {
        Value::Object(members) => {
            let mut is_kept = false;
            members.retain(|_, value| {
                is_kept = !is_kept;
                is_kept || has_link(value)
            });
            members.values_mut().for_each(missing_members);
        }
        Value::Array(values) => values.iter_mut().for_each(missing_members),
        _ => {}
    }
}

fn has_link(value: &Value) -> bool {
    match value {
        Value::Object(members) => members.contains_key("@odata.id") || members.values().any(has_link),
        Value::Array(values) => values.iter().any(has_link),
        Value::String(text) => text.starts_with('/'),
        _ => false,
    }
}

/// A collection whose members are itself, its parent and two collections of which nobody has heard.
pub(crate) fn loop_members(uri: &str, value: &mut Value) {
    if let Some(members) = value.get_mut("Members").and_then(Value::as_array_mut) {
        let parent = uri.rsplit_once('/').map_or(uri, |(parent, _)| parent);
        for more in [
            uri.to_owned(),
            parent.to_owned(),
            format!("{uri}/loop1"),
            format!("{uri}/loop2"),
        ] {
            members.push(json!({"@odata.id": more}));
        }
    }
}

/// What answers at a URI that only a loop names; `None`: at any other.
pub(crate) fn inside_loop(uri: &str) -> Option<Value> {
    let is_inside = uri.split('/').any(|name| name == "loop1" || name == "loop2");
    is_inside.then(|| {
        let mut made: Map<String, Value> = Map::new();
        made.insert("@odata.id".to_owned(), json!(uri));
        made.insert("Id".to_owned(), json!(uri.rsplit('/').next().unwrap_or_default()));
        made.insert("Members".to_owned(), json!([]));
        let mut made = Value::Object(made);
        loop_members(uri, &mut made);
        made
    })
}

/// The body in small pieces, with a pause after each.
pub(crate) fn dripping(body: Bytes, pause: Duration) -> impl Stream<Item = Bytes> + Send + 'static {
    stream::unfold(body, move |mut rest: Bytes| async move {
        if rest.is_empty() {
            return None;
        }
        let piece = rest.split_to(DRIP_BYTES.min(rest.len()));
        tokio::time::sleep(pause).await;
        Some((piece, rest))
    })
}

/// A list that never ends.
pub(crate) fn endless() -> impl Stream<Item = Bytes> + Send + 'static {
    let begin = stream::iter([Bytes::from_static(b"{\"Members\": [")]);
    begin.chain(stream::repeat(Bytes::from_static(ENDLESS_PIECE)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn system() -> Value {
        json!({
            "@odata.id": "/redfish/v1/Systems/1",
            "Id": "1",
            "PowerState": "On",
            "MemorySummary": {"TotalSystemMemoryGiB": 64, "Count": null},
            "Enabled": true,
            "Links": {"Chassis": [{"@odata.id": "/redfish/v1/Chassis/1"}]},
        })
    }

    #[test]
    fn half_of_a_body_is_no_json() {
        let body = Bytes::from(system().to_string());
        assert!(serde_json::from_slice::<Value>(&truncated(&body)).is_err());
    }

    #[test]
    fn types_change_and_links_stay() {
        let mut spoilt = system();
        wrong_types(&mut spoilt);
        assert_eq!(spoilt["@odata.id"], system()["@odata.id"]);
        assert_eq!(spoilt["Links"], system()["Links"]);
        assert!(spoilt["PowerState"].is_object() && spoilt["Enabled"].is_array());
        assert!(spoilt["MemorySummary"]["TotalSystemMemoryGiB"].is_string());
        assert!(spoilt["MemorySummary"]["Count"].is_number());
    }

    #[test]
    fn members_go_missing_and_links_stay() {
        let mut spoilt = system();
        missing_members(&mut spoilt);
        assert_eq!(spoilt["Links"], system()["Links"]);
        assert_eq!(spoilt["@odata.id"], system()["@odata.id"]);
        assert!(spoilt.as_object().unwrap().len() < system().as_object().unwrap().len());
    }

    #[test]
    fn a_loop_goes_on_for_ever() {
        let mut value = json!({"Members": [{"@odata.id": "/redfish/v1/Systems/1"}]});
        loop_members("/redfish/v1/Systems", &mut value);
        let members = value["Members"].as_array().unwrap();
        assert_eq!(members.len(), 5);
        assert_eq!(
            (&members[1]["@odata.id"], &members[2]["@odata.id"]),
            (&json!("/redfish/v1/Systems"), &json!("/redfish/v1"))
        );
        let mut uri = "/redfish/v1/Systems/loop1".to_owned();
        for _ in 0..20 {
            let inside = inside_loop(&uri).unwrap();
            uri = inside["Members"][2]["@odata.id"].as_str().unwrap().to_owned();
        }
        assert_eq!(uri.matches("loop1").count(), 21);
        assert_eq!(inside_loop("/redfish/v1/Systems/1"), None);
    }

    #[tokio::test]
    async fn a_dripping_body_is_whole_and_an_endless_one_is_not() {
        let body = Bytes::from(vec![b'x'; 1000]);
        let pieces: Vec<Bytes> = dripping(body.clone(), Duration::ZERO).collect().await;
        assert_eq!((pieces.len(), pieces.concat().len()), (16, body.len()));
        let taken: usize = endless()
            .take(100)
            .map(|piece| piece.len())
            .collect::<Vec<_>>()
            .await
            .iter()
            .sum();
        assert!(taken > 1 << 20, "{taken}");
    }
}
