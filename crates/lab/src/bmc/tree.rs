//! What a BMC serves before anything is changed: resources by URI, and what is known of their use.

use std::collections::BTreeMap;
use std::io;

use bytes::Bytes;
use serde_json::Value;

use super::power::Power;

/// URI of the service root, as all URIs are kept: without a slash at the end.
pub(crate) const ROOT: &str = "/redfish/v1";

/// A Redfish tree: captured, or made here.
#[derive(Debug)]
pub struct Tree {
    resources: BTreeMap<String, Resource>,
    places: Places,
}

/// One resource of a tree.
#[derive(Debug)]
pub(crate) struct Resource {
    pub(crate) value: Value,
    /// The same as text, ready to be sent.
    pub(crate) body: Bytes,
    pub(crate) etag: String,
    /// Whether something in it names one piece of hardware.
    pub(crate) names_a_unit: bool,
}

/// Where in a tree the things are that change.
#[derive(Debug, Default)]
pub(crate) struct Places {
    pub(crate) systems: Vec<SystemPlace>,
    /// Accounts: URI and user.
    pub(crate) accounts: Vec<(String, String)>,
    /// Shortest password that is accepted.
    pub(crate) password_min: u64,
    /// Longest password that is accepted.
    pub(crate) password_max: u64,
    pub(crate) sessions: String,
    pub(crate) simple_update: Option<String>,
    pub(crate) event_stream: Option<String>,
    pub(crate) expands: bool,
}

/// A ComputerSystem.
#[derive(Debug)]
pub(crate) struct SystemPlace {
    pub(crate) uri: String,
    pub(crate) reset_target: Option<String>,
    /// Empty: it does not say, and takes all.
    pub(crate) reset_types: Vec<String>,
    pub(crate) power: Power,
}

/// Why a tree cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// A file or the archive.
    #[error("cannot read {name}")]
    Read {
        /// The file.
        name: String,
        /// The reason.
        source: io::Error,
    },
    /// A file that is not JSON.
    #[error("{name} is not JSON")]
    Json {
        /// The file.
        name: String,
        /// Where, and what is wrong.
        source: serde_json::Error,
    },
    /// Nothing in it looks like a service root.
    #[error(
        "no service root: give a folder, or a .tar.gz of one, with an index.json that has RedfishVersion above all others"
    )]
    NoRoot,
}

impl Tree {
    /// A tree of these resources, by URI.
    ///
    /// # Errors
    /// [`TreeError::NoRoot`] without a service root.
    pub fn of(resources: impl IntoIterator<Item = (String, Value)>) -> Result<Tree, TreeError> {
        let resources: BTreeMap<String, Resource> = resources
            .into_iter()
            .map(|(uri, value)| (normal(&uri), Resource::new(value)))
            .collect();
        let root = resources.get(ROOT).ok_or(TreeError::NoRoot)?;
        if root.value.get("RedfishVersion").is_none() {
            return Err(TreeError::NoRoot);
        }
        let places = Places::of(&resources);
        Ok(Tree { resources, places })
    }

    /// URIs of all resources, sorted.
    pub fn uris(&self) -> impl Iterator<Item = &str> {
        self.resources.keys().map(String::as_str)
    }

    /// The resource at `uri` as it is in the tree, whatever became of it in a BMC.
    pub fn get(&self, uri: &str) -> Option<&Value> {
        self.find(&normal(uri)).map(|(_, resource)| &resource.value)
    }

    /// URIs of the systems, in the order of their collection.
    pub fn systems(&self) -> impl Iterator<Item = &str> {
        self.places.systems.iter().map(|system| system.uri.as_str())
    }

    pub(crate) fn places(&self) -> &Places {
        &self.places
    }

    /// The resource at a normal URI, and its URI as the tree spells it. Some BMCs link to `…/systems/1/bios` and mean
    /// `…/Systems/1/Bios`: where nothing is spelt so, case does not count.
    pub(crate) fn find(&self, uri: &str) -> Option<(&str, &Resource)> {
        let exact = self.resources.get_key_value(uri);
        let found = exact.or_else(|| {
            let mut all = self.resources.iter();
            all.find(|(spelt, _)| spelt.eq_ignore_ascii_case(uri))
        });
        found.map(|(spelt, resource)| (spelt.as_str(), resource))
    }
}

impl Resource {
    fn new(value: Value) -> Resource {
        let body = Bytes::from(value.to_string());
        Resource {
            etag: etag(&body),
            names_a_unit: super::identity::names_a_unit(&value),
            body,
            value,
        }
    }
}

impl Places {
    fn of(resources: &BTreeMap<String, Resource>) -> Places {
        let at = |uri: &str| resources.get(&normal(uri)).map(|resource| &resource.value);
        let linked = |from: &Value, name: &str, usual: &str| {
            let uri = from
                .pointer(&format!("/{name}/@odata.id"))
                .and_then(Value::as_str);
            normal(uri.unwrap_or(usual))
        };
        let nothing = Value::Null;
        let root = at(ROOT).unwrap_or(&nothing);
        let accounts = at(&linked(root, "AccountService", "/redfish/v1/AccountService")).unwrap_or(&nothing);
        let account_list = linked(accounts, "Accounts", "/redfish/v1/AccountService/Accounts");
        let update = at(&linked(root, "UpdateService", "/redfish/v1/UpdateService")).unwrap_or(&nothing);
        let events = at(&linked(root, "EventService", "/redfish/v1/EventService")).unwrap_or(&nothing);
        let length = |name: &str| {
            accounts
                .get(name)
                .and_then(Value::as_u64)
                .filter(|length| *length > 0)
        };
        Places {
            systems: members(at(&linked(root, "Systems", "/redfish/v1/Systems")))
                .filter_map(|uri| Some(SystemPlace::of(&uri, at(&uri)?)))
                .collect(),
            accounts: members(at(&account_list))
                .filter_map(|uri| {
                    let user = at(&uri)?.get("UserName").and_then(Value::as_str)?.to_owned();
                    Some((uri, user))
                })
                .collect(),
            password_min: length("MinPasswordLength").unwrap_or(0),
            password_max: length("MaxPasswordLength").unwrap_or(u64::MAX),
            sessions: linked(root, "Links/Sessions", "/redfish/v1/SessionService/Sessions"),
            simple_update: action(update, "#UpdateService.SimpleUpdate"),
            event_stream: events
                .get("ServerSentEventUri")
                .and_then(Value::as_str)
                .map(normal),
            expands: root
                .pointer("/ProtocolFeaturesSupported/ExpandQuery/ExpandAll")
                .and_then(Value::as_bool)
                .unwrap_or(false),
        }
    }
}

