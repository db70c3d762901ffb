//! HSM's collections, and where they stand in a document.

use serde_json::Value;

use super::json::kind;
use crate::error::{CliError, Kind};

/// A collection of HSM v2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Collection {
    Components,
    RedfishEndpoints,
    ComponentEndpoints,
    ServiceEndpoints,
    EthernetInterfaces,
    Hardware,
    NodeMaps,
    PowerMaps,
    Groups,
    Partitions,
    Memberships,
    Subscriptions,
}

impl Collection {
    /// All of them, in the order in which they are shown.
    pub(crate) const ALL: [Collection; 12] = [
        Self::Components,
        Self::RedfishEndpoints,
        Self::ComponentEndpoints,
        Self::ServiceEndpoints,
        Self::EthernetInterfaces,
        Self::Hardware,
        Self::NodeMaps,
        Self::PowerMaps,
        Self::Groups,
        Self::Partitions,
        Self::Memberships,
        Self::Subscriptions,
    ];

    /// The key that wraps it, and the name of its file.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Components => "Components",
            Self::RedfishEndpoints => "RedfishEndpoints",
            Self::ComponentEndpoints => "ComponentEndpoints",
            Self::ServiceEndpoints => "ServiceEndpoints",
            Self::EthernetInterfaces => "EthernetInterfaces",
            Self::Hardware => "Hardware",
            Self::NodeMaps => "NodeMaps",
            Self::PowerMaps => "powermaps",
            Self::Groups => "groups",
            Self::Partitions => "partitions",
            Self::Memberships => "memberships",
            Self::Subscriptions => "SubscriptionList",
        }
    }

    /// Where it is below `/hsm/v2`.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Components => "State/Components",
            Self::RedfishEndpoints => "Inventory/RedfishEndpoints",
            Self::ComponentEndpoints => "Inventory/ComponentEndpoints",
            Self::ServiceEndpoints => "Inventory/ServiceEndpoints",
            Self::EthernetInterfaces => "Inventory/EthernetInterfaces",
            Self::Hardware => "Inventory/Hardware",
            Self::NodeMaps => "Defaults/NodeMaps",
            Self::PowerMaps => "sysinfo/powermaps",
            Self::Groups => "groups",
            Self::Partitions => "partitions",
            Self::Memberships => "memberships",
            Self::Subscriptions => "Subscriptions/SCN",
        }
    }

    /// The full name of the message of one object; `None` for what is not moved between systems.
    pub(crate) fn message(self) -> Option<&'static str> {
        match self {
            Self::Components => Some("chamois.smd.v1.Component"),
            Self::RedfishEndpoints => Some("chamois.smd.v1.RedfishEndpoint"),
            Self::EthernetInterfaces => Some("chamois.smd.v1.EthernetInterface"),
            Self::Groups => Some("chamois.smd.v1.Group"),
            Self::Partitions => Some("chamois.smd.v1.Partition"),
            Self::NodeMaps => Some("chamois.smd.v1.NodeMap"),
            Self::PowerMaps => Some("chamois.smd.v1.PowerMap"),
            Self::ComponentEndpoints
            | Self::ServiceEndpoints
            | Self::Hardware
            | Self::Memberships
            | Self::Subscriptions => None,
        }
    }

    /// Why it is not moved.
    pub(crate) fn not_moved(self) -> &'static str {
        match self {
            Self::Memberships => "they follow from the groups",
            Self::Hardware => "a discovery finds it again; what was posted is posted again",
            Self::Subscriptions => "subscribers subscribe here themselves",
            _ => "a discovery makes them anew",
        }
    }

    /// Whether administrators set it, so that it is missed where it is left out.
    pub(crate) fn is_set_by_administrators(self) -> bool {
        !matches!(
            self,
            Self::ComponentEndpoints | Self::ServiceEndpoints | Self::Memberships
        )
    }

    fn named(name: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|collection| collection.name().eq_ignore_ascii_case(name))
    }

    /// What only the objects of one collection have.
    fn of_object(object: &Value) -> Option<Self> {
        let has = |key: &str| {
            object
                .as_object()
                .is_some_and(|object| object.keys().any(|known| known.eq_ignore_ascii_case(key)))
        };
        let keys = [
            ("MACAddress", Self::EthernetInterfaces),
            ("label", Self::Groups),
            ("groupLabels", Self::Memberships),
            ("poweredBy", Self::PowerMaps),
            ("FQDN", Self::RedfishEndpoints),
            ("State", Self::Components),
        ];
        let own = keys.into_iter().find(|(key, _)| has(key));
        own.map(|(_, collection)| collection)
    }
}

