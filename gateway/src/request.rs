//! HTTP request to protobuf bytes: path, query, JSON or form body by the route's compiled message.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use percent_encoding::percent_decode_str;
use prost::Message as _;
use prost::encoding::{WireType, encode_key, encode_varint};

use crate::json::{Json, JsonError};
use crate::routes::{Body, Route};
use crate::schema::{Field, Kind, MessageId, Schema};

/// What an HTTP request says, before the route gives it a meaning.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parts<'a> {
    /// Values of the route's variables, decoded, in the order of the path.
    pub(crate) values: &'a [&'a str],
    /// Raw query, without the `?`.
    pub(crate) query: &'a str,
    /// The Content-Type is `application/x-www-form-urlencoded`.
    pub(crate) says_form: bool,
    /// Raw body.
    pub(crate) body: &'a [u8],
}

/// Why a request has no meaning for its route.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadRequest {
    /// The body is no JSON or has a wrong type somewhere: the route's `malformed_body_status` counts.
    pub(crate) malformed: bool,
    /// Where, e.g. `Components[3].NID`; empty for the request as a whole.
    place: String,
    /// What is wrong, and what is accepted.
    problem: String,
}

/// The request message of `route`.
///
/// # Errors
/// The text names the field and what it accepts.
pub(crate) fn encode(schema: &Schema, route: &Route, parts: Parts<'_>) -> Result<Vec<u8>, BadRequest> {
    let mut out = Vec::with_capacity(64 + parts.body.len());
    let fields = &schema.message(route.input).fields;
    for (place, value) in route.variables.iter().zip(parts.values) {
        put_text(&fields[*place], value, &mut out).map_err(|e| e.within(&fields[*place].key))?;
    }
    match route.body {
        Body::None => put_pairs(schema, route, parts.query, None, &mut out)?,
        Body::Field(place) => {
            put_pairs(schema, route, parts.query, Some(place), &mut out)?;
            if route.verb == Method::GET && parts.is_blank() {
                return Ok(out); // hardly any client sends a body with a question
            }
            put_json(schema, &fields[place], &parse(parts.body)?, &mut out)?;
        }
        Body::Whole if parts.is_form() => {
            let form = std::str::from_utf8(parts.body).map_err(|_| invalid("the form is not UTF-8"))?;
            put_pairs(schema, route, form, None, &mut out)?;
        }
        Body::Whole => match parse(parts.body)? {
            Json::Object(object) => put_object(
                schema,
                route.input,
                &object,
                Some((route, parts.values)),
                &mut out,
            )?,
            other => return Err(wrong_type("a JSON object", &other)),
        },
    }
    Ok(out)
}

impl Parts<'_> {
    fn is_blank(&self) -> bool {
        self.body.iter().all(u8::is_ascii_whitespace)
    }

    /// `curl -d '{…}'` says form and sends JSON; today's services never look at the type.
    fn is_form(&self) -> bool {
        let first = self.body.iter().find(|byte| !byte.is_ascii_whitespace());
        self.says_form && !matches!(first, Some(b'{' | b'['))
    }
}

impl BadRequest {
    /// Where, what, and what is accepted.
    pub(crate) fn detail(&self) -> String {
        if self.place.is_empty() {
            self.problem.clone()
        } else {
            format!("{}: {}", self.place, self.problem)
        }
    }

    /// The same as a service would say it; `request` stands for the request as a whole.
    pub(crate) fn as_error(&self) -> rpc::Error {
        let field = match self.place.as_str() {
            "" => "request",
            place => place,
        };
        rpc::invalid(field, &self.problem)
    }

    /// The same problem, seen from one level further out.
    pub(crate) fn within(mut self, outer: &str) -> Self {
        let joint = if self.place.is_empty() || self.place.starts_with('[') {
            ""
        } else {
            "."
        };
        self.place = format!("{outer}{joint}{}", self.place);
        self
    }
}

/// A request that is read and refused.
pub(crate) fn invalid(problem: impl Into<String>) -> BadRequest {
    BadRequest {
        malformed: false,
        place: String::new(),
        problem: problem.into(),
    }
}

fn malformed(problem: impl Into<String>) -> BadRequest {
    BadRequest {
        malformed: true,
        ..invalid(problem)
    }
}

fn wrong_type(expected: &str, got: &Json) -> BadRequest {
    malformed(format!("expected {expected}, got {}", got.kind()))
}

fn parse(body: &[u8]) -> Result<Json, BadRequest> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(malformed("error decoding JSON: the body is empty"));
    }
    Json::parse(body).map_err(|error| match error {
        JsonError::Malformed(text) => malformed(format!("error decoding JSON: {text}")),
        JsonError::Refused(text) => invalid(format!("JSON refused: {text}")),
    })
}