impl SystemPlace {
    fn of(uri: &str, system: &Value) -> SystemPlace {
        let reset = system.pointer("/Actions/#ComputerSystem.Reset");
        let types = reset.and_then(|reset| reset.get("ResetType@Redfish.AllowableValues"));
        let types = types.and_then(Value::as_array).into_iter().flatten();
        let power = system.get("PowerState").and_then(Value::as_str);
        SystemPlace {
            uri: uri.to_owned(),
            reset_target: action(system, "#ComputerSystem.Reset"),
            reset_types: types.filter_map(Value::as_str).map(str::to_owned).collect(),
            power: if power == Some("On") {
                Power::On
            } else {
                Power::Off
            },
        }
    }
}

fn action(of: &Value, name: &str) -> Option<String> {
    let target = of.get("Actions")?.get(name)?.get("target")?;
    target.as_str().map(normal)
}

/// URIs of a collection's members, in order.
fn members(collection: Option<&Value>) -> impl Iterator<Item = String> {
    let members = collection.and_then(|collection| collection.get("Members"));
    let members = members.and_then(Value::as_array).into_iter().flatten();
    members.filter_map(|member| member.get("@odata.id").and_then(Value::as_str).map(normal))
}

/// A URI's path as it is kept: without query, fragment and slash at the end.
pub(crate) fn normal(uri: &str) -> String {
    let path = uri.split(['?', '#']).next().unwrap_or_default();
    path.trim_end_matches('/').to_owned()
}

/// A strong ETag of a body.
pub(crate) fn etag(body: &[u8]) -> String {
    format!("\"{:08x}\"", crc32fast::hash(body))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn small() -> Vec<(String, Value)> {
        let at = |uri: &str, value: Value| (uri.to_owned(), value);
        vec![
            at(
                "/redfish/v1/",
                json!({"RedfishVersion": "1.6.0", "Systems": {"@odata.id": "/redfish/v1/Systems/"}}),
            ),
            at(
                "/redfish/v1/Systems",
                json!({"Members": [{"@odata.id": "/redfish/v1/Systems/b/"}, {"@odata.id": "/redfish/v1/Systems/a"}]}),
            ),
            at(
                "/redfish/v1/Systems/a",
                json!({"PowerState": "On", "Actions": {"#ComputerSystem.Reset": {"target": "/redfish/v1/Systems/a/Reset"}}}),
            ),
            at("/redfish/v1/Systems/b", json!({"PowerState": null})),
        ]
    }

    /// The place of a system is the collection's, not the alphabet's.
    #[test]
    fn systems_come_in_the_order_of_their_collection() {
        let tree = Tree::of(small()).unwrap();
        let systems: Vec<&str> = tree.systems().collect();
        assert_eq!(systems, ["/redfish/v1/Systems/b", "/redfish/v1/Systems/a"]);
        let places = &tree.places().systems;
        assert_eq!((places[0].power, places[1].power), (Power::Off, Power::On));
        assert_eq!(places[0].reset_target, None);
        assert_eq!(
            places[1].reset_target.as_deref(),
            Some("/redfish/v1/Systems/a/Reset")
        );
    }

    #[test]
    fn what_the_root_does_not_name_is_where_it_usually_is() {
        let tree = Tree::of(small()).unwrap();
        let places = tree.places();
        assert_eq!(places.sessions, "/redfish/v1/SessionService/Sessions");
        assert_eq!((places.password_min, places.password_max), (0, u64::MAX));
        assert!(places.simple_update.is_none() && places.event_stream.is_none() && !places.expands);
    }

    /// iLO links to `/redfish/v1/systems/1/bios`.
    #[test]
    fn case_counts_only_where_it_decides() {
        let tree = Tree::of(small()).unwrap();
        assert!(tree.get("/redfish/v1/systems/A/").is_some());
        assert!(tree.get("/redfish/v1/Systems/c").is_none());
        let both = [
            ("/redfish/v1".to_owned(), json!({"RedfishVersion": "1.0.0"})),
            ("/redfish/v1/x".to_owned(), json!(1)),
            ("/redfish/v1/X".to_owned(), json!(2)),
        ];
        let tree = Tree::of(both).unwrap();
        assert_eq!(
            (tree.get("/redfish/v1/X"), tree.get("/redfish/v1/x")),
            (Some(&json!(2)), Some(&json!(1)))
        );
    }

    #[test]
    fn a_tree_without_a_service_root_is_refused() {
        let error = Tree::of([("/redfish/v1/Systems".to_owned(), json!({}))]).unwrap_err();
        assert!(error.to_string().contains("RedfishVersion"), "{error}");
        assert!(Tree::of([("/redfish/v1".to_owned(), json!({}))]).is_err());
    }
}
