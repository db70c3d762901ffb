//! The value of a document that does not fit its message: where it stands, what it is, and what is accepted there.

use openapi::Catalogue;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind as ProtoKind, MessageDescriptor};
use serde_json::{Map, Value};

use super::words::{self, Way};

/// Types with a JSON form of their own.
const WELL_KNOWN: &str = "google.protobuf.";
/// Characters of a value that are shown.
const SHOWN_MAX: usize = 40;
/// Names that are listed at most.
const NAMES_MAX: usize = 16;

/// A value that does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Misfit {
    /// Keys from the document's top on: `spec.pools[2].first`.
    pub(super) path: String,
    /// What it is, and what is accepted.
    pub(super) problem: String,
}

/// The first value of `spec`, a message in the words of documents, that the message does not take by itself. `None` if each one
/// is taken, so that it is their being together that is not.
pub(super) fn find(catalogue: &Catalogue, message: &MessageDescriptor, spec: &Value) -> Option<Misfit> {
    let mut value = spec.clone();
    words::turn(catalogue, message, &mut value, Way::Protos);
    Search { catalogue }.in_message(message, &value, "spec")
}

struct Search<'c> {
    catalogue: &'c Catalogue,
}

impl Search<'_> {
    fn in_message(&self, message: &MessageDescriptor, value: &Value, path: &str) -> Option<Misfit> {
        let entries = match value {
            Value::Object(entries) if !is_well_known(message) => entries,
            _ => return Some(self.misfit(path, value, &ProtoKind::Message(message.clone()))),
        };
        entries.iter().find_map(|(key, value)| {
            let named = message.get_field_by_json_name(key);
            let field = named.or_else(|| message.get_field_by_name(key))?;
            let alone = Alone { message, key, value };
            if alone.fits(value.clone()) {
                return None;
            }
            self.in_field(&field, &alone, &format!("{path}.{key}"))
        })
    }

    /// What of a field that does not fit it is.
    fn in_field(&self, field: &FieldDescriptor, alone: &Alone, path: &str) -> Option<Misfit> {
        let each = |kind: &ProtoKind, value: &Value, path: &str| match (kind, value) {
            (ProtoKind::Message(inner), Value::Object(_)) => self.in_message(inner, value, path),
            _ => Some(self.misfit(path, value, kind)),
        };
        match (alone.value, field.kind()) {
            (Value::Array(items), kind) if field.is_list() => {
                let mut items = items.iter().enumerate();
                let (at, item) = items.find(|(_, item)| !alone.fits(Value::Array(vec![(*item).clone()])))?;
                each(&kind, item, &format!("{path}[{at}]"))
            }
            (Value::Object(entries), ProtoKind::Message(entry)) if field.is_map() => {
                let fits = |key: &str, value: &Value| alone.fits(only(key, value.clone()));
                let (key, value) = entries.iter().find(|(key, value)| !fits(key, value))?;
                each(
                    &entry.map_entry_value_field().kind(),
                    value,
                    &format!("{path}.{key}"),
                )
            }
            (value, ProtoKind::Message(entry)) if field.is_map() => {
                let of = self.accepted(&entry.map_entry_value_field().kind());
                Some(told(path, value, &format!("a mapping (each: {of})")))
            }
            (value, kind) if field.is_list() => Some(told(
                path,
                value,
                &format!("a list (each: {})", self.accepted(&kind)),
            )),
            (value, kind) => each(&kind, value, path),
        }
    }

    fn misfit(&self, path: &str, value: &Value, kind: &ProtoKind) -> Misfit {
        told(path, value, &self.accepted(kind))
    }

    /// What a field of this kind takes, as people write it.
    fn accepted(&self, kind: &ProtoKind) -> String {
        match kind {
            ProtoKind::Bool => "true or false".to_owned(),
            ProtoKind::Int32 | ProtoKind::Sint32 | ProtoKind::Sfixed32 => {
                format!("a whole number from {} to {}", i32::MIN, i32::MAX)
            }
            ProtoKind::Uint32 | ProtoKind::Fixed32 => format!("a whole number from 0 to {}", u32::MAX),
            ProtoKind::Int64 | ProtoKind::Sint64 | ProtoKind::Sfixed64 => "a whole number".to_owned(),
            ProtoKind::Uint64 | ProtoKind::Fixed64 => "a whole number from 0 on".to_owned(),
            ProtoKind::Float | ProtoKind::Double => "a number".to_owned(),
            ProtoKind::String => "text".to_owned(),
            ProtoKind::Bytes => "text in base64".to_owned(),
            ProtoKind::Enum(words) => {
                let words = words.values();
                listed(
                    "one of",
                    words.filter_map(|word| self.catalogue.name_in_json(&word)),
                )
            }
            ProtoKind::Message(message) => match message.full_name().strip_prefix(WELL_KNOWN) {
                Some("Struct") => "a mapping".to_owned(),
                Some("ListValue") => "a list".to_owned(),
                Some("Timestamp") => "a time, as 2026-12-31T23:59:59Z".to_owned(),
                Some("Duration") => "a duration, as 30s".to_owned(),
                Some(other) => format!("what JSON has for a {other}"),
                None => {
                    let names = message.fields().map(|field| field.json_name().to_owned());
                    listed("a mapping with", names)
                }
            },
        }
    }
}

/// A field with nothing else in its message.
struct Alone<'m> {
    message: &'m MessageDescriptor,
    key: &'m str,
    value: &'m Value,
}

