//! A step as the requests that make it. Pure.

use openapi::Catalogue;
use serde_json::{Map, Value, json};

use super::kinds::{Key, Kind, Write};
use super::normal;
use super::plan::Step;
use crate::error::CliError;

/// One request of a step.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Part {
    pub(super) method: &'static str,
    pub(super) body: Map<String, Value>,
    pub(super) condition: Condition,
    /// Lists of the body: requests that are the same but for these become one change.
    pub(super) lists: &'static [&'static str],
}

/// What keeps it from overwriting somebody else's change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// `if_revision`: the revision that was seen, or that of the part before.
    One,
    /// `if_revisions`, one for each object.
    Each,
    /// The method refuses what exists.
    New,
    /// The method takes none: the kind is read once more directly before.
    LookedAt,
}

const CREATE: &str = "chamois.smd.v1.ComponentService.CreateComponents";
const PATCH: &str = "chamois.smd.v1.ComponentPatchService.";
/// What `force` overwrites.
const FORCED: [&str; 6] = ["State", "Flag", "Subtype", "NetType", "Arch", "Class"];

/// The requests of a step, in their order.
///
/// # Errors
/// When this version has no such message.
pub(super) fn parts(catalogue: &Catalogue, step: &Step) -> Result<Vec<Part>, CliError> {
    let Some(after) = &step.after else {
        return Ok(vec![deletion(step)]);
    };
    let whole = normal::to_send(catalogue, step.kind, &step.name, after)?;
    Ok(match step.kind.write {
        Write::Put {
            method,
            name,
            body,
            conditional,
        } => vec![put(step, method, name, body, conditional, whole)],
        Write::Components => components(step, after, &whole),
        Write::Groups => groups(step, after, whole),
        Write::BootParameters => vec![Part {
            method: "chamois.bss.v1.BootParametersService.PutBootParameters",
            body: object(json!({ "entries": [whole] })),
            condition: Condition::Each,
            lists: &["entries", "if_revisions"],
        }],
        Write::Defaults => vec![defaults(step, after, &whole)],
    })
}

