//! One operation: a verb on a path, with what it takes and answers.

use prost_reflect::MessageDescriptor;
use serde_json::{Map, Value, json};

use crate::Error;
use crate::catalogue::{Catalogue, Method, Route};
use crate::comments::summary;
use crate::parameters::parameters;
use crate::schemas::{Schemas, described, is_named_in, is_scalar, name_of, with};

/// A body that is passed on as it is.
pub(crate) const RAW: &str = "google.api.HttpBody";
/// What an answer's object says of its last change: where there is one, there is an ETag.
const META: &str = "chamois.http.v1.ObjectMeta";
/// The answer to a write that was only tried out.
const WOULD_CHANGE: &str = "chamois.http.v1.WouldChange";
const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";
const OK: u32 = 200;
const NO_CONTENT: u32 = 204;
/// The connection is a WebSocket from then on; who has not asked for one is told that it is.
const SWITCHING_PROTOCOLS: u32 = 101;
const UPGRADE_REQUIRED: u32 = 426;

/// The operation of the `place`-th route of a method, counted from 0; the path's variables are called `shown`.
///
/// # Errors
/// A route that names a field which is not there.
pub(crate) fn operation(
    catalogue: &Catalogue,
    schemas: &mut Schemas<'_>,
    (method, place): (&Method, usize),
    shown: &[String],
) -> Result<Value, Error> {
    let route = &method.routes()[place];
    let comment = catalogue.comments().method(method.descriptor());
    let id = match place {
        0 => method.name().to_owned(),
        more => format!("{}.{}", method.name(), more + 1),
    };
    let mut operation = json!({
        "operationId": id,
        "tags": [name_of(method.descriptor().parent_service().full_name())],
        "summary": match summary(comment) {
            text if text.is_empty() => method.descriptor().name().to_owned(),
            text => text,
        },
        "parameters": parameters(catalogue, schemas, method, route, shown),
        "responses": responses(catalogue, schemas, method, route)?,
        "security": security(method),
        "x-chamois-method": method.grpc_path(),
        "x-chamois-permission": method.permission(),
        "x-chamois-caller": method.caller(),
    });
    if let Some(consistency) = method.consistency() {
        operation = with(operation, "x-chamois-consistency", json!(consistency));
    }
    if method.rule().legacy_anonymous_read {
        operation = with(operation, "x-chamois-legacy-anonymous-read", json!(true));
    }
    if !route.body.is_empty() {
        operation = with(operation, "requestBody", body(catalogue, schemas, method, route)?);
    }
    Ok(described(operation, comment))
}

/// A token or a certificate, where one is asked for.
fn security(method: &Method) -> Value {
    match method.caller() {
        "anyone" => json!([]),
        _ => json!([{ "token": [] }, { "certificate": [] }]),
    }
}

fn body(
    catalogue: &Catalogue,
    schemas: &mut Schemas<'_>,
    method: &Method,
    route: &Route,
) -> Result<Value, Error> {
    let input = method.descriptor().input();
    let variables = route.variables();
    let schema = match route.body.as_str() {
        "*" if variables.is_empty() => schemas.reference(&input),
        "*" => schemas.object(&input, &variables),
        name => field_of(schemas, method, &input, name)?,
    };
    let shown = schemas.shown(&input);
    let is_flat = shown
        .iter()
        .all(|field| is_scalar(field, catalogue.field_rule(field).raw_json));
    let mut content = Map::new();
    if route.body == "*" && is_flat {
        content.insert(FORM.to_owned(), json!({ "schema": schema }));
    }
    content.insert(JSON.to_owned(), json!({ "schema": schema }));
    Ok(json!({ "required": route.verb != "GET", "content": content }))
}

