//! One object of HSM's JSON as a message and back, by the names and rules in the protos: keys without regard to case,
//! unknown keys ignored, enums by SMD's words, native fields neither read nor written.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use prost_reflect::{
    DescriptorPool, DynamicMessage, EnumDescriptor, ExtensionDescriptor, FieldDescriptor, Kind,
    MessageDescriptor, Value as Field,
};
use proto::http::v1::FieldRule;
use serde_json::{Map, Value};

use super::json::kind;
use crate::error::CliError;

/// Messages that stand for JSON of any form.
const FREE_FORM: [&str; 2] = ["google.protobuf.Value", "google.protobuf.Struct"];
/// Characters of a refused text that are shown.
const SHOWN_MAX: usize = 64;

/// How one message looks as JSON.
#[derive(Debug)]
pub(crate) struct HsmMessage {
    descriptor: MessageDescriptor,
    fields: Vec<FieldForm>,
    /// The place in `fields` of each key in lower case.
    places: HashMap<String, usize>,
}

#[derive(Debug)]
struct FieldForm {
    field: FieldDescriptor,
    rule: FieldRule,
    form: Form,
}

#[derive(Debug)]
enum Form {
    Plain,
    Enum(Names),
    Message(Arc<HsmMessage>),
    /// `google.protobuf.Value`: any JSON, or `Struct`: any object.
    Any(MessageDescriptor),
}

/// SMD's words for the values of an enum.
#[derive(Debug)]
struct Names {
    /// In the order of their numbers.
    shown: Vec<(i32, String)>,
}

/// A value that does not fit its field: its place below the object, and what is accepted.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub(crate) struct NotAccepted {
    pub(crate) place: String,
    pub(crate) problem: String,
}

impl NotAccepted {
    fn new(problem: String) -> Self {
        Self {
            place: String::new(),
            problem,
        }
    }

    /// Below `outer`, e.g. `IPAddresses` or `[3]`.
    pub(crate) fn within(mut self, outer: &str) -> Self {
        let separator = if self.place.is_empty() || self.place.starts_with('[') {
            ""
        } else {
            "."
        };
        self.place = format!("{outer}{separator}{}", self.place);
        self
    }
}

/// What the descriptor says of fields and enum values.
struct Rules {
    pool: DescriptorPool,
    field: ExtensionDescriptor,
    legacy_name: ExtensionDescriptor,
}

impl Rules {
    fn of_our_protos() -> Result<&'static Rules, CliError> {
        static RULES: OnceLock<Rules> = OnceLock::new();
        if let Some(rules) = RULES.get() {
            return Ok(rules);
        }
        let pool =
            DescriptorPool::decode(proto::DESCRIPTOR).map_err(|error| unusable("the descriptor", error))?;
        let extension = |name: &str| {
            pool.get_extension_by_name(name)
                .ok_or_else(|| unusable(name, "it is missing"))
        };
        let rules = Rules {
            field: extension("chamois.http.v1.field")?,
            legacy_name: extension("chamois.http.v1.legacy_name")?,
            pool,
        };
        Ok(RULES.get_or_init(|| rules))
    }
}

fn unusable(what: &str, problem: impl std::fmt::Display) -> CliError {
    CliError::other(&format!("{what} cannot be used"), problem)
}

impl HsmMessage {
    /// The message with this full proto name.
    ///
    /// # Errors
    /// If our protos have no such message, or a field of a kind that has no JSON form here.
    pub(crate) fn named(name: &str) -> Result<Self, CliError> {
        let rules = Rules::of_our_protos()?;
        let descriptor = rules
            .pool
            .get_message_by_name(name)
            .ok_or_else(|| unusable(name, "there is no such message"))?;
        Self::of(descriptor, rules)
    }

    fn of(descriptor: MessageDescriptor, rules: &Rules) -> Result<Self, CliError> {
        let mut fields = Vec::new();
        for field in descriptor.fields() {
            let options = field.options();
            let rule = options.get_extension(&rules.field);
            let rule: FieldRule = match rule.as_message() {
                Some(rule) => rule
                    .transcode_to()
                    .map_err(|error| unusable(field.full_name(), error))?,
                None => FieldRule::default(),
            };
            if !rule.native_only {
                let form = Form::of(&field, rules)?;
                fields.push(FieldForm { field, rule, form });
            }
        }
        let places = fields.iter().enumerate();
        let places = places.map(|(place, of)| (of.field.json_name().to_ascii_lowercase(), place));
        Ok(Self {
            descriptor,
            places: places.collect(),
            fields,
        })
    }

