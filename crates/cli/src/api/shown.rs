//! Services, methods, messages and enums as JSON, and that JSON as a page for people: both say the same.

use std::fmt::Write as _;

use openapi::{Catalogue, Method, summary};
use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor, ServiceDescriptor};
use serde_json::{Value, json};

use super::list::routes;

/// What the names of all our packages begin with; people need not write it.
const OURS: &str = "chamois.";

/// A full name as tables show it.
pub(super) fn short(full_name: &str) -> &str {
    full_name.strip_prefix(OURS).unwrap_or(full_name)
}

/// A method: who may call it, how, with what.
pub(super) fn method(catalogue: &Catalogue, method: &Method) -> Value {
    let descriptor = method.descriptor();
    json!({
        "kind": "method",
        "name": method.name(),
        "comment": catalogue.comments().method(descriptor),
        "http": routes(method),
        "grpc": method.grpc_path(),
        "permission": method.permission(),
        "caller": method.caller(),
        "consistency": method.consistency(),
        "validate_only": method.rule().can_validate_only,
        "request_is_stream": descriptor.is_client_streaming(),
        "answer_is_stream": descriptor.is_server_streaming(),
        "request": message(catalogue, &descriptor.input()),
        "answer": message(catalogue, &descriptor.output()),
    })
}

/// A service and its methods.
pub(super) fn service(catalogue: &Catalogue, service: &ServiceDescriptor) -> Value {
    let methods = service
        .methods()
        .map(|method| json!({ "name": method.name(), "comment": catalogue.comments().method(&method) }));
    json!({
        "kind": "service",
        "name": service.full_name(),
        "comment": catalogue.comments().service(service),
        "members": methods.collect::<Vec<_>>(),
    })
}

/// A message and its fields.
pub(super) fn message(catalogue: &Catalogue, message: &MessageDescriptor) -> Value {
    json!({
        "kind": "message",
        "name": message.full_name(),
        "comment": catalogue.comments().message(message),
        "members": message.fields().map(|one| field(catalogue, &one)).collect::<Vec<_>>(),
    })
}

/// A field; what only gRPC has is said.
pub(super) fn field(catalogue: &Catalogue, field: &FieldDescriptor) -> Value {
    json!({
        "kind": "field",
        "name": field.json_name(),
        "field": field.full_name(),
        "type": type_of(field),
        "grpc_only": catalogue.field_rule(field).native_only,
        "comment": catalogue.comments().field(field),
    })
}

/// An enum and its values, by their names in HTTP's JSON.
pub(super) fn enumeration(catalogue: &Catalogue, of: &EnumDescriptor) -> Value {
    let values = of.values().map(|value| {
        json!({
            "name": value.name(),
            "type": catalogue.name_in_json(&value).unwrap_or_default(),
            "comment": catalogue.comments().value(&value),
        })
    });
    json!({
        "kind": "enum",
        "name": of.full_name(),
        "comment": catalogue.comments().enumeration(of),
        "members": values.collect::<Vec<_>>(),
    })
}

fn type_of(field: &FieldDescriptor) -> String {
    if let Kind::Message(entry) = field.kind()
        && field.is_map()
    {
        return format!("map of {}", one_of(&entry.map_entry_value_field().kind()));
    }
    let one = one_of(&field.kind());
    match field.is_list() {
        true => format!("list of {one}"),
        false => one,
    }
}

fn one_of(kind: &Kind) -> String {
    match kind {
        Kind::Message(message) => short(message.full_name()).to_owned(),
        Kind::Enum(of) => short(of.full_name()).to_owned(),
        Kind::Bytes => "bytes (base64)".to_owned(),
        // prost-reflect calls scalars as protobuf does: uint64, string
        scalar => format!("{scalar:?}"),
    }
}

/// The page of anything of the above.
pub(super) fn page(explained: &Value) -> String {
    let mut page = String::new();
    let texts = ["name", "field"].map(|key| explained[key].as_str());
    let name = texts.into_iter().flatten().next_back().unwrap_or_default();
    put(&mut page, 0, &format!("{name} ({})", text(explained, "kind")));
    put(&mut page, 2, text(explained, "type"));
    put(&mut page, 2, text(explained, "comment"));
    if explained["kind"] == "method" {
        page.push('\n');
        facts(&mut page, explained);
        for key in ["request", "answer"] {
            let stream = if explained[format!("{key}_is_stream")] == true {
                "a stream of "
            } else {
                ""
            };
            let name = text(&explained[key], "name");
            put(&mut page, 0, &format!("\n{key}: {stream}{name}"));
            put(&mut page, 2, text(&explained[key], "comment"));
            members(&mut page, &explained[key]);
        }
    } else {
        members(&mut page, explained);
    }
    page.truncate(page.trim_end().len());
    page
}

