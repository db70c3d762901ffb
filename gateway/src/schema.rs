//! What the gateway knows of the messages: JSON keys, kinds and `FieldRule`s, compiled once from the descriptor.

use std::collections::HashMap;
use std::sync::Arc;

use prost_reflect::{
    DescriptorPool, EnumDescriptor, ExtensionDescriptor, FieldDescriptor, Kind as ProtoKind,
    MessageDescriptor,
};
use proto::http::v1::FieldRule;

use crate::StartError;

/// Place of a message in its [`Schema`].
pub(crate) type MessageId = usize;

/// Every message that a route can reach.
#[derive(Debug)]
pub(crate) struct Schema {
    messages: Vec<Message>,
}

/// One message as legacy JSON shows it: its `native_only` fields are not here.
#[derive(Debug, Default)]
pub(crate) struct Message {
    /// In the order of the field numbers.
    pub(crate) fields: Vec<Field>,
    /// JSON name, proto name and both in lower case, to the field's place in `fields`.
    keys: HashMap<String, usize>,
}

/// One field.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) number: u32,
    /// The JSON key.
    pub(crate) key: String,
    /// `"key":`, ready to be written.
    pub(crate) quoted_key: Vec<u8>,
    pub(crate) kind: Kind,
    pub(crate) repeated: bool,
    /// A JSON object by key: on the wire a list of messages with key 1 and value 2. In answers only.
    pub(crate) map: bool,
    /// A zero is a value of its own and is shown (`optional`).
    pub(crate) has_presence: bool,
    pub(crate) always_present: bool,
    pub(crate) accepts_string: bool,
    /// Of a list: the number of the bool that says that the request has it, even if it is empty.
    pub(crate) presence_number: Option<u32>,
}

/// The kinds of field that our protos use; another one is an error at start.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Bool,
    Int32,
    Int64,
    Uint32,
    Uint64,
    Double,
    Text,
    /// Base64 in JSON.
    Bytes,
    Enum(Arc<EnumNames>),
    Message(MessageId),
    /// `google.protobuf.Struct`: a free-form JSON object.
    Struct,
    /// `google.protobuf.Value`: any JSON.
    Value,
    /// A text that is JSON.
    RawJson,
}

/// The names of an enum's values.
#[derive(Debug, Default)]
pub(crate) struct EnumNames {
    shown: HashMap<i32, String>,
    accepted: HashMap<String, i32>,
    /// For error texts, in the order of the numbers.
    listed: String,
}

impl Schema {
    /// The message at `id`.
    pub(crate) fn message(&self, id: MessageId) -> &Message {
        &self.messages[id]
    }
}

impl Message {
    /// The place of the field that `key` names: exactly, by its proto name, or without regard to case.
    pub(crate) fn position(&self, key: &str) -> Option<usize> {
        self.keys
            .get(key)
            .or_else(|| self.keys.get(&key.to_ascii_lowercase()))
            .copied()
    }
}

impl EnumNames {
    /// The name of value `number`, `None` for a number that this descriptor does not know.
    pub(crate) fn name(&self, number: i32) -> Option<&str> {
        self.shown.get(&number).map(String::as_str)
    }

    /// The number of `name`, matched without case.
    pub(crate) fn number(&self, name: &str) -> Option<i32> {
        self.accepted.get(&name.to_ascii_lowercase()).copied()
    }

    /// All accepted names, for error texts.
    pub(crate) fn listed(&self) -> &str {
        &self.listed
    }

    fn new(descriptor: &EnumDescriptor, legacy_name: &ExtensionDescriptor) -> Self {
        let mut names = Self::default();
        for value in descriptor.values() {
            let options = value.options();
            let legacy = options
                .has_extension(legacy_name)
                .then(|| options.get_extension(legacy_name).into_owned());
            let shown = legacy
                .as_ref()
                .and_then(|name| name.as_str())
                .unwrap_or(value.name())
                .to_owned();
            // Zero without a name of its own means "absent", which is said by leaving the field out.
            if value.number() != 0 || legacy.is_some() {
                names
                    .accepted
                    .insert(value.name().to_ascii_lowercase(), value.number());
                names.accepted.insert(shown.to_ascii_lowercase(), value.number());
                names.listed = format!(
                    "{}{}{shown}",
                    names.listed,
                    if names.listed.is_empty() { "" } else { ", " }
                );
            }
            names.shown.insert(value.number(), shown);
        }
        names
    }
}

/// Compiles messages as routes name them.
pub(crate) struct SchemaBuilder {
    field_rule: ExtensionDescriptor,
    legacy_name: ExtensionDescriptor,
    ids: HashMap<String, MessageId>,
    messages: Vec<Message>,
}

impl SchemaBuilder {
    /// # Errors
    /// The descriptor lacks our field and enum options.
    pub(crate) fn new(pool: &DescriptorPool) -> Result<Self, StartError> {
        Ok(Self {
            field_rule: extension(pool, "chamois.http.v1.field")?,
            legacy_name: extension(pool, "chamois.http.v1.legacy_name")?,
            ids: HashMap::new(),
            messages: Vec::new(),
        })
    }

    /// The id of `descriptor`'s message, compiled with all it refers to when it is met first.
    ///
    /// # Errors
    /// A field of a kind that has no JSON form here, or two fields whose keys differ only in case.
    pub(crate) fn message(&mut self, descriptor: &MessageDescriptor) -> Result<MessageId, StartError> {
        if let Some(id) = self.ids.get(descriptor.full_name()) {
            return Ok(*id);
        }
        let id = self.messages.len();
        self.ids.insert(descriptor.full_name().to_owned(), id); // before its fields: messages may be recursive
        self.messages.push(Message::default());
        let mut message = Message::default();
        for field in descriptor.fields() {
            let rule = self.rule(&field)?;
            if !rule.native_only {
                let compiled = self.field(&field, &rule)?;
                message.fields.push(compiled);
            }
        }
        message.keys = keys(descriptor, &message.fields)?;
        self.messages[id] = message;
        Ok(id)
    }