fn responses(
    catalogue: &Catalogue,
    schemas: &mut Schemas<'_>,
    method: &Method,
    route: &Route,
) -> Result<Value, Error> {
    let rule = method.rule();
    let success = match rule.success_status {
        0 if rule.websocket => SWITCHING_PROTOCOLS,
        0 => OK,
        other => other,
    };
    let would_change = catalogue.pool().get_message_by_name(WOULD_CHANGE);
    let would_change = would_change.filter(|_| rule.can_validate_only && route.verb != "GET");
    let mut content = match success {
        NO_CONTENT => None,
        _ => content(schemas, method, route)?,
    };
    let mut all = Map::new();
    if let Some(message) = would_change {
        let tried = schemas.reference(&message);
        if success == OK {
            content = Some(either(content.as_ref(), &tried));
        } else {
            let described =
                json!({ "description": "What would change", "content": { JSON: { "schema": tried } } });
            all.insert(OK.to_string(), described);
        }
    }
    let mut answer = json!({ "description": "Done", "headers": headers(catalogue, method) });
    if let Some(content) = content {
        answer = with(answer, "content", content);
    }
    all.insert(success.to_string(), answer);
    let problem = json!({ "$ref": "#/components/responses/Problem" });
    for status in problems(catalogue, method, route) {
        all.entry(status.to_string()).or_insert_with(|| problem.clone());
    }
    if has_etag(method) && route.verb == "GET" {
        all.insert(
            "304".to_owned(),
            json!({ "description": "The client has it already" }),
        );
    }
    all.insert("default".to_owned(), problem);
    Ok(Value::Object(all))
}

/// What an answer shows; `None`: nothing.
fn content(schemas: &mut Schemas<'_>, method: &Method, route: &Route) -> Result<Option<Value>, Error> {
    let output = method.descriptor().output();
    if output.full_name() == RAW {
        return Ok(Some(json!({ "*/*": {} })));
    }
    let schema = match route.response_body.as_str() {
        "" if schemas.shown(&output).is_empty() => return Ok(None),
        "" => schemas.reference(&output),
        name => field_of(schemas, method, &output, name)?,
    };
    Ok(Some(json!({ JSON: { "schema": schema } })))
}

/// The content of an answer that may also be `tried`.
fn either(content: Option<&Value>, tried: &Value) -> Value {
    let own = content.and_then(|content| content[JSON].get("schema"));
    match own {
        Some(own) => json!({ JSON: { "schema": { "anyOf": [own, tried] } } }),
        None => json!({ JSON: { "schema": tried } }),
    }
}

/// Headers of an answer, but for those of HTTP itself.
fn headers(catalogue: &Catalogue, method: &Method) -> Value {
    let text = |comment: &str| described(json!({ "schema": { "type": "string" } }), comment);
    let mut all = Map::new();
    for field in method.descriptor().output().fields() {
        let name = catalogue.field_rule(&field).header;
        if !name.is_empty() {
            all.insert(name, text(catalogue.comments().field(&field)));
        }
    }
    if !method.rule().location_field.is_empty() {
        all.insert("Location".to_owned(), text("Where what was made is"));
    }
    if has_etag(method) {
        all.insert(
            "ETag".to_owned(),
            text("The revision that is shown, for `If-None-Match` and `If-Match`"),
        );
    }
    Value::Object(all)
}

fn has_etag(method: &Method) -> bool {
    let has_meta = |output: MessageDescriptor| {
        let mut kinds = output.fields().map(|field| field.kind());
        kinds.any(|kind| {
            kind.as_message()
                .is_some_and(|message| message.full_name() == META)
        })
    };
    !method.rule().made_of.is_empty() || has_meta(method.descriptor().output())
}

/// Statuses of refusals that are this route's own; all have the same body.
fn problems(catalogue: &Catalogue, method: &Method, route: &Route) -> Vec<u32> {
    let rule = method.rule();
    let mut statuses = vec![400];
    if method.caller() != "anyone" {
        statuses.extend([401, 403]);
    }
    if !route.variables().is_empty() {
        statuses.push(404);
    }
    let input = method.descriptor().input();
    if input.fields().any(|field| catalogue.field_rule(&field).if_match) {
        statuses.push(412);
    }
    if !route.body.is_empty() && rule.malformed_body_status != 0 {
        statuses.push(rule.malformed_body_status);
    }
    if rule.websocket {
        statuses.push(UPGRADE_REQUIRED);
    }
    statuses
}

