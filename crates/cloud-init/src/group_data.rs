//! How a group shows in the meta-data of its members: `vendor_data.groups.<label>`, for jinja templates.

use std::collections::BTreeMap;

use prost_types::value::Kind;
use proto::cloud_init::v1::Group;
use serde_yaml_ng::{Mapping, Value};

/// OpenCHAMI's key; templates read it, in this case.
const DESCRIPTION: &str = "Description";
/// What OpenCHAMI says of a group that it has nothing about.
const NO_DESCRIPTION: &str = "No description Found";
/// Whole numbers up to here are exact in a double, and shown without a fraction.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// Label and fields of one group; `group` is what cloud-init has of it.
pub(crate) fn shown(label: &str, group: Option<&Group>) -> (String, BTreeMap<String, Value>) {
    let description = group.map_or("", |group| group.description.as_str());
    let description = if description.is_empty() {
        NO_DESCRIPTION
    } else {
        description
    };
    let mut fields = BTreeMap::from([(DESCRIPTION.to_owned(), Value::from(description))]);
    if let Some(meta_data) = group.and_then(|group| group.meta_data.as_ref()) {
        fields.extend(fields_of(meta_data));
    }
    (label.to_owned(), fields)
}

/// Free-form data as it shows in a document.
pub(crate) fn fields_of(meta_data: &prost_types::Struct) -> impl Iterator<Item = (String, Value)> {
    let given = meta_data.fields.iter();
    given.map(|(key, value)| (key.clone(), plain(value)))
}

/// Depth is bounded where meta-data is stored.
fn plain(value: &prost_types::Value) -> Value {
    match &value.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(value)) => Value::from(*value),
        Some(Kind::NumberValue(number)) if number.fract() == 0.0 && number.abs() <= EXACT_MAX => {
            Value::from(*number as i64)
        }
        Some(Kind::NumberValue(number)) => Value::from(*number),
        Some(Kind::StringValue(text)) => Value::from(text.as_str()),
        Some(Kind::ListValue(list)) => Value::Sequence(list.values.iter().map(plain).collect()),
        Some(Kind::StructValue(object)) => {
            let fields = object.fields.iter();
            Value::Mapping(Mapping::from_iter(
                fields.map(|(key, value)| (Value::from(key.as_str()), plain(value))),
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(kind: Kind) -> prost_types::Value {
        prost_types::Value { kind: Some(kind) }
    }

    #[test]
    fn meta_data_keeps_its_shape() {
        let inner = prost_types::Struct {
            fields: [("port".to_owned(), value(Kind::NumberValue(514.0)))].into(),
        };
        let list = vec![
            value(Kind::BoolValue(true)),
            value(Kind::NullValue(0)),
            value(Kind::NumberValue(1.5)),
        ];
        let meta_data = prost_types::Struct {
            fields: [
                ("syslog".to_owned(), value(Kind::StructValue(inner))),
                (
                    "list".to_owned(),
                    value(Kind::ListValue(prost_types::ListValue { values: list })),
                ),
                ("yes".to_owned(), value(Kind::StringValue("no".into()))),
            ]
            .into(),
        };
        let group = Group {
            description: "The compute group".into(),
            meta_data: Some(meta_data),
            ..Group::default()
        };
        let (label, fields) = shown("compute", Some(&group));
        assert_eq!(label, "compute");
        assert_eq!(
            crate::yaml::to_string(&fields).unwrap(),
            "Description: The compute group\nlist:\n- true\n- null\n- 1.5\nsyslog:\n  port: 514\n\"yes\": \"no\"\n"
        );
    }

    #[test]
    fn a_group_that_only_smd_knows_is_there_too() {
        let (_, fields) = shown("io", None);
        assert_eq!(
            crate::yaml::to_string(&fields).unwrap(),
            "Description: No description Found\n"
        );
    }
}
