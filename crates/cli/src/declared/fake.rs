//! A cluster of a test: it keeps objects by kind and name, counts revisions, and refuses what it is told to.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use proto::http::v1::{ObjectChange, WouldChange};
use serde_json::{Map, Value, json};
use tonic::Status;

use super::cluster::{Answer, Cluster, How};
use super::kinds::{KINDS, Key, Kind, Write};

/// Objects by name, with their revision.
type Rows = BTreeMap<String, (u64, Map<String, Value>)>;

#[derive(Debug, Default)]
pub(super) struct Fake {
    rows: RefCell<BTreeMap<&'static str, Rows>>,
    revision: Cell<u64>,
    /// Its id; `None`: only administrators are told.
    pub(super) id: RefCell<Option<String>>,
    /// Names that no write may have.
    pub(super) refused: RefCell<BTreeSet<String>>,
    /// The same, but only of writes that are meant.
    pub(super) broken: RefCell<BTreeSet<String>>,
    /// Methods that were called, with `?` for those that were tried out.
    pub(super) calls: RefCell<Vec<String>>,
}

impl Fake {
    /// Puts an object there, as somebody else would.
    pub(super) fn has(&self, kind: &'static Kind, name: &str, revision: u64, spec: Value) {
        let Value::Object(mut object) = spec else { return };
        kind.put_name(name, &mut object);
        let mut rows = self.rows.borrow_mut();
        rows.entry(kind.name)
            .or_default()
            .insert(name.to_owned(), (revision, object));
        self.revision.set(self.revision.get().max(revision));
    }

    pub(super) fn names(&self, kind: &Kind) -> Vec<String> {
        let rows = self.rows.borrow();
        rows.get(kind.name)
            .map(|rows| rows.keys().cloned().collect())
            .unwrap_or_default()
    }

    /// An object as it was written.
    pub(super) fn spec(&self, kind: &Kind, name: &str) -> Map<String, Value> {
        let rows = self.rows.borrow();
        let found = rows.get(kind.name).and_then(|rows| rows.get(name));
        found.map(|(_, object)| object.clone()).unwrap_or_default()
    }

    /// How many writes were meant.
    pub(super) fn writes(&self) -> usize {
        let is_write =
            |call: &&String| !call.ends_with('?') && !call.starts_with("List") && !call.starts_with("Get");
        self.calls.borrow().iter().filter(is_write).count()
    }

    /// Lists leave out the bodies of what can be asked for whole, as the cluster's do.
    fn list(&self, kind: &Kind) -> Value {
        let rows = self.rows.borrow();
        let listed = |(revision, object): &(u64, Map<String, Value>)| {
            let mut object = object.clone();
            if kind.one.is_some() {
                object.remove("body");
            }
            shown(*revision, object)
        };
        let mut all = rows.get(kind.name).into_iter().flat_map(Rows::values).map(listed);
        match kind.list.1 {
            "" => all.next().unwrap_or_else(|| json!({})),
            field => json!({ field: all.collect::<Vec<_>>() }),
        }
    }

    fn one(&self, kind: &Kind, name: &str) -> Result<Value, Status> {
        let rows = self.rows.borrow();
        let found = rows.get(kind.name).and_then(|rows| rows.get(name));
        let (revision, object) = found.ok_or_else(|| Status::not_found(name.to_owned()))?;
        Ok(shown(*revision, object.clone()))
    }

    fn put(
        &self,
        kind: &'static Kind,
        name: &str,
        seen: Option<u64>,
        object: Option<Map<String, Value>>,
        how: How,
    ) -> Result<Answer, Status> {
        let forbidden =
            self.refused.borrow().contains(name) || (how == How::Made && self.broken.borrow().contains(name));
        if forbidden {
            return Err(Status::invalid_argument(format!("{name}: refused")));
        }
        let is = self
            .rows
            .borrow()
            .get(kind.name)
            .and_then(|rows| rows.get(name))
            .map_or(0, |(revision, _)| *revision);
        if seen.is_some_and(|seen| seen != is) {
            return Err(Status::aborted(format!("{name} is at revision {is}")));
        }
        let change = ObjectChange {
            change: if is == 0 { "created" } else { "deleted" }.into(),
            id: name.to_owned(),
            ..ObjectChange::default()
        };
        if how == How::Made {
            self.revision.set(self.revision.get() + 1);
            let mut rows = self.rows.borrow_mut();
            let rows = rows.entry(kind.name).or_default();
            match object {
                Some(object) => rows.insert(name.to_owned(), (self.revision.get(), object)),
                None => rows.remove(name),
            };
        }
        Ok(Answer {
            json: json!({ "revision": self.revision.get() }),
            would_change: WouldChange {
                changes: vec![change],
                ..WouldChange::default()
            },
        })
    }
}