/// A query or form. Unknown names are ignored, as by the services this replaces; of a field that is not a
/// list the first value counts (Go's `Form.Get`).
fn put_pairs(
    schema: &Schema,
    route: &Route,
    text: &str,
    except: Option<usize>,
    out: &mut Vec<u8>,
) -> Result<(), BadRequest> {
    let message = schema.message(route.input);
    let mut seen = vec![false; message.fields.len()];
    for place in route.variables.iter().chain(&except) {
        seen[*place] = true;
    }
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let Some(place) = message.position(&decode_plus(name)?) else {
            continue;
        };
        let field = &message.fields[place];
        let scalar = !matches!(
            field.kind,
            Kind::Message(_) | Kind::Struct | Kind::Value | Kind::RawJson
        );
        if scalar && !seen[place] {
            put_text(field, &decode_plus(value)?, out).map_err(|e| e.within(&field.key))?;
            seen[place] = !field.repeated;
        }
    }
    Ok(())
}

/// The values of one name of a query, which is matched without case.
///
/// # Errors
/// As [`decode`].
pub(crate) fn query_values<'q>(query: &'q str, wanted: &str) -> Result<Vec<Cow<'q, str>>, BadRequest> {
    let pairs = query
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let named = pairs.filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
    named.map(|(_, value)| decode_plus(value)).collect()
}

/// Percent-decodes one path segment, query name or value.
///
/// # Errors
/// A `%` without two hex digits, or a result that is not UTF-8 or has control characters.
pub(crate) fn decode(text: &str) -> Result<Cow<'_, str>, BadRequest> {
    let broken = text.match_indices('%').any(|(at, _)| {
        !text
            .as_bytes()
            .get(at + 1..at + 3)
            .is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    });
    if broken {
        return Err(invalid(format!("{text:?}: % must be followed by two hex digits")));
    }
    let decoded = percent_decode_str(text)
        .decode_utf8()
        .map_err(|_| invalid(format!("{text:?} is not UTF-8")))?;
    if decoded.contains(char::is_control) {
        return Err(invalid(format!(
            "{decoded:?}: control characters are not accepted"
        )));
    }
    Ok(decoded)
}

fn decode_plus(text: &str) -> Result<Cow<'_, str>, BadRequest> {
    if text.contains('+') {
        Ok(decode(&text.replace('+', " "))?.into_owned().into())
    } else {
        decode(text)
    }
}

/// A value that came as text: path, query or form.
fn put_text(field: &Field, text: &str, out: &mut Vec<u8>) -> Result<(), BadRequest> {
    let refuse = |accepted: &str| Err(invalid(format!("{text:?} is not accepted; use {accepted}")));
    match &field.kind {
        Kind::Text => put_bytes(field, text.as_bytes(), out),
        Kind::Bool => match text {
            "" | "1" | "t" | "T" | "true" | "TRUE" | "True" => put_varint(field, 1, out),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => put_varint(field, 0, out),
            _ => return refuse("true or false"),
        },
        Kind::Int32 | Kind::Int64 | Kind::Uint32 | Kind::Uint64 => match text.parse() {
            Ok(number) => put_integer(field, number, out)?,
            Err(_) => return refuse("a whole number"),
        },
        Kind::Double => match text.parse::<f64>() {
            Ok(number) => put_double(field, number, out),
            Err(_) => return refuse("a number"),
        },
        Kind::Bytes => match STANDARD.decode(text) {
            Ok(bytes) => put_bytes(field, &bytes, out),
            Err(_) => return refuse("base64"),
        },
        Kind::Enum(names) => match names.number(text) {
            Some(number) => put_varint(field, sign_extended(number), out),
            None if text.is_empty() => {}
            None => return refuse(names.listed()),
        },
        Kind::Message(_) | Kind::Struct | Kind::Value | Kind::RawJson => return refuse("a JSON body"),
    }
    Ok(())
}

/// A field's JSON value; `null` leaves the field absent.
fn put_json(schema: &Schema, field: &Field, json: &Json, out: &mut Vec<u8>) -> Result<(), BadRequest> {
    let put = match json {
        Json::Null if !matches!(field.kind, Kind::Value) => Ok(()),
        Json::List(list) if field.repeated => {
            if let Some(number) = field.presence_number {
                encode_key(number, WireType::Varint, out);
                encode_varint(1, out);
            }
            list.iter().enumerate().try_for_each(|(at, item)| {
                put_one(schema, field, item, out).map_err(|error| error.within(&format!("[{at}]")))
            })
        }
        other if field.repeated => Err(wrong_type("an array", other)),
        one => put_one(schema, field, one, out),
    };
    put.map_err(|error| error.within(&field.key))
}

