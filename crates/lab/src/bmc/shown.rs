//! A resource as it is now: what the tree says, and what has changed since.

use http::StatusCode;
use serde_json::{Map, Value};

use super::answers::Reply;
use super::identity;
use super::overlay::{Bmc, Overlay};
use super::tasks;
use super::tree::{Resource, Tree};

/// A resource that is there.
pub(crate) enum Shown<'a> {
    /// As the tree has it.
    AsItWas(&'a Resource),
    /// Made or changed.
    Now(Value),
}

impl Shown<'_> {
    pub(crate) fn into_value(self) -> Value {
        match self {
            Shown::AsItWas(resource) => resource.value.clone(),
            Shown::Now(value) => value,
        }
    }

    pub(crate) fn into_reply(self) -> Reply {
        match self {
            Shown::AsItWas(resource) => {
                Reply::ready(StatusCode::OK, resource.body.clone(), resource.etag.clone())
            }
            Shown::Now(value) => Reply::made(StatusCode::OK, &value),
        }
    }

    /// The ETag that it has now.
    pub(crate) fn etag(&self) -> String {
        match self {
            Shown::AsItWas(resource) => resource.etag.clone(),
            Shown::Now(value) => super::tree::etag(value.to_string().as_bytes()),
        }
    }
}

/// The resource at a normal URI; `None`: there is none.
pub(crate) fn shown<'a>(bmc: &'a Bmc, overlay: &Overlay, uri: &str) -> Option<Shown<'a>> {
    let tree: &'a Tree = bmc.tree();
    if uri == tree.places().sessions {
        return Some(Shown::Now(overlay.sessions.list(uri)));
    }
    if let Some(session) = overlay.sessions.show(uri) {
        return Some(Shown::Now(session));
    }
    if let Some(list) = overlay.tasks.list().filter(|_| uri == tasks::TASKS) {
        return Some(Shown::Now(list));
    }
    let (uri, resource) = tree.find(uri)?;
    let changed = changes(tree, overlay, uri);
    let is_distinct = overlay.identity.filter(|_| resource.names_a_unit);
    if changed.is_empty() && is_distinct.is_none() {
        return Some(Shown::AsItWas(resource));
    }
    let mut value = resource.value.clone();
    if let Some(members) = value.as_object_mut() {
        members.extend(changed);
    }
    if let Some(seed) = is_distinct {
        identity::differ(&mut value, seed);
    }
    Some(Shown::Now(value))
}

/// The members of the resource at `uri` that are others than in the tree.
fn changes(tree: &Tree, overlay: &Overlay, uri: &str) -> Map<String, Value> {
    let mut changed = Map::new();
    let mut set = |name: &str, text: &str| changed.insert(name.to_owned(), Value::from(text));
    let systems = tree.places().systems.iter().zip(&overlay.power);
    for (_, power) in systems.filter(|(place, power)| place.uri == uri && place.power != power.state) {
        set("PowerState", power.state.as_str());
    }
    if let Some(user) = overlay.accounts.user_at(uri) {
        set("UserName", user);
    }
    if let Some(version) = overlay.tasks.version_of(uri) {
        set("Version", version);
    }
    changed
}
