//! What differs between two versions of a stored object, field by field, as its JSON shows them. Read from the descriptor:
//! a new kind of object needs nothing here.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost_reflect::{
    DescriptorPool, DynamicMessage, ExtensionDescriptor, FieldDescriptor, Kind, MapKey, MessageDescriptor,
    ReflectMessage as _, Value,
};
use prost_types::value::Kind as Json;
use proto::http::v1::{FieldChange, FieldRule, ObjectChange};

/// The message with a field for each kind of stored objects.
const ROWS: &str = "chamois.raft.v1.SnapshotRow";
/// Who changed an object last: told beside the fields, not as one.
const META: &str = "chamois.http.v1.ObjectMeta";

static SCHEMA: LazyLock<Option<Schema>> = LazyLock::new(Schema::read);

/// Objects as the descriptor has them.
struct Schema {
    rows: MessageDescriptor,
    field_rule: ExtensionDescriptor,
    legacy_name: ExtensionDescriptor,
}

/// What became of the object `id` of the kind with this number (its field in `chamois.raft.v1.SnapshotRow`), from its
/// encoded messages before and after. What JSON does not show (`native_only`) is left out here, too.
pub fn object_change(kind: u32, id: String, before: Option<&[u8]>, after: Option<&[u8]>) -> ObjectChange {
    let change = match (before, after) {
        (None, _) => "created",
        (Some(_), Some(_)) => "updated",
        (Some(_), None) => "deleted",
    };
    let row = SCHEMA.as_ref().and_then(|schema| {
        let field = schema.rows.get_field(kind)?;
        let message = field.kind().as_message()?.clone();
        Some((schema, field.name().to_owned(), message))
    });
    let Some((schema, name, message)) = row else {
        let kind = kind.to_string();
        return ObjectChange {
            change: change.to_owned(),
            kind,
            id,
            fields: Vec::new(),
        };
    };
    let decode = |bytes: Option<&[u8]>| {
        let decoded = bytes.map(|bytes| DynamicMessage::decode(message.clone(), bytes));
        decoded.and_then(Result::ok)
    };
    let (before, after) = (decode(before), decode(after));
    let mut fields = Vec::new();
    for field in message.fields().filter(|field| schema.shows(field)) {
        let value =
            |object: &Option<DynamicMessage>| object.as_ref().and_then(|object| schema.shown(object, &field));
        let (before, after) = (value(&before), value(&after));
        if before != after {
            fields.push(FieldChange {
                field: field.json_name().to_owned(),
                before,
                after,
            });
        }
    }
    ObjectChange {
        change: change.to_owned(),
        kind: name,
        id,
        fields,
    }
}

impl Schema {
    fn read() -> Option<Schema> {
        let pool = DescriptorPool::decode(proto::DESCRIPTOR).ok()?;
        Some(Schema {
            rows: pool.get_message_by_name(ROWS)?,
            field_rule: pool.get_extension_by_name("chamois.http.v1.field")?,
            legacy_name: pool.get_extension_by_name("chamois.http.v1.legacy_name")?,
        })
    }

    fn shows(&self, field: &FieldDescriptor) -> bool {
        let options = field.options();
        let rule = options.get_extension(&self.field_rule);
        let rule: Option<FieldRule> = rule.as_message().and_then(|rule| rule.transcode_to().ok());
        let is_meta = matches!(field.kind(), Kind::Message(message) if message.full_name() == META);
        !is_meta && !rule.unwrap_or_default().native_only
    }

    /// A field that is there; none that is empty and has no presence.
    fn shown(&self, object: &DynamicMessage, field: &FieldDescriptor) -> Option<prost_types::Value> {
        object
            .has_field(field)
            .then(|| self.value(&object.get_field(field), &field.kind()))
    }

    fn value(&self, value: &Value, kind: &Kind) -> prost_types::Value {
        let json = match value {
            Value::Bool(value) => Json::BoolValue(*value),
            Value::I32(value) => Json::NumberValue(f64::from(*value)),
            Value::I64(value) => Json::NumberValue(*value as f64),
            Value::U32(value) => Json::NumberValue(f64::from(*value)),
            Value::U64(value) => Json::NumberValue(*value as f64),
            Value::F32(value) => Json::NumberValue(f64::from(*value)),
            Value::F64(value) => Json::NumberValue(*value),
            Value::String(text) => Json::StringValue(text.clone()),
            Value::Bytes(bytes) => Json::StringValue(STANDARD.encode(bytes)),
            Value::EnumNumber(number) => Json::StringValue(self.name(*number, kind)),
            Value::Message(message) => return self.message(message),
            Value::List(items) => Json::ListValue(prost_types::ListValue {
                values: items.iter().map(|item| self.value(item, kind)).collect(),
            }),
            Value::Map(entries) => {
                let of_value = kind
                    .as_message()
                    .map(|entry| entry.map_entry_value_field().kind());
                let of_value = of_value.unwrap_or_else(|| kind.clone());
                let fields = entries
                    .iter()
                    .map(|(key, value)| (key_text(key), self.value(value, &of_value)));
                Json::StructValue(prost_types::Struct {
                    fields: fields.collect(),
                })
            }
        };
        prost_types::Value { kind: Some(json) }
    }

