//! Parses an answer, after its shape was weighed: a few bytes of brackets can cost much memory and stack.

use serde_json::Value;

/// What one value costs in memory beside its text, bytes.
const VALUE_BYTES: usize = 32;

/// Why a text is not read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// So many levels.
    TooDeep(usize),
    /// What the parser says.
    NoJson(String),
}

/// Parses `text`, with what it costs to hold: its bytes, and an allowance for each value. Bytes that JSON forbids in texts, and
/// that BMCs copy there from their hardware, become spaces and replacement characters.
///
/// # Errors
/// If it is nested deeper than `depth_max`, or no JSON.
pub(crate) fn parse(text: &[u8], depth_max: usize) -> Result<(Value, usize), Refused> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let (depth, values) = shape(text);
    if depth > depth_max {
        return Err(Refused::TooDeep(depth));
    }
    let value = serde_json::from_slice(text)
        .or_else(|error| mended(text).ok_or(error))
        .map_err(|error| Refused::NoJson(error.to_string()))?;
    let allowance = values.saturating_mul(VALUE_BYTES);
    Ok((value, text.len().saturating_add(allowance)))
}

/// `text` with its forbidden bytes replaced, if that makes it JSON.
fn mended(text: &[u8]) -> Option<Value> {
    let text = String::from_utf8_lossy(text).replace(|character: char| character.is_ascii_control(), " ");
    serde_json::from_str(&text).ok()
}

/// The deepest nesting of a JSON text, and about how many values it has.
fn shape(text: &[u8]) -> (usize, usize) {
    let (mut depth, mut deepest, mut values) = (0_usize, 0_usize, 1_usize);
    let (mut is_string, mut is_escaped) = (false, false);
    for byte in text {
        if is_string {
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' => is_escaped = true,
                b'"' => is_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => is_string = true,
            b'[' | b'{' => {
                depth += 1;
                values += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b',' => values += 1,
            _ => {}
        }
    }
    (deepest, values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nesting_is_seen_before_it_is_parsed() {
        let deep = format!("{}{}", "[".repeat(65), "]".repeat(65));
        assert_eq!(parse(deep.as_bytes(), 64), Err(Refused::TooDeep(65)));
        let allowed = format!("{}{}", "[".repeat(64), "]".repeat(64));
        assert!(parse(allowed.as_bytes(), 64).is_ok());
        // the parser has a bound of its own, whatever ours is
        let deeper = "[".repeat(100_000);
        assert!(matches!(
            parse(deeper.as_bytes(), usize::MAX),
            Err(Refused::NoJson(_))
        ));
    }

    #[test]
    fn brackets_in_strings_do_not_count() {
        assert_eq!(shape(br#"{"a": "[[[\"[[", "b": [1, 2]}"#), (2, 5));
    }

    #[test]
    fn many_small_values_weigh_more_than_their_text() {
        let text = format!("[{}0]", "0,".repeat(999));
        let (_, weight) = parse(text.as_bytes(), 64).unwrap();
        assert!(weight > text.len() + 1000 * VALUE_BYTES, "{weight}");
    }

    /// A serial number read from a broken EEPROM must not hide the rest of the machine.
    #[test]
    fn bytes_that_json_forbids_do_not_hide_the_rest() {
        let (value, _) = parse(b"\xef\xbb\xbf{\"a\": \"x\x01\xffy\",\n\"b\": 1}", 64).unwrap();
        assert_eq!(value["a"], "x \u{fffd}y");
        assert_eq!(value["b"], 1);
    }

    #[test]
    fn what_is_no_json_is_said() {
        for text in ["", "<html>", "{\"a\":", "{} x", "{'a': 1}"] {
            assert!(
                matches!(parse(text.as_bytes(), 64), Err(Refused::NoJson(_))),
                "{text}"
            );
        }
    }

    #[test]
    fn of_a_member_that_is_there_twice_the_last_counts() {
        assert_eq!(parse(br#"{"a": 1, "a": 2}"#, 64).unwrap().0["a"], 2);
    }
}