impl Alone<'_> {
    /// Whether the message takes `value` in it.
    fn fits(&self, value: Value) -> bool {
        DynamicMessage::deserialize(self.message.clone(), only(self.key, value)).is_ok()
    }
}

fn only(key: &str, value: Value) -> Value {
    Value::Object(Map::from_iter([(key.to_owned(), value)]))
}

fn is_well_known(message: &MessageDescriptor) -> bool {
    message.full_name().starts_with(WELL_KNOWN)
}

fn told(path: &str, value: &Value, accepted: &str) -> Misfit {
    let mut problem = format!("{} is not accepted, {accepted} is", found(value));
    if accepted == "text" && (value.is_number() || value.is_boolean()) {
        problem += "; write it in quotation marks";
    }
    Misfit {
        path: path.to_owned(),
        problem,
    }
}

/// What a value is, in few words.
pub(super) fn found(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) if text.chars().nth(SHOWN_MAX).is_none() => format!("the text {text:?}"),
        Value::String(text) => {
            let begin: String = text.chars().take(SHOWN_MAX).collect();
            format!("the text {:?}", begin + "…")
        }
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a mapping".to_owned(),
    }
}

fn listed(what: &str, names: impl Iterator<Item = String>) -> String {
    let mut names: Vec<String> = names.collect();
    if names.len() > NAMES_MAX {
        names.truncate(NAMES_MAX);
        names.push("…".to_owned());
    }
    format!("{what} {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::kinds;
    use super::*;

    /// Path and problem.
    fn misfit(kind: &str, spec: &Value) -> Option<(String, String)> {
        let catalogue = crate::api::catalogue().unwrap();
        let message = kinds::find(kind).unwrap().descriptor(&catalogue).unwrap();
        find(&catalogue, &message, spec).map(|misfit| (misfit.path, misfit.problem))
    }

    fn assert_told(kind: &str, spec: &Value, path: &str, words: &[&str]) {
        let (at, problem) = misfit(kind, spec).unwrap_or_else(|| panic!("{spec} fits"));
        assert_eq!(at, path, "{spec}: {problem}");
        for word in words {
            assert!(problem.contains(word), "{spec}: {problem}");
        }
    }

    #[test]
    fn a_value_of_another_type_is_named_with_its_path() {
        for (spec, path, words) in [
            (
                json!({"mtu": 1500, "leaseTimeS": "long"}),
                "spec.leaseTimeS",
                ["the text \"long\"", "0 to 4294967295"],
            ),
            (
                json!({"mtu": -1}),
                "spec.mtu",
                ["the number -1", "0 to 4294967295"],
            ),
            (
                json!({"domain": 7}),
                "spec.domain",
                ["the number 7", "quotation marks"],
            ),
            (
                json!({"staticAddresses": "yes"}),
                "spec.staticAddresses",
                ["the text \"yes\"", "true or false"],
            ),
            (
                json!({"static_addresses": 1}),
                "spec.static_addresses",
                ["the number 1", "true or false"],
            ),
        ] {
            assert_told("Subnet", &spec, path, &words);
        }
    }

    #[test]
    fn a_list_where_a_mapping_belongs_is_named_and_the_other_way_round() {
        assert_told(
            "Group",
            &json!({"members": ["x0c0s0b0n0"]}),
            "spec.members",
            &["a list is not accepted", "a mapping with ids"],
        );
        assert_told(
            "Group",
            &json!({"members": {"ids": {"a": 1}}}),
            "spec.members.ids",
            &["a mapping is not accepted", "a list (each: text)"],
        );
        assert_told(
            "Subnet",
            &json!({"pools": {"first": "10.0.0.1"}}),
            "spec.pools",
            &["a mapping is not accepted", "a list (each: a mapping with"],
        );
        assert_told(
            "CloudInitGroup",
            &json!({"meta-data": [1]}),
            "spec.meta-data",
            &["a list is not accepted", "a mapping is"],
        );
    }

    /// Of a list of hundreds it is the one that is wrong.
    #[test]
    fn an_item_of_a_list_is_named_by_its_number() {
        assert_told(
            "Subnet",
            &json!({"routers": ["10.0.0.1", "10.0.0.2", ["10.0.0.3"]]}),
            "spec.routers[2]",
            &["a list is not accepted, text is"],
        );
        assert_told(
            "Subnet",
            &json!({"pools": [{}, "10.0.0.1"]}),
            "spec.pools[1]",
            &["the text \"10.0.0.1\"", "a mapping with"],
        );
        assert_told(
            "Subnet",
            &json!({"options": [{"code": 1}, {"code": 2}, {"code": "three"}]}),
            "spec.options[2].code",
            &["the text \"three\"", "a whole number"],
        );
    }

    #[test]
    fn the_words_of_an_enum_are_those_of_documents() {
        assert_told(
            "Component",
            &json!({"Role": "Compute", "State": "Broken"}),
            "spec.State",
            &["the text \"Broken\"", "one of", "Ready"],
        );
        assert_eq!(
            misfit("Component", &json!({"State": "Ready", "Arch": "x86"})),
            None
        );
    }

    /// The words of an error end up in a terminal.
    #[test]
    fn what_is_long_is_cut_and_what_is_no_character_is_written_out() {
        let (_, problem) = misfit(
            "Component",
            &json!({"NID": format!("\u{1b}[31m{}", "x".repeat(5000))}),
        )
        .unwrap();
        assert!(problem.len() < 200 && !problem.contains('\u{1b}'), "{problem}");
        assert!(problem.contains('…'), "{problem}");
    }
}