    /// Reads one object.
    ///
    /// # Errors
    /// The first value that does not fit, with its place.
    pub(crate) fn read<M: prost::Message + Default>(&self, json: &Value) -> Result<M, NotAccepted> {
        let dynamic = self.read_dynamic(json)?;
        // Both are of the same message of the same protos.
        dynamic
            .transcode_to()
            .map_err(|error| NotAccepted::new(error.to_string()))
    }

    fn read_dynamic(&self, json: &Value) -> Result<DynamicMessage, NotAccepted> {
        let Value::Object(object) = json else {
            return Err(wrong_kind("an object", json));
        };
        let mut message = DynamicMessage::new(self.descriptor.clone());
        for (key, value) in object {
            let known = self.places.get(&key.to_ascii_lowercase());
            let (Some(of), false) = (known.map(|place| &self.fields[*place]), value.is_null()) else {
                continue;
            };
            let read = of.read(value).map_err(|problem| problem.within(key))?;
            if let Some(read) = read {
                message.set_field(&of.field, read);
            }
        }
        Ok(message)
    }

    /// Whether any JSON may stand under a key of this name.
    pub(crate) fn is_free_form(&self, key: &str) -> bool {
        let of = self.places.get(&key.to_ascii_lowercase());
        of.is_some_and(|place| matches!(self.fields[*place].form, Form::Any(_)))
    }

    /// Writes one message of this kind as HSM shows it.
    ///
    /// # Errors
    /// If it is a message of another kind.
    pub(crate) fn write(&self, message: &impl prost::Message) -> Result<Value, CliError> {
        let bytes = message.encode_to_vec();
        let dynamic = DynamicMessage::decode(self.descriptor.clone(), bytes.as_slice())
            .map_err(|error| unusable(self.descriptor.full_name(), error))?;
        Ok(self.write_dynamic(&dynamic))
    }

    fn write_dynamic(&self, message: &DynamicMessage) -> Value {
        let shown = self
            .fields
            .iter()
            .filter(|of| of.rule.always_present || message.has_field(&of.field));
        let entry = |of: &FieldForm| {
            let value = of.write(&message.get_field(&of.field));
            (of.field.json_name().to_owned(), value)
        };
        Value::Object(shown.map(entry).collect::<Map<_, _>>())
    }
}

impl Form {
    fn of(field: &FieldDescriptor, rules: &Rules) -> Result<Self, CliError> {
        match field.kind() {
            _ if field.is_map() => Err(unusable(field.full_name(), "a map has no JSON form here")),
            Kind::Bool | Kind::Int32 | Kind::Int64 | Kind::Uint32 | Kind::Uint64 | Kind::String => {
                Ok(Self::Plain)
            }
            Kind::Enum(names) => Ok(Self::Enum(Names::of(&names, &rules.legacy_name))),
            Kind::Message(message) if FREE_FORM.contains(&message.full_name()) => Ok(Self::Any(message)),
            Kind::Message(message) => Ok(Self::Message(Arc::new(HsmMessage::of(message, rules)?))),
            other => Err(unusable(
                field.full_name(),
                format_args!("{other:?} has no JSON form here"),
            )),
        }
    }
}

impl FieldForm {
    /// `None` for a value that means absence.
    fn read(&self, json: &Value) -> Result<Option<Field>, NotAccepted> {
        if !self.field.is_list() {
            return self.read_one(json);
        }
        let Value::Array(list) = json else {
            return Err(wrong_kind("an array", json));
        };
        let mut items = Vec::with_capacity(list.len());
        for (place, item) in list.iter().enumerate() {
            let item = self
                .read_one(item)
                .map_err(|problem| problem.within(&format!("[{place}]")))?;
            items.extend(item);
        }
        Ok(Some(Field::List(items)))
    }

    fn read_one(&self, json: &Value) -> Result<Option<Field>, NotAccepted> {
        match (&self.form, json) {
            (Form::Message(message), json) => message.read_dynamic(json).map(Field::Message).map(Some),
            (Form::Any(value), json) => DynamicMessage::deserialize(value.clone(), json)
                .map(|value| Some(Field::Message(value)))
                .map_err(|error| NotAccepted::new(error.to_string())),
            (Form::Enum(_), Value::String(text)) if text.is_empty() => Ok(None),
            (Form::Enum(names), Value::String(text)) => names.number(text).map(Field::EnumNumber).map(Some),
            (Form::Enum(names), other) => Err(wrong_kind(&names.accepted(), other)),
            (Form::Plain, json) => self.read_plain(json),
        }
    }