/// The objects of one collection, and where they come from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Items {
    pub(crate) collection: Collection,
    /// File or URL.
    pub(crate) origin: String,
    pub(crate) objects: Vec<Value>,
}

/// The collections in `document`: an object with their names as keys, or one array, which `name` (of the file) or its
/// first object tells.
///
/// # Errors
/// With what is accepted, if there is none.
pub(crate) fn find_in(origin: &str, name: &str, document: Value) -> Result<Vec<Items>, CliError> {
    let items = |collection, objects| Items {
        collection,
        origin: origin.to_owned(),
        objects,
    };
    match document {
        Value::Array(objects) => {
            let collection = Collection::named(name).or_else(|| Collection::of_object(objects.first()?));
            let collection = collection.ok_or_else(|| {
                let problem = "it is an array of I do not know what: name the file after the collection, \
                               e.g. Components.json or EthernetInterfaces.json, or wrap the array, \
                               e.g. {\"groups\": […]}";
                not_accepted(origin, problem)
            })?;
            Ok(vec![items(collection, objects)])
        }
        Value::Object(object) => {
            let mut found = Vec::new();
            for (key, value) in object {
                match (Collection::named(&key), value) {
                    (None, _) | (Some(_), Value::Null) => {}
                    (Some(collection), Value::Array(objects)) => found.push(items(collection, objects)),
                    (Some(_), other) => {
                        let problem = format!("{key}: it is {}; write an array", kind(&other));
                        return Err(not_accepted(origin, problem));
                    }
                }
            }
            match found.is_empty() {
                true => Err(not_accepted(origin, "it has none of HSM's collections")),
                false => Ok(found),
            }
        }
        other => Err(not_accepted(origin, format!("it is {}", kind(&other)))),
    }
}

/// A document that cannot be read.
pub(crate) fn not_accepted(origin: &str, problem: impl std::fmt::Display) -> CliError {
    let names: Vec<&str> = Collection::ALL
        .into_iter()
        .filter(|collection| collection.message().is_some())
        .map(Collection::name)
        .collect();
    CliError::new(Kind::Usage, format!("{origin}: {problem}")).with_remedy(format!(
        "Accepted is JSON as `GET /hsm/v2/…` gives it or `chamois export` writes it: the collections {}.",
        names.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(name: &str, document: Value) -> Vec<(Collection, usize)> {
        let items = find_in("x.json", name, document).unwrap();
        items
            .into_iter()
            .map(|items| (items.collection, items.objects.len()))
            .collect()
    }

    #[test]
    fn wrapped_collections_are_found_by_their_keys() {
        let document =
            json!({ "components": [{}, {}], "groups": [{}], "RedfishEndpoints": null, "Version": 3 });
        let mut all = found("dump", document);
        all.sort();
        assert_eq!(all, [(Collection::Components, 2), (Collection::Groups, 1)]);
    }

    /// SMD gives interfaces and groups as bare arrays.
    #[test]
    fn a_bare_array_is_known_by_its_file_or_its_objects() {
        assert_eq!(
            found("ethernetinterfaces", json!([])),
            [(Collection::EthernetInterfaces, 0)]
        );
        assert_eq!(
            found("dump", json!([{ "MACAddress": "" }])),
            [(Collection::EthernetInterfaces, 1)]
        );
        assert_eq!(
            found("dump", json!([{ "label": "a" }])),
            [(Collection::Groups, 1)]
        );
        assert_eq!(
            found("dump", json!([{ "id": "x", "groupLabels": [] }])),
            [(Collection::Memberships, 1)]
        );
        assert_eq!(
            found("dump", json!([{ "ID": "x0", "State": "On" }])),
            [(Collection::Components, 1)]
        );
    }

    #[test]
    fn what_is_no_collection_is_refused_with_what_is_accepted() {
        for (document, text) in [
            (json!([]), "x.json: it is an array of"),
            (json!([1]), "x.json: it is an array of"),
            (json!({ "a": [] }), "x.json: it has none of HSM's collections"),
            (
                json!({ "Components": {} }),
                "x.json: Components: it is an object; write an array",
            ),
            (json!("x"), "x.json: it is a string"),
        ] {
            let error = find_in("x.json", "x", document).unwrap_err();
            assert_eq!(error.kind(), Kind::Usage);
            let error = error.to_string();
            assert!(
                error.starts_with(text) && error.contains("Components, RedfishEndpoints, EthernetInterfaces"),
                "{error}"
            );
        }
    }
}
