//! The document as tools read it: whole, without loose ends, the same each time.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as expected"
)]

use std::collections::{BTreeMap, BTreeSet};

use openapi::{Catalogue, document};
use serde_json::{Map, Value};

/// Paths that no method is behind.
const FIXED: [&str; 3] = ["/livez", "/openapi.json", "/readyz"];

fn of_this_version() -> Value {
    document(proto::DOCUMENTED_DESCRIPTOR, "1.2.3").unwrap()
}

fn paths(document: &Value) -> &Map<String, Value> {
    document["paths"].as_object().unwrap()
}

/// Path, verb and operation of everything.
fn operations(document: &Value) -> Vec<(&str, &str, &Value)> {
    let mut all = Vec::new();
    for (path, item) in paths(document) {
        for (verb, operation) in item.as_object().unwrap() {
            all.push((path.as_str(), verb.as_str(), operation));
        }
    }
    all
}

fn variables(path: &str) -> BTreeSet<&str> {
    let segments = path.split('/');
    segments
        .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
        .collect()
}

/// Everything that `value` refers to.
fn references<'v>(value: &'v Value, found: &mut BTreeSet<&'v str>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str));
            members.values().for_each(|member| references(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

/// A route that is served and not described is one that nobody finds.
#[test]
fn every_route_is_described() {
    let document = of_this_version();
    let catalogue = Catalogue::new(proto::DESCRIPTOR).unwrap();
    let routes: usize = catalogue
        .methods()
        .iter()
        .map(|method| method.routes().len())
        .sum();
    assert!(routes > 300);
    assert_eq!(operations(&document).len(), routes + FIXED.len());
    for path in FIXED
        .into_iter()
        .chain(["/hsm/v2/State/Components", "/boot/v1/bootscript", "/oauth/token"])
    {
        assert!(paths(&document).contains_key(path), "{path}");
    }
}

#[test]
fn ids_of_operations_are_unique_and_tags_are_explained() {
    let document = of_this_version();
    let tags = document["tags"].as_array().unwrap();
    let tags: BTreeSet<&str> = tags.iter().map(|tag| tag["name"].as_str().unwrap()).collect();
    let mut ids = BTreeSet::new();
    for (path, verb, operation) in operations(&document) {
        let id = operation["operationId"].as_str().unwrap();
        assert!(ids.insert(id), "{id}");
        assert!(
            !operation["summary"].as_str().unwrap().is_empty(),
            "{verb} {path}"
        );
        for tag in operation["tags"].as_array().unwrap() {
            assert!(tags.contains(tag.as_str().unwrap()), "{tag}");
        }
    }
}

/// OpenAPI: each variable of a path has a parameter that is required, and no parameter is there twice.
#[test]
fn variables_and_parameters_agree() {
    let document = of_this_version();
    for (path, verb, operation) in operations(&document) {
        let empty = Vec::new();
        let parameters = operation["parameters"].as_array().unwrap_or(&empty);
        let own = parameters
            .iter()
            .filter(|parameter| parameter.get("$ref").is_none());
        let (mut in_path, mut seen) = (BTreeSet::new(), BTreeSet::new());
        for parameter in own {
            let (name, place) = (
                parameter["name"].as_str().unwrap(),
                parameter["in"].as_str().unwrap(),
            );
            assert!(seen.insert((name, place)), "{verb} {path}: {name} twice");
            if place == "path" {
                assert_eq!(parameter["required"], true, "{verb} {path}: {name}");
                in_path.insert(name);
            }
        }
        assert_eq!(in_path, variables(path), "{verb} {path}");
    }
}

/// Two paths that no client could tell apart are an error in OpenAPI.
#[test]
fn no_two_paths_differ_by_names_of_variables_alone() {
    let document = of_this_version();
    let mut shapes: BTreeMap<String, &str> = BTreeMap::new();
    for path in paths(&document).keys() {
        let shape: Vec<&str> = path
            .split('/')
            .map(|segment| if segment.starts_with('{') { "{}" } else { segment })
            .collect();
        let before = shapes.insert(shape.join("/"), path);
        assert_eq!(before, None, "{path}");
    }
}

#[test]
fn every_reference_leads_somewhere() {
    let document = of_this_version();
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    assert!(found.len() > 200, "{}", found.len());
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(
            document.pointer(pointer).is_some_and(Value::is_object),
            "{reference}"
        );
    }
}

/// Members of one version give one document, so its ETag holds at each.
#[test]
fn it_is_the_same_each_time() {
    let text = serde_json::to_string(&of_this_version()).unwrap();
    assert_eq!(text, serde_json::to_string(&of_this_version()).unwrap());
    assert_eq!(of_this_version()["info"]["version"], "1.2.3");
}

/// The comments are the documentation: without them a document of names alone would go unnoticed.
#[test]
fn comments_are_in_it() {
    let document = of_this_version();
    let described = operations(&document)
        .into_iter()
        .filter(|(_, _, operation)| operation.get("description").is_some());
    assert!(described.count() > 150);
    let list = &document["paths"]["/hsm/v2/State/Components"]["get"];
    assert!(
        list["description"]
            .as_str()
            .unwrap()
            .starts_with("All components"),
        "{list}"
    );
}

/// Members are no HTTP clients; whoever is told of a route can be allowed to call it.
#[test]
fn no_route_is_for_members_alone() {
    let document = of_this_version();
    for (path, verb, operation) in operations(&document) {
        assert_ne!(operation["x-chamois-caller"], "member", "{verb} {path}");
    }
}

#[test]
fn bytes_that_are_no_descriptor_are_refused() {
    let refused = document(b"\x0a\x05junk", "1").unwrap_err();
    assert!(refused.to_string().contains("descriptor"), "{refused}");
}