fn facts(page: &mut String, method: &Value) {
    for route in method["http"].as_array().into_iter().flatten() {
        put(
            page,
            0,
            &format!("HTTP         {}", route.as_str().unwrap_or_default()),
        );
    }
    put(page, 0, &format!("gRPC         {}", text(method, "grpc")));
    put(
        page,
        0,
        &format!(
            "permission   {} ({})",
            text(method, "permission"),
            text(method, "caller")
        ),
    );
    if let Some(consistency) = method["consistency"].as_str() {
        put(page, 0, &format!("consistency  {consistency}"));
    }
    if method["validate_only"] == true {
        put(page, 0, "can be tried out: --validate-only");
    }
}

fn members(page: &mut String, explained: &Value) {
    for member in explained["members"].as_array().into_iter().flatten() {
        let grpc_only = if member["grpc_only"] == true {
            "  (gRPC only)"
        } else {
            ""
        };
        let line = format!("{}  {}{grpc_only}", text(member, "name"), text(member, "type"));
        put(page, 2, line.trim_end());
        // of a service's methods the first sentence: each has a page of its own
        match explained["kind"] == "service" {
            true => put(page, 6, &summary(text(member, "comment"))),
            false => put(page, 6, text(member, "comment")),
        }
    }
}

/// `text` in lines of its own, `indent` blanks from the left; nothing where there is none.
fn put(page: &mut String, indent: usize, text: &str) {
    for line in text.lines() {
        let indent = if line.is_empty() { 0 } else { indent };
        let _infallible = writeln!(page, "{:indent$}{line}", "");
    }
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalogue() -> Catalogue {
        super::super::catalogue().unwrap()
    }

    #[test]
    fn a_method_has_all_that_a_caller_needs() {
        let catalogue = catalogue();
        let methods = catalogue.methods().iter();
        let list = methods
            .clone()
            .find(|method| method.name().ends_with(".ListComponents"));
        let page = page(&method(&catalogue, list.unwrap()));
        for part in [
            "chamois.smd.v1.ComponentService.ListComponents (method)",
            "  All components that match",
            "HTTP         GET /hsm/v2/State/Components",
            "permission   smd.read (administrator)",
            "consistency  linearizable",
            "request: chamois.smd.v1.ListComponentsRequest",
            "answer: chamois.smd.v1.ListComponentsResponse",
            "list of smd.v1.Component",
        ] {
            assert!(page.contains(part), "{part}: {page}");
        }
    }

    #[test]
    fn a_stream_is_called_one() {
        let catalogue = catalogue();
        let mut methods = catalogue.methods().iter();
        let watch = methods.find(|method| method.name().ends_with("WatchService.Watch"));
        let page = page(&method(&catalogue, watch.unwrap()));
        assert!(
            page.contains("answer: a stream of chamois.watch.v1.WatchResponse"),
            "{page}"
        );
        assert!(!page.contains("HTTP "), "{page}");
    }

    #[test]
    fn types_are_told_in_words() {
        let catalogue = catalogue();
        let rule = catalogue
            .pool()
            .get_message_by_name("chamois.http.v1.MethodRule")
            .unwrap();
        let type_of_field = |name: &str| type_of(&rule.get_field_by_name(name).unwrap());
        assert_eq!(type_of_field("success_status"), "uint32");
        assert_eq!(type_of_field("made_of"), "list of string");
        assert_eq!(type_of_field("access"), "http.v1.Access");
        let page = page(&message(&catalogue, &rule));
        assert!(
            page.contains("  takesLong  bool\n      A caller that names no deadline"),
            "{page}"
        );
    }

    #[test]
    fn a_service_lists_its_methods_and_an_enum_its_values() {
        let catalogue = catalogue();
        let groups = catalogue
            .pool()
            .get_service_by_name("chamois.smd.v1.GroupService")
            .unwrap();
        assert!(page(&service(&catalogue, &groups)).contains("  CreateGroup\n"));
        let access = catalogue
            .pool()
            .get_enum_by_name("chamois.http.v1.Access")
            .unwrap();
        let page = page(&enumeration(&catalogue, &access));
        assert!(
            page.contains("ACCESS_ADMIN") && page.contains("hands out everything"),
            "{page}"
        );
    }
}
