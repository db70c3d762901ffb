//! Reads JSON from strangers: bounded in depth and in values, no key twice.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};

/// Arrays and objects within each other, at most.
pub(crate) const DEPTH_MAX: u8 = 32;
/// Values in one body, at most. 10,000 components with every field are 150,000.
pub(crate) const VALUES_MAX: u32 = 2_000_000;

/// A parsed JSON text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Integer(i128),
    Float(f64),
    Text(String),
    List(Vec<Json>),
    Object(BTreeMap<String, Json>),
}

/// Why a text is not taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum JsonError {
    /// It is not JSON.
    Malformed(String),
    /// It is JSON beyond our bounds.
    Refused(String),
}

impl Json {
    /// # Errors
    /// Not JSON, deeper than [`DEPTH_MAX`], more than [`VALUES_MAX`] values, or an object with one key twice.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, JsonError> {
        let left = Cell::new(VALUES_MAX);
        let mut parser = serde_json::Deserializer::from_slice(text);
        let parsed = Bounded {
            depth: 0,
            left: &left,
        }
        .deserialize(&mut parser);
        parsed
            .and_then(|json| parser.end().map(|()| json))
            .map_err(|error| {
                if error.is_data() {
                    JsonError::Refused(error.to_string())
                } else {
                    JsonError::Malformed(error.to_string())
                }
            })
    }

    /// What it is, for error texts.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "true or false",
            Self::Integer(_) | Self::Float(_) => "a number",
            Self::Text(_) => "a string",
            Self::List(_) => "an array",
            Self::Object(_) => "an object",
        }
    }
}

/// As JSON without blanks, keys sorted.
impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Integer(number) => write!(f, "{number}"),
            // serde_json's form is what our answers have everywhere; parsed numbers are finite
            Self::Float(number) => write!(f, "{}", serde_json::Value::from(*number)),
            Self::Text(text) => write!(f, "{}", serde_json::Value::from(text.as_str())),
            Self::List(list) => {
                f.write_str("[")?;
                for (at, item) in list.iter().enumerate() {
                    write!(f, "{}{item}", if at > 0 { "," } else { "" })?;
                }
                f.write_str("]")
            }
            Self::Object(object) => {
                f.write_str("{")?;
                for (at, (key, value)) in object.iter().enumerate() {
                    let comma = if at > 0 { "," } else { "" };
                    write!(f, "{comma}{}:{value}", serde_json::Value::from(key.as_str()))?;
                }
                f.write_str("}")
            }
        }
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
    type Value = Json;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        let left = self.left.get().checked_sub(1);
        let left =
            left.ok_or_else(|| D::Error::custom(format_args!("more than {VALUES_MAX} values in one body")))?;
        self.left.set(left);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Bounded<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Integer(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Integer(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json, A::Error> {
        let inner = self.deeper()?;
        let mut list = Vec::new();
        while let Some(value) = seq.next_element_seed(inner)? {
            list.push(value);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let inner = self.deeper()?;
        let mut object = BTreeMap::new();
        while let Some(key) = map.next_key::<String>()? {
            let value = map.next_value_seed(inner)?;
            if object.contains_key(&key) {
                return Err(A::Error::custom(format_args!(
                    "the key {key:?} stands twice in one object"
                )));
            }
            object.insert(key, value);
        }
        Ok(Json::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(depth: usize) -> String {
        format!("{}1{}", "[".repeat(depth), "]".repeat(depth))
    }

    #[test]
    fn every_kind_of_value_is_read() {
        let text = br#"{"a":null,"b":true,"c":-1,"d":18446744073709551615,"e":1.5,"f":"x\u00e9","g":[{}]}"#;
        let Json::Object(object) = Json::parse(text).unwrap() else {
            panic!("not an object")
        };
        assert_eq!(object["c"], Json::Integer(-1));
        assert_eq!(object["d"], Json::Integer(i128::from(u64::MAX)));
        assert_eq!(object["f"], Json::Text("xé".into()));
        assert_eq!(object["g"], Json::List(vec![Json::Object(BTreeMap::new())]));
    }

    #[test]
    fn what_is_written_is_what_was_read() {
        let text =
            r#"{"":[],"a":null,"b":[true,-1,18446744073709551615,1.5,1e300],"c":{"d":"\u001b\"é"},"e":{}}"#;
        let json = Json::parse(text.as_bytes()).unwrap();
        assert_eq!(Json::parse(json.to_string().as_bytes()).unwrap(), json);
        let sorted = Json::parse(br#" { "b" : 1.50 , "a" : [ 2 , "x\u00e9" ] } "#).unwrap();
        assert_eq!(sorted.to_string(), r#"{"a":[2,"xé"],"b":1.5}"#);
    }

    /// A deep body must cost no stack; the bound itself is still served.
    #[test]
    fn depth_is_bounded() {
        assert!(Json::parse(nested(DEPTH_MAX.into()).as_bytes()).is_ok());
        let deep = Json::parse(nested(usize::from(DEPTH_MAX) + 1).as_bytes());
        assert!(
            matches!(&deep, Err(JsonError::Refused(text)) if text.contains("32")),
            "{deep:?}"
        );
        assert!(Json::parse("[".repeat(1_000_000).as_bytes()).is_err());
    }

    /// 16 MiB of `0,0,0…` would be half a gigabyte of values.
    #[test]
    fn the_number_of_values_is_bounded() {
        let text = format!("[{}0]", "0,".repeat(VALUES_MAX as usize));
        let many = Json::parse(text.as_bytes());
        assert!(
            matches!(&many, Err(JsonError::Refused(text)) if text.contains("2000000")),
            "{many:?}"
        );
    }

    /// Which of two values counts differs between parsers: a way to say one thing to a filter and another to us.
    #[test]
    fn a_key_twice_is_refused_and_named() {
        let twice = Json::parse(br#"{"a":1,"b":{"ID":1,"ID":2}}"#);
        assert!(
            matches!(&twice, Err(JsonError::Refused(text)) if text.contains("\"ID\"")),
            "{twice:?}"
        );
    }

    #[test]
    fn what_is_not_json_is_malformed() {
        for text in [
            "",
            "{",
            "{\"a\":}",
            "nul",
            "{} x",
            "\"\\ud800\"",
            "[1,]",
            "{\"a\" 1}",
        ] {
            assert!(
                matches!(Json::parse(text.as_bytes()), Err(JsonError::Malformed(_))),
                "{text}"
            );
        }
        assert!(matches!(Json::parse(b"\"\xff\""), Err(JsonError::Malformed(_))));
    }
}