impl Part {
    /// The body with the condition that it must still be at `seen`; 0: it must not be there.
    pub(super) fn at(&self, seen: u64) -> Map<String, Value> {
        let mut body = self.body.clone();
        match self.condition {
            Condition::One => {
                body.insert("if_revision".into(), json!(seen));
            }
            Condition::Each => {
                body.insert("if_revisions".into(), json!([seen]));
            }
            Condition::New | Condition::LookedAt => {}
        }
        body
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

fn single(method: &'static str, body: Value, condition: Condition) -> Part {
    Part {
        method,
        body: object(body),
        condition,
        lists: &[],
    }
}

fn put(
    step: &Step,
    method: &'static str,
    name: Option<&'static str>,
    field: &'static str,
    conditional: bool,
    whole: Map<String, Value>,
) -> Part {
    let mut body = Map::new();
    if let Some(name) = name {
        body.insert(name.to_owned(), json!(step.name));
    }
    body.insert(field.to_owned(), Value::Object(whole));
    let condition = if conditional {
        Condition::One
    } else {
        Condition::LookedAt
    };
    single(method, Value::Object(body), condition)
}

/// What `force` overwrites goes first, at the revision that was seen; the patches of single fields take none.
fn components(step: &Step, after: &Map<String, Value>, whole: &Map<String, Value>) -> Vec<Part> {
    let created = |body: Value| Part {
        method: CREATE,
        body: object(body),
        condition: Condition::Each,
        lists: &["components", "if_revisions"],
    };
    let Some(before) = &step.before else {
        let mut component = whole.clone();
        // nobody has asked a node that is only declared
        component.entry("State").or_insert_with(|| json!("STATE_UNKNOWN"));
        return vec![created(json!({ "components": [component] }))];
    };
    let differs = |field: &str| before.spec.get(field) != after.get(field);
    let of = |field: &str| whole.get(field).cloned().unwrap_or(Value::Null);
    let text = |field: &str| {
        after
            .get(field)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let ids = json!([step.name]);
    let mut parts = Vec::new();
    if FORCED.iter().any(|field| differs(field)) {
        let mut component = whole.clone();
        component.retain(|field, _| field == "ID" || FORCED.contains(&field.as_str()));
        parts.push(created(json!({ "components": [component], "force": true })));
    }
    let mut patch = |method: &'static str, body: Value, lists: &'static [&'static str]| {
        parts.push(Part {
            method,
            body: object(body),
            condition: Condition::LookedAt,
            lists,
        });
    };
    if differs("NID") {
        let nid = json!({ "components": [{ "ID": step.name, "NID": of("NID") }] });
        patch(patch_method("BulkPatchNid"), nid, &["components"]);
    }
    if differs("Role") || differs("SubRole") {
        let role = json!({ "component_ids": ids, "role": text("Role"), "sub_role": text("SubRole") });
        patch(patch_method("BulkPatchRole"), role, &["component_ids"]);
    }
    if differs("Enabled") {
        let enabled = json!({ "component_ids": ids, "enabled": of("Enabled") });
        patch(patch_method("BulkPatchEnabled"), enabled, &["component_ids"]);
    }
    if differs("SoftwareStatus") {
        let status = json!({ "component_ids": ids, "software_status": text("SoftwareStatus") });
        patch(
            patch_method("BulkPatchSoftwareStatus"),
            status,
            &["component_ids"],
        );
    }
    parts
}

/// Full names, as the table has them.
fn patch_method(name: &str) -> &'static str {
    const METHODS: [&str; 4] = [
        "chamois.smd.v1.ComponentPatchService.BulkPatchNid",
        "chamois.smd.v1.ComponentPatchService.BulkPatchRole",
        "chamois.smd.v1.ComponentPatchService.BulkPatchEnabled",
        "chamois.smd.v1.ComponentPatchService.BulkPatchSoftwareStatus",
    ];
    let found = METHODS
        .iter()
        .find(|method| method.strip_prefix(PATCH) == Some(name));
    found.copied().unwrap_or(METHODS[0])
}

fn groups(step: &Step, after: &Map<String, Value>, whole: Map<String, Value>) -> Vec<Part> {
    let Some(before) = &step.before else {
        let method = "chamois.smd.v1.GroupService.CreateGroup";
        return vec![single(method, Value::Object(whole), Condition::New)];
    };
    let differs = |field: &str| before.spec.get(field) != after.get(field);
    let mut parts = Vec::new();
    if differs("description") || differs("tags") {
        let body = json!({
            "label": step.name,
            "description": after.get("description").and_then(Value::as_str).unwrap_or_default(),
            "tags": after.get("tags").cloned().unwrap_or_else(|| json!([])),
            "replace_tags": true,
        });
        parts.push(single(
            "chamois.smd.v1.GroupService.PatchGroup",
            body,
            Condition::One,
        ));
    }
    if differs("members") {
        let ids = after
            .get("members")
            .and_then(|members| members.get("ids"))
            .cloned();
        let body = json!({ "label": step.name, "ids": ids.unwrap_or_else(|| json!([])) });
        parts.push(single(
            "chamois.smd.v1.GroupService.ReplaceGroupMembers",
            body,
            Condition::One,
        ));
    }
    parts
}

/// Fields that are not declared any more are emptied.
fn defaults(step: &Step, after: &Map<String, Value>, whole: &Map<String, Value>) -> Part {
    let before = step.before.iter().flat_map(|before| before.spec.keys());
    let gone: Vec<&String> = before.filter(|field| !after.contains_key(*field)).collect();
    let body = json!({ "defaults": whole, "clear": gone });
    single(
        "chamois.cloud_init.v1.ClusterDefaultsService.UpdateClusterDefaults",
        body,
        Condition::One,
    )
}

fn deletion(step: &Step) -> Part {
    let Kind { delete, key, .. } = step.kind;
    let mut body = Map::new();
    match (delete.name, key) {
        ("", Key::Boot) => step.kind.put_name(&step.name, &mut body),
        ("", _) => {}
        (name, _) => {
            body.insert(name.to_owned(), json!(step.name));
        }
    }
    let condition = match delete.conditional {
        true => Condition::One,
        false => Condition::LookedAt,
    };
    single(delete.method, Value::Object(body), condition)
}

#[cfg(test)]
mod tests {
    use super::super::kinds::{KINDS, find};
    use super::super::present::Present;
    use super::*;

    fn step(kind: &str, name: &str, before: Option<Value>, after: Option<Value>) -> Step {
        Step {
            kind: find(kind).unwrap(),
            name: name.to_owned(),
            before: before.map(|spec| Present {
                spec: object(spec),
                modified: 7,
                created: 5,
            }),
            after: after.map(object),
            declared: Vec::new(),
            place: None,
        }
    }

    fn made(step: &Step) -> Vec<(&'static str, Value)> {
        let catalogue = crate::api::catalogue().unwrap();
        let parts = parts(&catalogue, step).unwrap();
        let short = |method: &'static str| method.rsplit('.').next().unwrap();
        parts
            .iter()
            .map(|part| (short(part.method), Value::Object(part.at(step.seen()))))
            .collect()
    }

    #[test]
    fn a_new_object_must_not_be_there() {
        let new = step(
            "BootConfiguration",
            "c",
            None,
            Some(json!({"kernel": "/k", "arch": "X86"})),
        );
        let expected = json!({"name": "c", "configuration": {"name": "c", "kernel": "/k", "arch": "ARCH_X86"}, "if_revision": 0});
        assert_eq!(made(&new), [("ReplaceBootConfiguration", expected)]);
        let new = step("BootParameters", "nid7", None, Some(json!({"params": "quiet"})));
        let expected = json!({"entries": [{"nids": [7], "params": "quiet"}], "if_revisions": [0]});
        assert_eq!(made(&new), [("PutBootParameters", expected)]);
    }

    #[test]
    fn of_a_component_each_kind_of_field_has_its_request() {
        let is = json!({"State": "Ready", "Role": "Compute", "NID": 7, "Enabled": true});
        let to = json!({"State": "Off", "Role": "Service", "NID": 8, "Enabled": false});
        let all = made(&step("Component", "x0c0s0b0n0", Some(is.clone()), Some(to)));
        let methods: Vec<_> = all.iter().map(|(method, _)| *method).collect();
        assert_eq!(
            methods,
            [
                "CreateComponents",
                "BulkPatchNid",
                "BulkPatchRole",
                "BulkPatchEnabled"
            ]
        );
        let forced = json!({"components": [{"ID": "x0c0s0b0n0", "State": "STATE_OFF"}], "force": true, "if_revisions": [7]});
        assert_eq!(all[0].1, forced);
        let other =
            json!({"State": "Ready", "Role": "Compute", "NID": 7, "Enabled": true, "SoftwareStatus": "s"});
        let one = made(&step("Component", "x0c0s0b0n0", Some(is), Some(other)));
        assert_eq!(one[0].0, "BulkPatchSoftwareStatus");
    }

    #[test]
    fn of_a_group_only_what_differs_is_sent() {
        let is = json!({"description": "a", "members": {"ids": ["x0c0s0b0n0"]}});
        let members = step("Group", "g", Some(is.clone()), Some(json!({"description": "a"})));
        let expected = json!({"label": "g", "ids": [], "if_revision": 7});
        assert_eq!(made(&members), [("ReplaceGroupMembers", expected)]);
        let both = step("Group", "g", Some(is), Some(json!({"tags": ["t"]})));
        assert_eq!(made(&both).len(), 2);
    }

    #[test]
    fn what_is_not_declared_any_more_is_emptied() {
        let is = json!({"region": "r", "short-name": "nid"});
        let less = step(
            "CloudInitDefaults",
            "cluster",
            Some(is),
            Some(json!({"region": "s"})),
        );
        let expected = json!({"defaults": {"region": "s"}, "clear": ["short-name"], "if_revision": 7});
        assert_eq!(made(&less), [("UpdateClusterDefaults", expected)]);
    }

    #[test]
    fn a_deletion_names_its_object_at_the_revision_that_was_seen() {
        let gone = |kind: &str, name: &str| made(&step(kind, name, Some(json!({})), None));
        let of_group = json!({"label": "g", "if_revision": 7});
        assert_eq!(gone("Group", "g"), [("DeleteGroup", of_group)]);
        let of_mac = json!({"macs": ["02:00:00:00:00:01"], "if_revision": 7});
        assert_eq!(
            gone("BootParameters", "02:00:00:00:00:01"),
            [("DeleteBootParameters", of_mac)]
        );
        assert_eq!(
            gone("Subnet", "10.0.0.0/8"),
            [("DeleteSubnet", json!({"network": "10.0.0.0/8"}))]
        );
    }

    /// A request with a field that its method has not would fail at somebody's site.
    #[test]
    fn every_request_fits_its_method_and_every_write_can_be_tried_out() {
        let catalogue = crate::api::catalogue().unwrap();
        for kind in KINDS {
            let (name, spec) = match kind.key {
                Key::Only(only) => (only, json!({})),
                Key::Xname(_) => ("x0c0s0b0n0", json!({})),
                _ => ("a", json!({})),
            };
            for (before, after) in [
                (None, Some(spec.clone())),
                (Some(spec.clone()), None),
                (Some(spec.clone()), Some(spec)),
            ] {
                let step = step(kind.name, name, before, after);
                for part in parts(&catalogue, &step).unwrap() {
                    let mut methods = catalogue.methods().iter();
                    let method = methods.find(|method| method.name() == part.method).unwrap();
                    assert!(method.rule().can_validate_only, "{}", part.method);
                    let body = Value::Object(part.at(7));
                    crate::api::message::encode(&method.descriptor().input(), &body).unwrap();
                }
            }
        }
    }
}