    fn read_plain(&self, json: &Value) -> Result<Option<Field>, NotAccepted> {
        let number = match json {
            Value::Number(number) => number.as_i128(),
            // Go's zero value of a number that may be text
            Value::String(text) if self.rule.accepts_string && text.is_empty() => return Ok(None),
            Value::String(text) if self.rule.accepts_string => text.parse().ok(),
            _ => None,
        };
        let fits = match (self.field.kind(), json, number) {
            (Kind::Bool, Value::Bool(value), _) => Some(Field::Bool(*value)),
            (Kind::String, Value::String(text), _) => Some(Field::String(text.clone())),
            (Kind::Int32, _, Some(number)) => number.try_into().ok().map(Field::I32),
            (Kind::Int64, _, Some(number)) => number.try_into().ok().map(Field::I64),
            (Kind::Uint32, _, Some(number)) => number.try_into().ok().map(Field::U32),
            (Kind::Uint64, _, Some(number)) => number.try_into().ok().map(Field::U64),
            _ => None,
        };
        fits.map(Some).ok_or_else(|| wrong_kind(self.accepted(), json))
    }

    fn accepted(&self) -> &'static str {
        match self.field.kind() {
            Kind::Bool => "true or false",
            Kind::String => "a string",
            Kind::Int32 | Kind::Int64 => "a whole number",
            _ => "a whole number from 0 on",
        }
    }

    fn write(&self, value: &Field) -> Value {
        match value {
            Field::List(items) => items.iter().map(|item| self.write(item)).collect(),
            Field::Message(inner) => match &self.form {
                Form::Message(message) => message.write_dynamic(inner),
                Form::Any(_) => serde_json::to_value(inner).unwrap_or_default(),
                Form::Plain | Form::Enum(_) => Value::Null,
            },
            Field::EnumNumber(number) => match &self.form {
                Form::Enum(names) => names.name(*number),
                Form::Plain | Form::Message(_) | Form::Any(_) => Value::from(*number),
            },
            Field::Bool(value) => Value::from(*value),
            Field::I32(value) => Value::from(*value),
            Field::I64(value) => Value::from(*value),
            Field::U32(value) => Value::from(*value),
            Field::U64(value) => Value::from(*value),
            Field::String(text) => Value::from(text.as_str()),
            // `Form::of` lets no field of these kinds pass.
            Field::F32(_) | Field::F64(_) | Field::Bytes(_) | Field::Map(_) => Value::Null,
        }
    }
}

impl Names {
    fn of(descriptor: &EnumDescriptor, legacy_name: &ExtensionDescriptor) -> Self {
        let shown = descriptor.values().filter_map(|value| {
            let options = value.options();
            let name = options.get_extension(legacy_name);
            let name = name.as_str().filter(|name| !name.is_empty())?;
            Some((value.number(), name.to_owned()))
        });
        Self {
            shown: shown.collect(),
        }
    }

    fn number(&self, text: &str) -> Result<i32, NotAccepted> {
        let found = self
            .shown
            .iter()
            .find(|(_, name)| name.eq_ignore_ascii_case(text));
        found.map(|(number, _)| *number).ok_or_else(|| {
            let shown: String = text.chars().take(SHOWN_MAX).collect();
            NotAccepted::new(format!("{shown:?} is not accepted; write {}", self.accepted()))
        })
    }

    /// A number of a newer member is shown as such.
    fn name(&self, number: i32) -> Value {
        let found = self.shown.iter().find(|(known, _)| *known == number);
        found.map_or_else(|| Value::from(number), |(_, name)| Value::from(name.as_str()))
    }

    /// `Off, On or Ready`.
    fn accepted(&self) -> String {
        let names: Vec<&str> = self.shown.iter().map(|(_, name)| name.as_str()).collect();
        match names.split_last() {
            Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
            Some((last, _)) => (*last).to_owned(),
            None => String::new(),
        }
    }
}

/// Says what kind of value stands there, never the value: it may be a secret in the wrong place.
fn wrong_kind(accepted: &str, json: &Value) -> NotAccepted {
    NotAccepted::new(format!("it is {}; write {accepted}", kind(json)))
}

#[cfg(test)]
mod tests {
    use proto::smd::v1::{Component, EthernetInterface, Group, component};
    use serde_json::json;

    use super::*;

    fn components() -> HsmMessage {
        HsmMessage::named("chamois.smd.v1.Component").unwrap()
    }

    fn refused(json: &Value) -> String {
        components().read::<Component>(json).unwrap_err().to_string()
    }

