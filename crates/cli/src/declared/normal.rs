//! One form of every object, so that what a file says and what the cluster shows can be compared: by the message, without what only
//! the cluster gives, without zeros, with the words of documents.

use openapi::Catalogue;
use prost_reflect::{DynamicMessage, SerializeOptions};
use serde_json::{Map, Number, Value};

use super::kinds::{Key, Kind};
use super::words::{self, Way};
use crate::error::CliError;

/// Integers that a number of JSON (an IEEE double) has exactly.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// What a document declares: its fields by their names in JSON.
///
/// # Errors
/// The value that does not fit.
pub(super) fn declared(
    catalogue: &Catalogue,
    kind: &Kind,
    name: &str,
    spec: &Value,
) -> Result<Map<String, Value>, String> {
    let mut whole = spec.as_object().cloned().unwrap_or_default();
    kind.put_name(name, &mut whole);
    let shown = through_message(catalogue, kind, Value::Object(whole)).map_err(|error| error.to_string())?;
    Ok(without_given(kind, shown))
}

/// What is stored, as a document would declare it.
pub(super) fn stored(
    catalogue: &Catalogue,
    kind: &Kind,
    object: &Map<String, Value>,
) -> Result<Map<String, Value>, CliError> {
    let shown = through_message(catalogue, kind, Value::Object(object.clone()))?;
    Ok(without_given(kind, shown))
}

/// The message as requests have it.
///
/// # Errors
/// When this version has no such message.
pub(super) fn to_send(
    catalogue: &Catalogue,
    kind: &Kind,
    name: &str,
    spec: &Map<String, Value>,
) -> Result<Map<String, Value>, CliError> {
    let mut whole = spec.clone();
    kind.put_name(name, &mut whole);
    let mut value = Value::Object(whole);
    words::turn(catalogue, &kind.descriptor(catalogue)?, &mut value, Way::Protos);
    match value {
        Value::Object(object) => Ok(object),
        _ => Ok(Map::new()),
    }
}

fn through_message(
    catalogue: &Catalogue,
    kind: &Kind,
    mut value: Value,
) -> Result<Map<String, Value>, CliError> {
    let unfit = |error: &dyn std::fmt::Display| CliError::new(crate::error::Kind::Usage, error.to_string());
    let descriptor = kind.descriptor(catalogue)?;
    words::turn(catalogue, &descriptor, &mut value, Way::Protos);
    let read = DynamicMessage::deserialize(descriptor.clone(), value).map_err(|error| unfit(&error))?;
    let options = SerializeOptions::new().stringify_64_bit_integers(false);
    let shown = read.serialize_with_options(serde_json::value::Serializer, &options);
    let mut shown = shown.map_err(|error| unfit(&error))?;
    words::turn(catalogue, &descriptor, &mut shown, Way::Documents);
    whole_numbers(&mut shown);
    match shown {
        Value::Object(object) => Ok(object),
        _ => Ok(Map::new()),
    }
}

fn without_given(kind: &Kind, mut object: Map<String, Value>) -> Map<String, Value> {
    object
        .retain(|field, _| !kind.given.contains(&field.as_str()) && kind.key_field() != Some(field.as_str()));
    if kind.key == Key::Boot {
        // BSS lists every entry with data of cloud-init, also where there are none
        object.retain(|field, value| {
            field != "cloud-init" || value.as_object().is_some_and(|data| !data.is_empty())
        });
    }
    object
}

/// Free-form data have doubles only: what was written as 7 is shown as 7.
fn whole_numbers(value: &mut Value) {
    match value {
        Value::Number(number) => {
            let whole = number
                .as_f64()
                .filter(|of| number.is_f64() && of.fract() == 0.0 && of.abs() < EXACT_MAX);
            if let Some(whole) = whole {
                #[allow(clippy::cast_possible_truncation, reason = "it is whole and below 2^53")]
                let whole = whole as i64;
                *value = Value::Number(Number::from(whole));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(whole_numbers),
        Value::Object(entries) => entries.values_mut().for_each(whole_numbers),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::kinds::{KINDS, find};
    use super::*;

    fn normal(kind: &str, name: &str, spec: &Value) -> Value {
        let catalogue = crate::api::catalogue().unwrap();
        Value::Object(declared(&catalogue, find(kind).unwrap(), name, spec).unwrap())
    }

    #[test]
    fn both_writings_of_a_field_and_of_a_word_are_one() {
        let shown = json!({"State": "Ready", "SubRole": "Worker"});
        assert_eq!(normal("Component", "x0c0s0b0n0", &shown), shown);
        let by_proto = json!({"state": "STATE_READY", "sub_role": "Worker", "software_status": ""});
        assert_eq!(normal("Component", "x0c0s0b0n0", &by_proto), shown);
    }

    #[test]
    fn what_only_the_cluster_gives_is_not_compared() {
        let catalogue = crate::api::catalogue().unwrap();
        let object = json!({"name": "a", "kernel": "/k", "meta": {"modified": {"revision": 7}}});
        let kind = find("BootConfiguration").unwrap();
        let shown = stored(&catalogue, kind, object.as_object().unwrap()).unwrap();
        assert_eq!(Value::Object(shown), json!({"kernel": "/k"}));
    }

    #[test]
    fn whole_numbers_of_free_form_data_are_whole() {
        let spec = json!({"meta-data": {"racks": 7, "share": 0.5}});
        assert_eq!(normal("CloudInitGroup", "compute", &spec), spec);
    }

    /// A row of the table that no version of the API has would fail at somebody's site.
    #[test]
    fn every_kind_and_every_method_of_the_table_exists() {
        let catalogue = crate::api::catalogue().unwrap();
        for kind in KINDS {
            let descriptor = kind.descriptor(&catalogue).unwrap();
            for given in kind.given {
                assert!(
                    descriptor.get_field_by_json_name(given).is_some(),
                    "{}.{given}",
                    kind.name
                );
            }
            if let Some(key) = kind.key_field() {
                assert!(
                    descriptor.get_field_by_json_name(key).is_some(),
                    "{}.{key}",
                    kind.name
                );
            }
            for name in [kind.list.0, kind.delete.method] {
                let mut methods = catalogue.methods().iter();
                assert!(methods.any(|method| method.name() == name), "{name}");
            }
        }
    }
}
