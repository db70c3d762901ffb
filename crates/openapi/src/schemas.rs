//! Messages as JSON Schemas (2020-12, which OpenAPI 3.1 uses), each under its proto name.

use std::collections::BTreeMap;

use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

use crate::catalogue::Catalogue;

/// What the names of all our packages begin with: left out in names of schemas.
const OURS: &str = "chamois.";
/// How a free-form object and any JSON are written in protobuf.
const STRUCT: &str = "google.protobuf.Struct";
const ANY: &str = "google.protobuf.Value";

/// The schemas that routes have referred to so far, with all that these refer to.
pub(crate) struct Schemas<'c> {
    catalogue: &'c Catalogue,
    components: BTreeMap<String, Value>,
}

impl<'c> Schemas<'c> {
    pub(crate) fn new(catalogue: &'c Catalogue) -> Self {
        Self {
            catalogue,
            components: BTreeMap::new(),
        }
    }

    /// All of them by name.
    pub(crate) fn finish(self) -> Map<String, Value> {
        self.components.into_iter().collect()
    }

    /// The fields of `message` that JSON over HTTP shows.
    pub(crate) fn shown(&self, message: &MessageDescriptor) -> Vec<FieldDescriptor> {
        let fields = message.fields();
        fields
            .filter(|field| !self.catalogue.field_rule(field).native_only)
            .collect()
    }

    /// A reference to the schema of `message`.
    pub(crate) fn reference(&mut self, message: &MessageDescriptor) -> Value {
        let name = name_of(message.full_name());
        if !self.components.contains_key(&name) {
            // before its fields: messages may be recursive
            self.components.insert(name.clone(), Value::Null);
            let schema = self.object(message, &[]);
            self.components.insert(name.clone(), schema);
        }
        json!({ "$ref": format!("#/components/schemas/{name}") })
    }

    /// The schema of `message` without the fields that the path has already.
    pub(crate) fn object(&mut self, message: &MessageDescriptor, in_path: &[&str]) -> Value {
        let comment = self.catalogue.comments().message(message).to_owned();
        let fields = self.shown(message);
        let fields = fields.iter().filter(|field| !is_named_in(field, in_path));
        let properties: Map<String, Value> = fields
            .map(|field| (field.json_name().to_owned(), self.field(field)))
            .collect();
        described(json!({ "type": "object", "properties": properties }), &comment)
    }

    /// The schema of a field's value, with the field's comment.
    pub(crate) fn field(&mut self, field: &FieldDescriptor) -> Value {
        let schema = if field.is_map() {
            let entry = field
                .kind()
                .as_message()
                .map(MessageDescriptor::map_entry_value_field);
            let values = entry.map_or(json!({}), |value| self.field(&value));
            json!({ "type": "object", "additionalProperties": values })
        } else if field.is_list() {
            json!({ "type": "array", "items": self.one(field) })
        } else {
            self.one(field)
        };
        let schema = described(schema, self.catalogue.comments().field(field));
        match self.catalogue.field_rule(field).always_present {
            true => with(schema, "x-chamois-always-present", json!(true)),
            false => schema,
        }
    }

    /// The schema of one value of a field.
    fn one(&mut self, field: &FieldDescriptor) -> Value {
        let rule = self.catalogue.field_rule(field);
        let schema = match field.kind() {
            Kind::String if rule.raw_json => json!({}),
            Kind::Message(message) => match message.full_name() {
                STRUCT => json!({ "type": "object" }),
                ANY => json!({}),
                _ => self.reference(&message),
            },
            Kind::Enum(of) => self.enumeration(&of),
            scalar => of_scalar(&scalar),
        };
        match rule.accepts_string && schema["type"] == "integer" {
            // a number that old clients may send as a text
            true => with(schema, "type", json!(["integer", "string"])),
            false => schema,
        }
    }

    /// The names of an enum's values, each with its comment.
    fn enumeration(&self, of: &EnumDescriptor) -> Value {
        let (mut names, mut meanings) = (Vec::new(), Vec::new());
        for value in of.values() {
            let Some(name) = self.catalogue.name_in_json(&value) else {
                continue;
            };
            let meaning = self.catalogue.comments().value(&value);
            if !meaning.is_empty() {
                meanings.push(format!("- `{name}`: {meaning}"));
            }
            names.push(name);
        }
        let schema = json!({ "type": "string", "enum": names });
        let comment = self.catalogue.comments().enumeration(of);
        described(schema, format!("{comment}\n\n{}", meanings.join("\n")).trim())
    }
}

/// Whether one of `names` means this field: by its JSON name or its proto name, whatever their case.
pub(crate) fn is_named_in(field: &FieldDescriptor, names: &[&str]) -> bool {
    let is_it =
        |name: &&str| field.json_name().eq_ignore_ascii_case(name) || field.name().eq_ignore_ascii_case(name);
    names.iter().any(is_it)
}

