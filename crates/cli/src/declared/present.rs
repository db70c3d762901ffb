//! What the cluster has of a kind, at which revisions.

use std::borrow::Cow;
use std::collections::BTreeMap;

use openapi::Catalogue;
use serde_json::{Map, Value, json};
use tonic::Code;

use super::cluster::{Answer, Cluster, How};
use super::kinds::{Key, Kind};
use super::normal;
use crate::error::CliError;

/// One stored object.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Present {
    /// As a document would declare it.
    pub(super) spec: Map<String, Value>,
    /// Revision of its last change.
    pub(super) modified: u64,
    /// Revision of its creation: tells it from a later one of the same name.
    pub(super) created: u64,
}

/// Objects by name.
pub(super) type Objects = BTreeMap<String, Present>;

/// All objects of a kind that can be declared. Shipped roles and secret data cannot.
///
/// # Errors
/// What the cluster says.
pub(super) async fn read(
    cluster: &impl Cluster,
    catalogue: &Catalogue,
    kind: &'static Kind,
) -> Result<Objects, CliError> {
    let (method, field) = kind.list;
    let answer = cluster.call(method, json!({}), How::Made).await?.json;
    let mut objects = Objects::new();
    for object in listed(&answer, field) {
        let Some(name) = kind.name_of(object) else {
            continue;
        };
        let Some(object) = whole(cluster, kind, &name, object).await? else {
            continue;
        };
        let revision = |change: &str| object.get("meta")?.get(change)?.get("revision")?.as_u64();
        let modified = revision("modified").unwrap_or_default();
        let is_secret = object.get("secret") == Some(&Value::Bool(true));
        // of all kinds only what was never stored has no revision: a shipped role, defaults that nobody has set
        if is_secret || modified == 0 {
            continue;
        }
        let present = Present {
            spec: normal::stored(catalogue, kind, &object)?,
            modified,
            created: revision("created").unwrap_or_default(),
        };
        if kind.key == Key::Only("cluster") && present.spec.is_empty() {
            continue; // what was emptied keeps its revision, and is none
        }
        objects.insert(name, present);
    }
    Ok(objects)
}

/// All of an object that was listed; `None`: it was deleted meanwhile.
async fn whole<'o>(
    cluster: &impl Cluster,
    kind: &'static Kind,
    name: &str,
    listed: &'o Map<String, Value>,
) -> Result<Option<Cow<'o, Map<String, Value>>>, CliError> {
    let Some((method, field)) = kind.one else {
        return Ok(Some(Cow::Borrowed(listed)));
    };
    match cluster.call(method, json!({ field: name }), How::Made).await {
        Ok(Answer {
            json: Value::Object(object),
            ..
        }) => Ok(Some(Cow::Owned(object))),
        Ok(_) => Ok(None),
        Err(status) if status.code() == Code::NotFound => Ok(None),
        Err(status) => Err(status.into()),
    }
}

/// The objects of an answer: in a list, in a map by name, or the answer itself.
fn listed<'a>(answer: &'a Value, field: &str) -> Vec<&'a Map<String, Value>> {
    let found = match field {
        "" => Some(answer),
        field => answer.get(field),
    };
    match found {
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_object).collect(),
        Some(Value::Object(by_name)) if !field.is_empty() => {
            by_name.values().filter_map(Value::as_object).collect()
        }
        Some(Value::Object(one)) => vec![one],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake::Fake;
    use super::super::kinds::find;
    use super::super::{document, plan, text};
    use super::*;

    #[test]
    fn objects_are_found_in_lists_in_maps_and_alone() {
        let of = |answer: Value, field: &str| listed(&answer, field).len();
        assert_eq!(
            of(json!({"groups": [{"label": "a"}, {"label": "b"}]}), "groups"),
            2
        );
        assert_eq!(of(json!({"groups": {"a": {"name": "a"}}}), "groups"), 1);
        assert_eq!(of(json!({"region": "r"}), ""), 1);
        assert_eq!(of(json!({}), "groups"), 0);
    }

    /// Secret data are shown to nobody: a file could only lose them.
    #[tokio::test]
    async fn what_cannot_be_declared_is_left_out() {
        let catalogue = crate::api::catalogue().unwrap();
        let cluster = Fake::default();
        let kind = find("CloudInitGroup").unwrap();
        cluster.has(kind, "open", 3, json!({"description": "d"}));
        cluster.has(kind, "sealed", 4, json!({"secret": true}));
        cluster.has(kind, "shipped", 0, json!({}));
        let objects = read(&cluster, &catalogue, kind).await.unwrap();
        assert_eq!(objects.keys().collect::<Vec<_>>(), ["open"]);
        assert_eq!((objects["open"].modified, objects["open"].spec.len()), (3, 1));
    }

    /// Lists of templates have no bodies: what is shown and applied again must not lose them.
    #[tokio::test]
    async fn a_template_is_read_whole_and_applies_again_without_a_change() {
        let catalogue = crate::api::catalogue().unwrap();
        let cluster = Fake::default();
        let kind = find("Template").unwrap();
        cluster.has(kind, "motd", 3, json!({"path": "etc/motd", "body": "hello\n"}));
        let objects = read(&cluster, &catalogue, kind).await.unwrap();
        assert_eq!(objects["motd"].spec["body"], "hello\n");
        let text = text::document(kind, "motd", &objects["motd"].spec).unwrap();
        let documents = document::read(&catalogue, "the text", &text).unwrap();
        let plan = plan::compare(&documents, &[(kind.name, objects)].into()).unwrap();
        assert!(plan.steps.is_empty(), "{text}");
    }
}
