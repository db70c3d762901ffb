//! What a request says beside its body: path, query and headers.

use prost_reflect::{FieldDescriptor, Kind};
use serde_json::{Value, json};

use crate::catalogue::{Catalogue, Method, Route};
use crate::schemas::{Schemas, described, is_named_in, is_scalar};

/// The query's names for what every route of their kind takes; `gateway` has them, too.
const FIELDS: &str = "fields";
const VALIDATE_ONLY: &str = "validate_only";

/// All parameters of a route. The path's variables are called `shown`: paths that differ by nothing but the names of
/// their variables are one path in OpenAPI.
pub(crate) fn parameters(
    catalogue: &Catalogue,
    schemas: &mut Schemas<'_>,
    method: &Method,
    route: &Route,
    shown: &[String],
) -> Vec<Value> {
    let mut all = in_path(catalogue, method, route, shown);
    if route.body != "*" {
        all.extend(in_query(catalogue, schemas, method, route));
    }
    all.extend(in_headers(catalogue, method));
    if selects_fields(schemas, method, route) {
        all.push(shared(FIELDS));
    }
    if method.rule().can_validate_only && route.verb != "GET" {
        all.push(shared(VALIDATE_ONLY));
    }
    all
}

/// Those that many routes have, for `components.parameters`.
pub(crate) fn of_many_routes() -> Value {
    json!({
        FIELDS: {
            "name": FIELDS, "in": "query", "schema": { "type": "string" },
            "description": "Keys of the answer's objects that are wanted, with commas between them; the others are left out.",
        },
        VALIDATE_ONLY: {
            "name": VALIDATE_ONLY, "in": "query", "schema": { "type": "boolean" },
            "description": "Changes nothing and answers with what would have changed.",
        },
    })
}

fn shared(name: &str) -> Value {
    json!({ "$ref": format!("#/components/parameters/{name}") })
}

fn in_path(catalogue: &Catalogue, method: &Method, route: &Route, shown: &[String]) -> Vec<Value> {
    let input = method.descriptor().input();
    let named = route.variables().into_iter().zip(shown);
    let parameter = |(variable, shown): (&str, &String)| {
        let field = input.fields().find(|field| is_named_in(field, &[variable]));
        let comment = field.map(|field| catalogue.comments().field(&field).to_owned());
        let parameter = json!({
            "name": shown, "in": "path", "required": true, "schema": { "type": "string", "minLength": 1 },
        });
        described(parameter, comment.as_deref().unwrap_or_default())
    };
    named.map(parameter).collect()
}

/// The fields that neither path nor body has.
fn in_query(catalogue: &Catalogue, schemas: &mut Schemas<'_>, method: &Method, route: &Route) -> Vec<Value> {
    let mut elsewhere = route.variables();
    elsewhere.push(&route.body);
    let fields = schemas.shown(&method.descriptor().input());
    let fields = fields.iter().filter(|field| {
        let is_raw_json = catalogue.field_rule(field).raw_json;
        is_scalar(field, is_raw_json) && !is_named_in(field, &elsewhere)
    });
    fields
        .map(|field| {
            let parameter =
                json!({ "name": field.json_name(), "in": "query", "schema": schemas.field(field) });
            described(parameter, catalogue.comments().field(field))
        })
        .collect()
}

fn in_headers(catalogue: &Catalogue, method: &Method) -> Vec<Value> {
    let fields = method.descriptor().input().fields().collect::<Vec<_>>();
    fields
        .iter()
        .filter_map(|field| in_header(catalogue, field))
        .collect()
}

fn in_header(catalogue: &Catalogue, field: &FieldDescriptor) -> Option<Value> {
    let rule = catalogue.field_rule(field);
    let (name, comment) = match (rule.if_match, rule.from_header.as_str()) {
        (true, _) => (
            "If-Match",
            "The ETag that the object must have; it is left alone otherwise (412).",
        ),
        (false, "") => return None,
        (false, name) => (name, catalogue.comments().field(field)),
    };
    let parameter = json!({ "name": name, "in": "header", "schema": { "type": "string" } });
    Some(described(parameter, comment))
}

/// Whether `fields=` has something to choose from: an answer of objects, and no field of the request that is called so.
fn selects_fields(schemas: &Schemas<'_>, method: &Method, route: &Route) -> bool {
    let descriptor = method.descriptor();
    let has_own = descriptor
        .input()
        .fields()
        .any(|field| is_named_in(&field, &[FIELDS]));
    let shown = schemas.shown(&descriptor.output());
    let has_objects = match route.response_body.as_str() {
        "" => !shown.is_empty() && descriptor.output().full_name() != crate::operation::RAW,
        name => shown
            .iter()
            .any(|field| is_named_in(field, &[name]) && matches!(field.kind(), Kind::Message(_))),
    };
    !has_own && has_objects
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names and places of what a method's first route takes.
    fn of(name: &str) -> Vec<(String, String)> {
        let catalogue = Catalogue::new(proto::DOCUMENTED_DESCRIPTOR).unwrap();
        let mut schemas = Schemas::new(&catalogue);
        let found = catalogue
            .methods()
            .iter()
            .find(|method| method.name().ends_with(name));
        let method = found.unwrap();
        let route = &method.routes()[0];
        let shown: Vec<String> = route.variables().into_iter().map(str::to_owned).collect();
        let all = parameters(&catalogue, &mut schemas, method, route, &shown);
        all.iter()
            .map(|parameter| match parameter["$ref"].as_str() {
                Some(reference) => (reference.to_owned(), "shared".to_owned()),
                None => {
                    let text = |key: &str| parameter[key].as_str().unwrap().to_owned();
                    (text("name"), text("in"))
                }
            })
            .collect()
    }

    fn has(all: &[(String, String)], name: &str, place: &str) -> bool {
        all.iter()
            .any(|(own, of)| own.eq_ignore_ascii_case(name) && of == place)
    }

    #[test]
    fn a_list_is_asked_with_filters_pages_and_fields() {
        let all = of(".ComponentService.ListComponents");
        for name in ["type", "state", "page_size", "page_token"] {
            assert!(has(&all, name, "query"), "{name}: {all:?}");
        }
        assert!(has(&all, "#/components/parameters/fields", "shared"), "{all:?}");
        assert!(
            !has(&all, "#/components/parameters/validate_only", "shared"),
            "{all:?}"
        );
    }

    #[test]
    fn what_is_in_the_path_is_nowhere_else() {
        let all = of(".ComponentService.GetComponent");
        assert!(has(&all, "id", "path"), "{all:?}");
        assert!(!has(&all, "id", "query"), "{all:?}");
    }

    #[test]
    fn a_write_can_be_tried_out_and_takes_no_query_beside_its_body() {
        let all = of(".ComponentService.PatchStateData");
        assert!(has(&all, "id", "path"), "{all:?}");
        assert!(
            has(&all, "#/components/parameters/validate_only", "shared"),
            "{all:?}"
        );
        assert!(!all.iter().any(|(_, place)| place == "query"), "{all:?}");
    }
}
