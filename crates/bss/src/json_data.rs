//! Free-form data of boot parameters as JSON.

use prost_types::Struct;
use prost_types::value::Kind;
use serde_json::{Map, Number, Value};

/// Whole numbers up to here are exact in a double, and shown without a fraction.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// The object; an empty one for none. Depth is bounded where data is stored.
pub(crate) fn object(data: Option<&Struct>) -> Map<String, Value> {
    let fields = data.into_iter().flat_map(|data| &data.fields);
    fields.map(|(key, value)| (key.clone(), json(value))).collect()
}

fn json(value: &prost_types::Value) -> Value {
    match &value.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(value)) => Value::from(*value),
        Some(Kind::NumberValue(number)) if number.fract() == 0.0 && number.abs() <= EXACT_MAX => {
            Value::from(*number as i64)
        }
        Some(Kind::NumberValue(number)) => Number::from_f64(*number).map_or(Value::Null, Value::Number),
        Some(Kind::StringValue(text)) => Value::from(text.as_str()),
        Some(Kind::ListValue(list)) => list.values.iter().map(json).collect(),
        Some(Kind::StructValue(inner)) => Value::Object(object(Some(inner))),
    }
}

/// Puts `over` above `under`: objects merge, anything else replaces.
pub(crate) fn merge(under: &mut Map<String, Value>, over: Map<String, Value>) {
    for (key, value) in over {
        match (under.get_mut(&key), value) {
            (Some(Value::Object(inner)), Value::Object(value)) => merge(inner, value),
            (_, value) => {
                under.insert(key, value);
            }
        }
    }
}

/// The value on one line that YAML 1.1 and 1.2 read alike: JSON, whose texts are quoted, without characters that YAML's readers
/// refuse.
pub(crate) fn yaml(value: &Value) -> String {
    let mut text = String::new();
    for c in value.to_string().chars() {
        match c {
            ' '..='~' => text.push(c),
            c if c.is_alphanumeric() => text.push(c),
            c => text.push_str(&format!("\\U{:08x}", u32::from(c))),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn map(value: Value) -> Map<String, Value> {
        let Value::Object(map) = value else {
            panic!("{value}")
        };
        map
    }

    #[test]
    fn objects_merge_and_the_rest_is_replaced() {
        let mut under = map(json!({"a": {"b": 1, "c": [1]}, "d": "x"}));
        merge(
            &mut under,
            map(json!({"a": {"c": [2]}, "d": {"e": null}, "f": 0})),
        );
        assert_eq!(
            Value::Object(under),
            json!({"a": {"b": 1, "c": [2]}, "d": {"e": null}, "f": 0})
        );
    }

    #[test]
    fn numbers_and_texts_keep_their_kind() {
        let kinds = [
            ("a", Kind::NumberValue(514.0)),
            ("b", Kind::NumberValue(0.5)),
            ("c", Kind::StringValue("no".into())),
            ("d", Kind::NumberValue(f64::NAN)),
        ];
        let fields = kinds.map(|(key, kind)| (key.to_owned(), prost_types::Value { kind: Some(kind) }));
        let data = Struct {
            fields: fields.into(),
        };
        assert_eq!(
            Value::Object(object(Some(&data))),
            json!({"a": 514, "b": 0.5, "c": "no", "d": null})
        );
        assert!(object(None).is_empty());
    }

    #[test]
    fn yaml_holds_nothing_that_a_reader_refuses() {
        assert_eq!(
            yaml(&json!({"a": "no\u{7f}\n\u{2028}ü"})),
            "{\"a\":\"no\\U0000007f\\n\\U00002028ü\"}"
        );
    }
}