fn field_of(
    schemas: &mut Schemas<'_>,
    method: &Method,
    message: &MessageDescriptor,
    name: &str,
) -> Result<Value, Error> {
    let field = message.fields().find(|field| is_named_in(field, &[name]));
    let missing = || Error::Route {
        method: method.grpc_path(),
        problem: format!("{} has no field {name}", message.full_name()),
    };
    Ok(schemas.field(&field.ok_or_else(missing)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The operation of a method's first route.
    fn of(name: &str) -> Value {
        let catalogue = Catalogue::new(proto::DOCUMENTED_DESCRIPTOR).unwrap();
        let mut schemas = Schemas::new(&catalogue);
        let found = catalogue
            .methods()
            .iter()
            .find(|method| method.name().ends_with(name));
        let method = found.unwrap();
        let variables = method.routes()[0].variables();
        let shown: Vec<String> = variables.into_iter().map(str::to_owned).collect();
        operation(&catalogue, &mut schemas, (method, 0), &shown).unwrap()
    }

    #[test]
    fn a_read_says_who_may_ask_and_how_fresh_it_is() {
        let get = of(".ComponentService.GetComponent");
        assert_eq!(get["x-chamois-permission"], "smd.read");
        assert_eq!(get["x-chamois-consistency"], "linearizable");
        assert_eq!(get["tags"], json!(["smd.v1.ComponentService"]));
        assert_eq!(
            get["security"].as_array().unwrap().len(),
            2,
            "a token or a certificate"
        );
        assert!(get.get("requestBody").is_none());
        let schema = &get["responses"]["200"]["content"][JSON]["schema"];
        assert_eq!(schema["$ref"], "#/components/schemas/smd.v1.Component");
        for status in ["304", "401", "403", "404", "default"] {
            assert!(get["responses"].get(status).is_some(), "{status}: {get}");
        }
    }

    /// HSM answers 204 to these, and 500 to a body that is no JSON.
    #[test]
    fn a_write_has_the_statuses_of_the_service_it_replaces() {
        let patch = of(".ComponentService.PatchStateData");
        let responses = &patch["responses"];
        assert!(responses["204"].get("content").is_none(), "{responses}");
        assert!(responses.get("500").is_some(), "{responses}");
        let tried = &responses["200"]["content"][JSON]["schema"]["$ref"];
        assert_eq!(tried, "#/components/schemas/http.v1.WouldChange");
        assert_eq!(patch["requestBody"]["required"], true);
        let body = &patch["requestBody"]["content"][JSON]["schema"]["properties"];
        assert!(
            body.get("State").is_some() && body.get("ID").is_none() && body.get("id").is_none(),
            "{body}"
        );
    }

    /// A generated client must not wait for a body there.
    #[test]
    fn a_websocket_is_no_answer_of_200() {
        let attach = of(".RemoteConsoleService.AttachRemoteConsole");
        let responses = &attach["responses"];
        assert!(responses["101"].get("content").is_none(), "{responses}");
        for (status, is_there) in [("101", true), ("426", true), ("200", false)] {
            assert_eq!(responses.get(status).is_some(), is_there, "{status}: {responses}");
        }
    }

    #[test]
    fn a_raw_answer_is_of_any_type_and_a_login_needs_no_token() {
        let token = of(".OauthService.Token");
        assert_eq!(token["responses"]["200"]["content"]["*/*"], json!({}));
        assert_eq!(token["security"], json!([]));
        let content = token["requestBody"]["content"].as_object().unwrap();
        assert!(content.contains_key(FORM), "RFC 6749 asks with a form");
    }
}