/// Whether a query or a form can have the field.
pub(crate) fn is_scalar(field: &FieldDescriptor, is_raw_json: bool) -> bool {
    !is_raw_json && !matches!(field.kind(), Kind::Message(_))
}

/// `smd.v1.Component` of `chamois.smd.v1.Component`.
pub(crate) fn name_of(full_name: &str) -> String {
    full_name.strip_prefix(OURS).unwrap_or(full_name).to_owned()
}

/// `schema` with this description, unless that is empty. An enum says itself what its values mean: that stays, below.
pub(crate) fn described(schema: Value, text: &str) -> Value {
    if text.is_empty() {
        return schema;
    }
    let own = schema.get("description").and_then(Value::as_str);
    let text = own.map_or_else(|| text.to_owned(), |own| format!("{text}\n\n{own}"));
    with(schema, "description", json!(text))
}

/// `object` with one more member.
pub(crate) fn with(mut object: Value, key: &str, value: Value) -> Value {
    if let Some(members) = object.as_object_mut() {
        members.insert(key.to_owned(), value);
    }
    object
}

/// Numbers are numbers in JSON here, 64-bit ones too.
fn of_scalar(kind: &Kind) -> Value {
    match kind {
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
            json!({ "type": "integer", "format": "int32", "minimum": i32::MIN, "maximum": i32::MAX })
        }
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
            json!({ "type": "integer", "format": "int64", "minimum": i64::MIN, "maximum": i64::MAX })
        }
        Kind::Uint32 | Kind::Fixed32 => {
            json!({ "type": "integer", "format": "uint32", "minimum": 0, "maximum": u32::MAX })
        }
        Kind::Uint64 | Kind::Fixed64 => {
            json!({ "type": "integer", "format": "uint64", "minimum": 0, "maximum": u64::MAX })
        }
        Kind::Double | Kind::Float => json!({ "type": "number", "format": "double" }),
        Kind::Bytes => json!({ "type": "string", "contentEncoding": "base64" }),
        Kind::String | Kind::Enum(_) | Kind::Message(_) => json!({ "type": "string" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalogue() -> Catalogue {
        Catalogue::new(proto::DOCUMENTED_DESCRIPTOR).unwrap()
    }

    fn component(catalogue: &Catalogue) -> MessageDescriptor {
        catalogue
            .pool()
            .get_message_by_name("chamois.smd.v1.Component")
            .unwrap()
    }

    /// The keys are those of the old API, and what is for gRPC alone is not there.
    #[test]
    fn a_component_looks_as_hsm_shows_it() {
        let catalogue = catalogue();
        let mut schemas = Schemas::new(&catalogue);
        let reference = schemas.reference(&component(&catalogue));
        assert_eq!(reference["$ref"], "#/components/schemas/smd.v1.Component");
        let all = schemas.finish();
        let properties = &all["smd.v1.Component"]["properties"];
        assert_eq!(properties["ID"]["type"], "string");
        assert_eq!(
            properties["NID"]["type"],
            json!(["integer", "string"]),
            "as text, too"
        );
        let states = properties["State"]["enum"].as_array().unwrap();
        assert!(
            states.contains(&json!("Ready")) && states.contains(&json!("On")),
            "{states:?}"
        );
        for field in component(&catalogue).fields() {
            let hidden = catalogue.field_rule(&field).native_only;
            assert_eq!(
                properties.get(field.json_name()).is_none(),
                hidden,
                "{}",
                field.name()
            );
        }
    }

    /// A reference that leads nowhere breaks every generator of clients.
    #[test]
    fn what_is_referred_to_is_there() {
        let catalogue = catalogue();
        let mut schemas = Schemas::new(&catalogue);
        for method in catalogue.methods() {
            schemas.reference(&method.descriptor().input());
            schemas.reference(&method.descriptor().output());
        }
        let all = schemas.finish();
        let text = serde_json::to_string(&all).unwrap();
        let references = text.split("#/components/schemas/").skip(1);
        for name in references.filter_map(|rest| rest.split('"').next()) {
            assert!(all.contains_key(name), "{name}");
        }
        assert!(all.values().all(Value::is_object));
    }

    #[test]
    fn what_the_path_has_is_not_in_the_body() {
        let catalogue = catalogue();
        let mut schemas = Schemas::new(&catalogue);
        let without = schemas.object(&component(&catalogue), &["id"]);
        assert!(without["properties"].get("ID").is_none());
        assert!(without["properties"].get("NID").is_some());
    }

    #[test]
    fn descriptions_add_up() {
        let own = described(json!({}), "own");
        assert_eq!(described(own.clone(), ""), own);
        assert_eq!(described(own, "outer")["description"], "outer\n\nown");
    }
}
