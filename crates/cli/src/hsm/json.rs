//! Reads JSON that somebody else wrote: bounded in depth and in values, no key twice in one object.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Arrays and objects within each other, at most.
pub(crate) const DEPTH_MAX: u8 = 32;
/// Values in one document, at most: 100,000 components with every field are 1,600,000.
pub(crate) const VALUES_MAX: u32 = 5_000_000;

/// Why a text is not taken: where and what, for a person.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct JsonError(String);

/// Parses a whole document.
///
/// # Errors
/// Not JSON, deeper than [`DEPTH_MAX`], more than [`VALUES_MAX`] values, or an object with one key twice.
pub(crate) fn parse(text: &[u8]) -> Result<Value, JsonError> {
    let left = Cell::new(VALUES_MAX);
    let bounded = Bounded {
        depth: 0,
        left: &left,
    };
    let mut parser = serde_json::Deserializer::from_slice(text);
    let parsed = bounded
        .deserialize(&mut parser)
        .and_then(|value| parser.end().map(|()| value));
    parsed.map_err(|error| JsonError(error.to_string()))
}

/// What a value is, for error texts.
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[derive(Clone, Copy)]
struct Bounded<'a> {
    depth: u8,
    left: &'a Cell<u32>,
}

impl Bounded<'_> {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth == DEPTH_MAX {
            return Err(E::custom(format_args!(
                "more than {DEPTH_MAX} arrays and objects within each other"
            )));
        }
        Ok(Self {
            depth: self.depth + 1,
            ..self
        })
    }
}

impl<'de> DeserializeSeed<'de> for Bounded<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let left =
            self.left.get().checked_sub(1).ok_or_else(|| {
                D::Error::custom(format_args!("more than {VALUES_MAX} values in one document"))
            })?;
        self.left.set(left);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Bounded<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut list = Vec::new();
        while let Some(value) = seq.next_element_seed(inner)? {
            list.push(value);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut object = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let value = map.next_value_seed(inner)?;
            if object.contains_key(&key) {
                return Err(A::Error::custom(format_args!(
                    "the key {key:?} stands twice in one object"
                )));
            }
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(text: &[u8]) -> String {
        parse(text).unwrap_err().to_string()
    }

    #[test]
    fn what_is_json_is_read_as_it_is() {
        let value = json!({ "a": null, "b": [true, -1, 1.5, u64::MAX], "c": { "d": "x\u{e9}" } });
        assert_eq!(parse(value.to_string().as_bytes()), Ok(value));
    }

    /// Somebody looks for the place in a file of megabytes.
    #[test]
    fn what_is_not_json_is_told_with_line_and_column() {
        assert!(refused(b"[\n  {\"ID\": }\n]").contains("line 2 column 10"));
        assert!(refused(b"").contains("line 1"));
        assert!(refused(b"{} x").contains("trailing"));
        assert!(parse(b"\"\xff\"").is_err());
    }

    #[test]
    fn depth_and_values_are_bounded() {
        let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(nested(DEPTH_MAX.into()).as_bytes()).is_ok());
        assert!(refused(nested(usize::from(DEPTH_MAX) + 1).as_bytes()).contains("32 arrays"));
        assert!(parse("[".repeat(1_000_000).as_bytes()).is_err());
        let many = format!("[{}0]", "0,".repeat(VALUES_MAX as usize));
        assert!(refused(many.as_bytes()).contains("5000000 values"));
    }

    /// Which of the two would count?
    #[test]
    fn a_key_twice_is_refused_and_named() {
        assert!(refused(br#"{"a":{"ID":1,"ID":2}}"#).contains("\"ID\" stands twice"));
    }
}