impl Fake {
    /// What HSM has for components; `None`: it is another method.
    fn write_components(&self, method: &str, request: &Value, how: How) -> Option<Result<Answer, Status>> {
        let kind = super::kinds::find("Component").ok()?;
        match method {
            "CreateComponents" => {
                let object = request["components"][0].as_object()?.clone();
                let name = kind.name_of(&object)?;
                let seen = request["if_revisions"][0].as_u64();
                Some(self.put(kind, &name, seen, Some(object), how))
            }
            "BulkPatchRole" => {
                let name = request["component_ids"][0].as_str()?.to_owned();
                let mut object = self.spec(kind, &name);
                object.insert("Role".into(), request["role"].clone());
                Some(self.put(kind, &name, None, Some(object), how))
            }
            _ => None,
        }
    }
}

/// The object as the cluster shows it.
fn shown(revision: u64, mut object: Map<String, Value>) -> Value {
    let change = json!({ "revision": revision });
    object.insert("meta".into(), json!({ "created": change, "modified": change }));
    Value::Object(object)
}

impl Cluster for Fake {
    async fn call(&self, method: &str, request: Value, how: How) -> Result<Answer, Status> {
        let short = method.rsplit('.').next().unwrap_or(method);
        let mark = if how == How::TriedOut { "?" } else { "" };
        self.calls.borrow_mut().push(format!("{short}{mark}"));
        if method == "chamois.cluster.v1.ClusterService.GetStatus" {
            let id = self.id.borrow().clone();
            return Ok(Answer {
                json: json!({ "clusterId": id.ok_or_else(|| Status::permission_denied("administrators only"))? }),
                ..Answer::default()
            });
        }
        if let Some(kind) = KINDS.iter().find(|kind| kind.list.0 == method) {
            return Ok(Answer {
                json: self.list(kind),
                ..Answer::default()
            });
        }
        let asked = KINDS.iter().find_map(|kind| {
            let (one, field) = kind.one?;
            (one == method).then_some((kind, field))
        });
        if let Some((kind, field)) = asked {
            return Ok(Answer {
                json: self.one(kind, request[field].as_str().unwrap_or_default())?,
                ..Answer::default()
            });
        }
        let seen = request.get("if_revision").and_then(Value::as_u64);
        if let Some(kind) = KINDS.iter().find(|kind| kind.delete.method == method) {
            let name = match kind.key {
                Key::Boot => kind.name_of(request.as_object().unwrap()).unwrap(),
                _ => request[kind.delete.name].as_str().unwrap_or("cluster").to_owned(),
            };
            return self.put(kind, &name, seen, None, how);
        }
        let is_put = |kind: &&Kind| matches!(kind.write, Write::Put { method: own, .. } if own == method);
        if let Some(kind) = KINDS.iter().find(is_put) {
            let Write::Put { body, .. } = kind.write else {
                return Err(Status::internal("a put"));
            };
            let object = request[body].as_object().cloned().unwrap_or_default();
            let name = kind.name_of(&object).unwrap_or_default();
            return self.put(kind, &name, seen, Some(object), how);
        }
        if short == "PutBootParameters" {
            let kind =
                super::kinds::find("BootParameters").map_err(|error| Status::internal(error.to_string()))?;
            let entries = request["entries"].as_array().cloned().unwrap_or_default();
            let at = request["if_revisions"].as_array().cloned().unwrap_or_default();
            let mut answer = Answer::default();
            for (entry, at) in entries.into_iter().zip(at) {
                let object = entry.as_object().cloned().unwrap_or_default();
                let name = kind.name_of(&object).unwrap_or_default();
                answer = self.put(kind, &name, at.as_u64(), Some(object), how)?;
            }
            return Ok(answer);
        }
        if let Some(answer) = self.write_components(short, &request, how) {
            return answer;
        }
        Err(Status::unimplemented(method.to_owned()))
    }
}