    /// The same object in SMD's words both ways; what only the native API has is left out.
    #[test]
    fn a_component_is_read_and_written_as_hsm_has_it() {
        let json = json!({
            "ID": "x0c0s0b0n0", "Type": "Node", "State": "Ready", "Flag": "OK", "Enabled": false,
            "Role": "Compute", "NID": 0, "NetType": "Sling", "Arch": "UNKNOWN", "Class": "River", "Locked": true,
        });
        let component: Component = components().read(&json).unwrap();
        assert_eq!(component.state(), component::State::Ready);
        assert_eq!((component.nid, component.enabled), (Some(0), Some(false)));
        let stored = Component {
            meta: Some(proto::http::v1::ObjectMeta::default()),
            ..component
        };
        assert_eq!(components().write(&stored).unwrap(), json);
    }

    /// Go decodes keys of any case, numbers as text where SMD does, and forgives keys that it does not know.
    #[test]
    fn what_todays_clients_may_write_is_read() {
        let json = json!({ "id": "x0c0s0b0n0", "STATE": "ready", "Nid": "7", "Flag": "", "Role": null, "Color": [1] });
        let component: Component = components().read(&json).unwrap();
        let expected = Component {
            id: "x0c0s0b0n0".into(),
            state: component::State::Ready.into(),
            nid: Some(7),
            ..Component::default()
        };
        assert_eq!(component, expected);
    }

    #[test]
    fn lists_and_messages_within_are_read_and_written() {
        let interfaces = HsmMessage::named("chamois.smd.v1.EthernetInterface").unwrap();
        let json = json!({
            "ID": "0200000000a1", "Description": "", "MACAddress": "02:00:00:00:00:a1", "LastUpdate": "",
            "ComponentID": "", "Type": "", "IPAddresses": [{ "IPAddress": "10.0.0.1" }],
        });
        let interface: EthernetInterface = interfaces.read(&json).unwrap();
        assert_eq!(interface.ip_addresses[0].ip_address, "10.0.0.1");
        assert_eq!(interfaces.write(&interface).unwrap(), json);
        let groups = HsmMessage::named("chamois.smd.v1.Group").unwrap();
        let empty = groups.write(&Group::default()).unwrap();
        assert_eq!(
            empty,
            json!({ "label": "", "description": "", "members": { "ids": [] } })
        );
    }

    /// What NodeMaps keep for their owners.
    #[test]
    fn any_json_is_kept_as_it_is() {
        let maps = HsmMessage::named("chamois.smd.v1.NodeMap").unwrap();
        let json = json!({ "ID": "x0c0s0b0n0", "NID": 7, "NodeInfo": { "a": [true, "b", 1.5] } });
        let map: proto::smd::v1::NodeMap = maps.read(&json).unwrap();
        assert_eq!((map.nid, maps.write(&map).unwrap()), (7, json));
    }

    /// The place within the object, what is there, and what would be taken.
    #[test]
    fn what_does_not_fit_is_told_with_place_and_what_is_accepted() {
        for (json, text) in [
            (json!([]), ": it is an array; write an object"),
            (json!({ "ID": 7 }), "ID: it is a number; write a string"),
            (
                json!({ "Enabled": "fake" }),
                "Enabled: it is a string; write true or false",
            ),
            (
                json!({ "nid": -1 }),
                "nid: it is a number; write a whole number from 0 on",
            ),
            (
                json!({ "NID": "x" }),
                "NID: it is a string; write a whole number from 0 on",
            ),
            (
                json!({ "NID": 1.5 }),
                "NID: it is a number; write a whole number from 0 on",
            ),
            (
                json!({ "State": true }),
                "State: it is true or false; write Unknown, Empty",
            ),
            (
                json!({ "State": "Sleeping" }),
                "State: \"Sleeping\" is not accepted; write Unknown, Empty",
            ),
        ] {
            let problem = refused(&json);
            assert!(problem.starts_with(text), "{problem}");
        }
        assert!(refused(&json!({ "State": "" , "Arch": "a".repeat(1000) })).len() < 200);
        let interfaces = HsmMessage::named("chamois.smd.v1.EthernetInterface").unwrap();
        let nested =
            interfaces.read::<EthernetInterface>(&json!({ "IPAddresses": [{}, { "IPAddress": [] }] }));
        let nested = nested.unwrap_err().within("[3]").within("EthernetInterfaces");
        assert_eq!(
            nested.to_string(),
            "EthernetInterfaces[3].IPAddresses[1].IPAddress: it is an array; write a string"
        );
    }
}
