//! JSON or YAML.

use std::str::FromStr;

use serde::de::DeserializeOwned;

use crate::Invalid;

/// Longest file that is read, bytes: 100,000 BMCs fit in.
const FILE_BYTES_MAX: usize = 1 << 30;

/// How a file is written. Both are read, whatever was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Indented by two blanks.
    Json,
    /// Block style.
    Yaml,
}

impl FromStr for Format {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Format, Invalid> {
        match text.to_ascii_lowercase().as_str() {
            "json" => Ok(Format::Json),
            "yaml" | "yml" => Ok(Format::Yaml),
            _ => Err(Invalid::new("format", "write json or yaml")),
        }
    }
}

/// Reads JSON, or else YAML. `what` names the file in the error.
///
/// # Errors
/// `Invalid` with the line where it stops to be what it should be.
pub(super) fn read<T: DeserializeOwned>(what: &str, text: &str) -> Result<T, Invalid> {
    if text.len() > FILE_BYTES_MAX {
        return Err(Invalid::new(
            what,
            format!("it has {} bytes, at most {FILE_BYTES_MAX} are read", text.len()),
        ));
    }
    match text.trim_start().starts_with(['{', '[']) {
        true => serde_json::from_str(text).map_err(|problem| Invalid::new(what, problem.to_string())),
        false => serde_yaml_ng::from_str(text).map_err(|problem| Invalid::new(what, problem.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn both_are_read_and_the_place_of_an_error_is_named() {
        let expected = BTreeMap::from([("a".to_owned(), 1)]);
        for text in ["{\"a\":1}", "\n {\"a\": 1}\n", "a: 1\n", "---\na: 1\n"] {
            let read: BTreeMap<String, i32> = read("map", text).unwrap();
            assert_eq!(read, expected, "{text}");
        }
        for text in ["{\"a\":", "a: [", "7"] {
            let refused = read::<BTreeMap<String, i32>>("map", text).unwrap_err();
            assert!(refused.to_string().starts_with("map: "), "{text}: {refused}");
        }
    }

    #[test]
    fn formats_have_names() {
        assert_eq!("JSON".parse::<Format>(), Ok(Format::Json));
        assert_eq!("yml".parse::<Format>(), Ok(Format::Yaml));
        assert!("list".parse::<Format>().is_err());
    }
}