    fn message(&self, message: &DynamicMessage) -> prost_types::Value {
        let descriptor = message.descriptor();
        let free_form = match descriptor.full_name() {
            "google.protobuf.Value" => message.transcode_to().ok(),
            "google.protobuf.Struct" => message.transcode_to().ok().map(|object| prost_types::Value {
                kind: Some(Json::StructValue(object)),
            }),
            _ => None,
        };
        free_form.unwrap_or_else(|| {
            let shown = descriptor.fields().filter(|field| self.shows(field));
            let fields = shown.filter_map(|field| {
                let value = self.shown(message, &field)?;
                Some((field.json_name().to_owned(), value))
            });
            prost_types::Value {
                kind: Some(Json::StructValue(prost_types::Struct {
                    fields: fields.collect(),
                })),
            }
        })
    }

    /// The name of an enum's value in JSON; its number, where a newer version has made it.
    fn name(&self, number: i32, kind: &Kind) -> String {
        let value = kind.as_enum().and_then(|names| names.get_value(number));
        let Some(value) = value else {
            return number.to_string();
        };
        let options = value.options();
        let legacy = options
            .has_extension(&self.legacy_name)
            .then(|| options.get_extension(&self.legacy_name).into_owned());
        let legacy = legacy.as_ref().and_then(Value::as_str);
        legacy.unwrap_or(value.name()).to_owned()
    }
}

fn key_text(key: &MapKey) -> String {
    match key {
        MapKey::String(text) => text.clone(),
        MapKey::Bool(value) => value.to_string(),
        MapKey::I32(value) => value.to_string(),
        MapKey::I64(value) => value.to_string(),
        MapKey::U32(value) => value.to_string(),
        MapKey::U64(value) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use proto::http::v1::ObjectMeta;
    use proto::smd::v1::{Component, Group, GroupMembers, component};

    use super::*;

    const COMPONENT: u32 = 10;
    const GROUP: u32 = 12;

    fn text(text: &str) -> Option<prost_types::Value> {
        Some(prost_types::Value {
            kind: Some(Json::StringValue(text.to_owned())),
        })
    }

    fn number(number: f64) -> Option<prost_types::Value> {
        Some(prost_types::Value {
            kind: Some(Json::NumberValue(number)),
        })
    }

    fn component(state: component::State, nid: Option<u64>) -> Vec<u8> {
        let component = Component {
            id: "x0c0s0b0n0".into(),
            state: state.into(),
            nid,
            meta: Some(ObjectMeta::default()),
            ..Component::default()
        };
        component.encode_to_vec()
    }

    fn field(
        name: &str,
        before: Option<prost_types::Value>,
        after: Option<prost_types::Value>,
    ) -> FieldChange {
        FieldChange {
            field: name.to_owned(),
            before,
            after,
        }
    }

    #[test]
    fn only_what_differs_is_told_in_the_words_of_its_json() {
        let before = component(component::State::Ready, None);
        let after = component(component::State::Off, Some(0));
        let change = object_change(COMPONENT, "x0c0s0b0n0".into(), Some(&before), Some(&after));
        assert_eq!(
            (change.change.as_str(), change.kind.as_str(), change.id.as_str()),
            ("updated", "component", "x0c0s0b0n0")
        );
        let expected = [
            field("State", text("Ready"), text("Off")),
            field("NID", None, number(0.0)),
        ];
        assert_eq!(change.fields, expected);
    }

    #[test]
    fn all_of_a_new_object_is_told_and_of_one_that_is_gone() {
        let object = component(component::State::On, Some(7));
        let made = object_change(COMPONENT, "x".into(), None, Some(&object));
        let gone = object_change(COMPONENT, "x".into(), Some(&object), None);
        assert_eq!(
            (made.change.as_str(), gone.change.as_str()),
            ("created", "deleted")
        );
        let names = |change: &ObjectChange| {
            change
                .fields
                .iter()
                .map(|field| field.field.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(names(&made), ["ID", "State", "NID"], "no meta");
        assert_eq!(names(&made), names(&gone));
        assert!(
            made.fields
                .iter()
                .all(|field| field.before.is_none() && field.after.is_some())
        );
        assert!(
            gone.fields
                .iter()
                .all(|field| field.before.is_some() && field.after.is_none())
        );
    }

    #[test]
    fn lists_and_messages_within_are_shown_whole() {
        let group = |ids: &[&str]| {
            let ids = ids.iter().map(|id| (*id).to_owned()).collect();
            let group = Group {
                label: "g".into(),
                members: Some(GroupMembers { ids }),
                ..Group::default()
            };
            group.encode_to_vec()
        };
        let change = object_change(
            GROUP,
            "g".into(),
            Some(&group(&[])),
            Some(&group(&["x0c0s0b0n0"])),
        );
        assert_eq!(change.fields.len(), 1);
        let Some(Json::StructValue(after)) = change.fields[0].after.clone().unwrap().kind else {
            panic!("{change:?}");
        };
        let ids = prost_types::ListValue {
            values: text("x0c0s0b0n0").into_iter().collect(),
        };
        assert_eq!(after.fields["ids"].kind, Some(Json::ListValue(ids)));
    }

    /// A kind of a newer version, or a row that nobody watches.
    #[test]
    fn an_unknown_kind_has_no_fields() {
        let change = object_change(999, "x".into(), None, Some(b"anything"));
        assert_eq!((change.kind.as_str(), change.fields.len()), ("999", 0));
    }
}
