//! JSON to a request message and an answer back to JSON, by the descriptor.

use bytes::Bytes;
use model::nearest;
use prost::Message as _;
use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind as ProtoKind, MessageDescriptor, SerializeOptions,
};
use serde_json::Value;

use super::shown::short;
use crate::error::{CliError, Kind};

/// Types with a JSON form of their own.
const WELL_KNOWN: &str = "google.protobuf.";

/// The request that `json` says.
///
/// # Errors
/// `Usage` naming the key that the message does not have, and what was meant; or the value that does not fit.
pub(crate) fn encode(message: &MessageDescriptor, json: &Value) -> Result<Bytes, CliError> {
    check_keys(message, json, "")?;
    let read = DynamicMessage::deserialize(message.clone(), json);
    let read = read.map_err(|error| refused(format!("{}: {error}", short(message.full_name()))))?;
    Ok(read.encode_to_vec().into())
}

/// An answer as a JSON value: zeros are shown, numbers are numbers.
///
/// # Errors
/// An answer that is not what the descriptor says: of a member of another version.
pub(super) fn decode(message: &MessageDescriptor, bytes: &Bytes) -> Result<Value, CliError> {
    let unreadable = |error: &dyn std::fmt::Display| CliError::other("cannot read the answer", error);
    let read = DynamicMessage::decode(message.clone(), bytes.clone()).map_err(|error| unreadable(&error))?;
    let options = SerializeOptions::new()
        .skip_default_fields(false)
        .stringify_64_bit_integers(false);
    read.serialize_with_options(serde_json::value::Serializer, &options)
        .map_err(|error| unreadable(&error))
}

fn refused(text: String) -> CliError {
    CliError::new(Kind::Usage, text)
}

/// That every key is a field's: a slip must not be taken for an empty field. Names begin with `place`.
///
/// # Errors
/// `Usage` naming the key with its place, and what was meant.
pub(crate) fn check_keys(message: &MessageDescriptor, json: &Value, place: &str) -> Result<(), CliError> {
    let Value::Object(object) = json else {
        return Ok(()); // what it should be is said where it is read
    };
    if message.full_name().starts_with(WELL_KNOWN) {
        return Ok(());
    }
    for (key, value) in object {
        let place = if place.is_empty() {
            key.clone()
        } else {
            format!("{place}.{key}")
        };
        let named = message.get_field_by_json_name(key);
        let field = named.or_else(|| message.get_field_by_name(key));
        let field = field.ok_or_else(|| no_such_field(message, key, &place))?;
        check_below(&field, value, &place)?;
    }
    Ok(())
}

fn check_below(field: &FieldDescriptor, value: &Value, place: &str) -> Result<(), CliError> {
    let ProtoKind::Message(inner) = field.kind() else {
        return Ok(());
    };
    match value {
        Value::Object(entries) if field.is_map() => match inner.map_entry_value_field().kind() {
            ProtoKind::Message(inner) => entries
                .iter()
                .try_for_each(|(key, value)| check_keys(&inner, value, &format!("{place}.{key}"))),
            _ => Ok(()),
        },
        Value::Array(items) if field.is_list() => items
            .iter()
            .enumerate()
            .try_for_each(|(at, item)| check_keys(&inner, item, &format!("{place}[{at}]"))),
        // what it should be is said where it is read
        _ if field.is_map() || field.is_list() => Ok(()),
        one => check_keys(&inner, one, place),
    }
}

fn no_such_field(message: &MessageDescriptor, key: &str, place: &str) -> CliError {
    let fields: Vec<FieldDescriptor> = message.fields().collect();
    let names = || fields.iter().map(FieldDescriptor::json_name);
    let error = refused(format!(
        "{place}: {} has no field {key}",
        short(message.full_name())
    ));
    match nearest(key, names()) {
        Some(meant) => error.with_remedy(format!("Is it {meant}?")),
        None if fields.is_empty() => error.with_remedy("It has none: send {}."),
        None => error.with_remedy(format!("It has {}.", names().collect::<Vec<_>>().join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn message(name: &str) -> MessageDescriptor {
        let catalogue = super::super::catalogue().unwrap();
        catalogue.pool().get_message_by_name(name).unwrap()
    }

    fn refusal(name: &str, json: &Value) -> String {
        let error = encode(&message(name), json).unwrap_err();
        assert_eq!(error.kind(), Kind::Usage);
        error.to_string()
    }

    #[test]
    fn what_is_written_is_read_back() {
        let component = message("chamois.smd.v1.Component");
        let bytes = encode(&component, &json!({ "ID": "x0c0s0b0n0", "NID": 7 })).unwrap();
        let back = decode(&component, &bytes).unwrap();
        assert_eq!((&back["ID"], &back["NID"]), (&json!("x0c0s0b0n0"), &json!(7)));
        let by_proto_names = encode(&component, &json!({ "id": "x0c0s0b0n0", "nid": 7 })).unwrap();
        assert_eq!(by_proto_names, bytes);
    }

    /// Its keys are not looked for in the items' message: it is not the keys that are wrong.
    #[test]
    fn a_mapping_where_a_list_belongs_has_no_unknown_keys() {
        let json = json!({ "components": { "first": { "ID": "x0c0s0b0n0" } } });
        let text = refusal("chamois.smd.v1.CreateComponentsRequest", &json);
        assert!(!text.contains("has no field"), "{text}");
    }

    /// A key that is dropped silently is a change that is not made.
    #[test]
    fn an_unknown_key_is_named_with_what_was_meant() {
        let text = refusal("chamois.smd.v1.Component", &json!({ "Sttae": "STATE_READY" }));
        assert!(text.contains("Sttae") && text.contains("State?"), "{text}");
        let list = json!({ "components": [{ "ID": "x0c0s0b0n0" }, { "Nidd": 1 }] });
        let text = refusal("chamois.smd.v1.CreateComponentsRequest", &list);
        assert!(text.contains("[1].Nidd") && text.contains("NID?"), "{text}");
        let text = refusal("chamois.smd.v1.Component", &json!({ "colourOfTheDoor": 1 }));
        assert!(text.contains("It has") && text.contains("NID"), "{text}");
    }

    #[test]
    fn a_value_that_does_not_fit_is_usage() {
        for json in [
            json!({ "NID": "many" }),
            json!({ "ID": 5 }),
            json!([]),
            json!("x"),
        ] {
            let text = refusal("chamois.smd.v1.Component", &json);
            assert!(text.contains("Component"), "{text}");
        }
    }

    #[test]
    fn bytes_that_are_no_message_are_told() {
        let error = decode(
            &message("chamois.smd.v1.Component"),
            &Bytes::from_static(b"\xff\xff"),
        );
        assert!(error.unwrap_err().to_string().contains("answer"));
    }
}