    /// The place of the field that `key` names in the message at `id`.
    pub(crate) fn position(&self, id: MessageId, key: &str) -> Option<usize> {
        self.messages[id].position(key)
    }

    /// No field of the message at `id` has a JSON form.
    pub(crate) fn is_empty(&self, id: MessageId) -> bool {
        self.messages[id].fields.is_empty()
    }

    /// The key of a map in the message at `id` or below it.
    pub(crate) fn map_in(&self, id: MessageId) -> Option<&str> {
        let mut seen = vec![false; self.messages.len()];
        let mut next = vec![id];
        while let Some(id) = next.pop() {
            if std::mem::replace(&mut seen[id], true) {
                continue;
            }
            for field in &self.messages[id].fields {
                match field.kind {
                    _ if field.map => return Some(&field.key),
                    Kind::Message(below) => next.push(below),
                    _ => {}
                }
            }
        }
        None
    }

    /// The compiled messages.
    pub(crate) fn finish(self) -> Schema {
        Schema {
            messages: self.messages,
        }
    }

    /// How a field shows.
    ///
    /// # Errors
    /// An option that does not decode.
    pub(crate) fn rule(&self, field: &FieldDescriptor) -> Result<FieldRule, StartError> {
        let options = field.options();
        let rule = options.get_extension(&self.field_rule);
        let rule = rule
            .as_message()
            .map(prost_reflect::DynamicMessage::transcode_to)
            .transpose();
        rule.map(Option::unwrap_or_default)
            .map_err(|error| StartError::new(field.full_name(), error))
    }

    fn field(&mut self, field: &FieldDescriptor, rule: &FieldRule) -> Result<Field, StartError> {
        let refuse = |problem: &str| Err(StartError::new(field.full_name(), problem));
        if field.is_map() && !has_text_keys(field) {
            return refuse("a map needs text keys to have a JSON form");
        }
        let kind = match field.kind() {
            ProtoKind::Bool => Kind::Bool,
            ProtoKind::Int32 => Kind::Int32,
            ProtoKind::Int64 => Kind::Int64,
            ProtoKind::Uint32 => Kind::Uint32,
            ProtoKind::Uint64 => Kind::Uint64,
            ProtoKind::Double => Kind::Double,
            ProtoKind::String if rule.raw_json => Kind::RawJson,
            _ if rule.raw_json => return refuse("raw_json needs a text"),
            ProtoKind::String => Kind::Text,
            ProtoKind::Bytes => Kind::Bytes,
            ProtoKind::Enum(names) => Kind::Enum(Arc::new(EnumNames::new(&names, &self.legacy_name))),
            ProtoKind::Message(message) => match message.full_name() {
                "google.protobuf.Struct" => Kind::Struct,
                "google.protobuf.Value" => Kind::Value,
                "google.protobuf.Any" | "google.protobuf.Timestamp" | "google.protobuf.Duration" => {
                    return refuse(
                        "this well-known type has no JSON form here; use text or a number with its unit",
                    );
                }
                _ => Kind::Message(self.message(&message)?),
            },
            _ => {
                return refuse(
                    "use int32, int64, uint32, uint64 or double; other numbers have no JSON form here",
                );
            }
        };
        let presence_number = match rule.presence_field.as_str() {
            "" => None,
            name => match field.parent_message().get_field_by_name(name) {
                Some(flag) if field.is_list() && matches!(flag.kind(), ProtoKind::Bool) => {
                    Some(flag.number())
                }
                _ => return refuse("presence_field needs a list, and a bool field of its message"),
            },
        };
        Ok(Field {
            number: field.number(),
            key: field.json_name().to_owned(),
            quoted_key: format!("\"{}\":", field.json_name()).into_bytes(),
            kind,
            repeated: field.is_list() || field.is_map(),
            map: field.is_map(),
            has_presence: field.supports_presence(),
            always_present: rule.always_present,
            accepts_string: rule.accepts_string,
            presence_number,
        })
    }
}

fn has_text_keys(map: &FieldDescriptor) -> bool {
    let key = |entry: &MessageDescriptor| matches!(entry.map_entry_key_field().kind(), ProtoKind::String);
    map.kind().as_message().is_some_and(key)
}

/// The extension `name` of the descriptor.
///
/// # Errors
/// It is not there: the descriptor was made without `chamois/http/v1/http.proto` or `google/api/annotations.proto`.
pub(crate) fn extension(pool: &DescriptorPool, name: &str) -> Result<ExtensionDescriptor, StartError> {
    pool.get_extension_by_name(name)
        .ok_or_else(|| StartError::new(name, "the descriptor lacks this option"))
}

/// JSON names come first; a proto name is one more way to write the key where it is free.
fn keys(descriptor: &MessageDescriptor, fields: &[Field]) -> Result<HashMap<String, usize>, StartError> {
    let mut keys = HashMap::new();
    for (position, field) in fields.iter().enumerate() {
        if keys.insert(field.key.to_ascii_lowercase(), position).is_some() {
            return Err(StartError::new(
                descriptor.full_name(),
                format!("two fields are named {}", field.key),
            ));
        }
    }
    keys.extend(
        fields
            .iter()
            .enumerate()
            .map(|(position, field)| (field.key.clone(), position)),
    );
    for (position, field) in fields.iter().enumerate() {
        if let Some(native) = descriptor.get_field(field.number) {
            keys.entry(native.name().to_owned()).or_insert(position);
        }
    }
    Ok(keys)
}
