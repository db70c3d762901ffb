//! The words of enums: documents say `X86` and `Ready` as the HTTP API does, requests `ARCH_X86` and `STATE_READY`.

use openapi::Catalogue;
use prost_reflect::{FieldDescriptor, Kind as ProtoKind, MessageDescriptor};
use serde_json::Value;

/// Types with a JSON form of their own.
const WELL_KNOWN: &str = "google.protobuf.";

/// Which way words go.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// To those of documents.
    Documents,
    /// To those of the protos; what is none already is left for whoever reads it to refuse.
    Protos,
}

/// Turns the words of all enums in `value`, which is a message in JSON.
pub(super) fn turn(catalogue: &Catalogue, message: &MessageDescriptor, value: &mut Value, way: Way) {
    let Value::Object(object) = value else { return };
    if message.full_name().starts_with(WELL_KNOWN) {
        return;
    }
    for (key, value) in object {
        let named = message.get_field_by_json_name(key);
        if let Some(field) = named.or_else(|| message.get_field_by_name(key)) {
            turn_field(catalogue, &field, value, way);
        }
    }
}

fn turn_field(catalogue: &Catalogue, field: &FieldDescriptor, value: &mut Value, way: Way) {
    let kind = match field.kind() {
        ProtoKind::Message(entry) if field.is_map() => entry.map_entry_value_field().kind(),
        kind => kind,
    };
    let each = |value: &mut Value| match &kind {
        ProtoKind::Message(inner) => turn(catalogue, inner, value, way),
        ProtoKind::Enum(words) => {
            let turned = value.as_str().and_then(|word| {
                let mut all = words.values();
                match way {
                    Way::Documents => {
                        let own = all.find(|own| own.name() == word)?;
                        catalogue.name_in_json(&own)
                    }
                    Way::Protos => {
                        let is_it =
                            |name: Option<String>| name.is_some_and(|name| name.eq_ignore_ascii_case(word));
                        let own = all.find(|own| is_it(catalogue.name_in_json(own)))?;
                        Some(own.name().to_owned())
                    }
                }
            });
            if let Some(word) = turned {
                *value = Value::String(word);
            }
        }
        _ => {}
    };
    match value {
        Value::Array(items) if field.is_list() => items.iter_mut().for_each(each),
        Value::Object(entries) if field.is_map() => entries.values_mut().for_each(each),
        one => each(one),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn turned(mut value: Value, way: Way) -> Value {
        let catalogue = crate::api::catalogue().unwrap();
        let message = catalogue
            .pool()
            .get_message_by_name("chamois.smd.v1.Component")
            .unwrap();
        turn(&catalogue, &message, &mut value, way);
        value
    }

    #[test]
    fn words_are_those_of_the_http_api_and_back() {
        let document = json!({"State": "Ready", "Arch": "X86", "Role": "Compute"});
        let request = json!({"State": "STATE_READY", "Arch": "ARCH_X86", "Role": "Compute"});
        assert_eq!(turned(document.clone(), Way::Protos), request);
        assert_eq!(turned(request, Way::Documents), document);
        assert_eq!(
            turned(json!({"Arch": "x86"}), Way::Protos),
            json!({"Arch": "ARCH_X86"})
        );
    }

    /// Whoever reads the request refuses it by name.
    #[test]
    fn a_word_that_is_none_is_left_as_it_is() {
        assert_eq!(
            turned(json!({"State": "Broken", "NID": 7}), Way::Protos),
            json!({"State": "Broken", "NID": 7})
        );
        assert_eq!(turned(json!("x"), Way::Protos), json!("x"));
    }
}