fn put_one(schema: &Schema, field: &Field, json: &Json, out: &mut Vec<u8>) -> Result<(), BadRequest> {
    match (&field.kind, json) {
        (Kind::Bool, Json::Bool(value)) => put_varint(field, u64::from(*value), out),
        (Kind::Int32 | Kind::Int64 | Kind::Uint32 | Kind::Uint64, Json::Integer(number)) => {
            put_integer(field, *number, out)?;
        }
        (Kind::Double, Json::Integer(number)) => put_double(field, *number as f64, out),
        (Kind::Double, Json::Float(number)) => put_double(field, *number, out),
        (Kind::Text | Kind::Bytes | Kind::Enum(_), Json::Text(text)) => put_text(field, text, out)?,
        (_, Json::Text(text)) if field.accepts_string && text.is_empty() => {} // Go's zero value
        (_, Json::Text(text)) if field.accepts_string => put_text(field, text, out)?,
        (Kind::Message(id), Json::Object(object)) => {
            let mut inner = Vec::new();
            put_object(schema, *id, object, None, &mut inner)?;
            put_bytes(field, &inner, out);
        }
        (Kind::Struct, Json::Object(object)) => put_bytes(field, &to_struct(object).encode_to_vec(), out),
        (Kind::Value, any) => put_bytes(field, &to_value(any).encode_to_vec(), out),
        (Kind::RawJson, any) => put_bytes(field, any.to_string().as_bytes(), out),
        (_, other) => return Err(wrong_type(expected(field), other)),
    }
    Ok(())
}

/// An object's fields. At the top, `path` has the variables: a key that repeats one must agree with it.
fn put_object(
    schema: &Schema,
    id: MessageId,
    object: &BTreeMap<String, Json>,
    path: Option<(&Route, &[&str])>,
    out: &mut Vec<u8>,
) -> Result<(), BadRequest> {
    let message = schema.message(id);
    let mut seen = vec![false; message.fields.len()];
    for (key, json) in object {
        let Some(place) = message.position(key) else {
            continue;
        };
        let field = &message.fields[place];
        if std::mem::replace(&mut seen[place], true) {
            return Err(invalid("the key stands twice, in different case").within(&field.key));
        }
        let variable = path.and_then(|(route, values)| {
            route
                .variables
                .iter()
                .position(|variable| *variable == place)
                .map(|at| values[at])
        });
        match (variable, json) {
            (None, json) => put_json(schema, field, json, out)?,
            (Some(_), Json::Null) => {}
            (Some(in_path), Json::Text(text)) if text.is_empty() || text.eq_ignore_ascii_case(in_path) => {}
            (Some(in_path), _) => {
                let problem = format!("differs from {in_path:?} in the path; leave it out");
                return Err(invalid(problem).within(&field.key));
            }
        }
    }
    Ok(())
}

fn put_integer(field: &Field, number: i128, out: &mut Vec<u8>) -> Result<(), BadRequest> {
    let (min, max) = match field.kind {
        Kind::Int32 => (i128::from(i32::MIN), i128::from(i32::MAX)),
        Kind::Int64 => (i128::from(i64::MIN), i128::from(i64::MAX)),
        Kind::Uint32 => (0, i128::from(u32::MAX)),
        _ => (0, i128::from(u64::MAX)),
    };
    if number < min || number > max {
        return Err(invalid(format!("{number} is not between {min} and {max}")));
    }
    put_varint(field, number as u64, out); // two's complement, as protobuf writes negative numbers
    Ok(())
}

fn put_varint(field: &Field, value: u64, out: &mut Vec<u8>) {
    encode_key(field.number, WireType::Varint, out);
    encode_varint(value, out);
}

fn put_double(field: &Field, value: f64, out: &mut Vec<u8>) {
    encode_key(field.number, WireType::SixtyFourBit, out);
    out.extend_from_slice(&value.to_le_bytes());
}

fn put_bytes(field: &Field, bytes: &[u8], out: &mut Vec<u8>) {
    encode_key(field.number, WireType::LengthDelimited, out);
    encode_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

fn sign_extended(number: i32) -> u64 {
    i64::from(number) as u64
}

fn expected(field: &Field) -> &'static str {
    match field.kind {
        Kind::Bool => "true or false",
        Kind::Int32 | Kind::Int64 | Kind::Uint32 | Kind::Uint64 if field.accepts_string => {
            "a whole number, or one as a string"
        }
        Kind::Int32 | Kind::Int64 | Kind::Uint32 | Kind::Uint64 => "a whole number",
        Kind::Double => "a number",
        Kind::Text | Kind::Bytes | Kind::Enum(_) => "a string",
        Kind::Message(_) | Kind::Struct | Kind::Value | Kind::RawJson => "an object",
    }
}

fn to_struct(object: &BTreeMap<String, Json>) -> prost_types::Struct {
    let fields = object.iter().map(|(key, value)| (key.clone(), to_value(value)));
    prost_types::Struct {
        fields: fields.collect(),
    }
}

fn to_value(json: &Json) -> prost_types::Value {
    use prost_types::value::Kind;
    let kind = match json {
        Json::Null => Kind::NullValue(0),
        Json::Bool(value) => Kind::BoolValue(*value),
        Json::Integer(number) => Kind::NumberValue(*number as f64),
        Json::Float(number) => Kind::NumberValue(*number),
        Json::Text(text) => Kind::StringValue(text.clone()),
        Json::List(list) => Kind::ListValue(prost_types::ListValue {
            values: list.iter().map(to_value).collect(),
        }),
        Json::Object(object) => Kind::StructValue(to_struct(object)),
    };
    prost_types::Value { kind: Some(kind) }
}
