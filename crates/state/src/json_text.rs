//! JSON that is kept as text: what a field must hold that is shown as JSON again.

use model::Rejection;

use crate::bounds::{HARDWARE_INFO_BYTES_MAX, JSON_DEPTH_MAX};

/// One JSON object without blanks between its tokens, or nothing at all.
///
/// # Errors
/// `Invalid` for anything else, for more than `HARDWARE_INFO_BYTES_MAX` bytes and for more than `JSON_DEPTH_MAX` levels.
pub(crate) fn check_json_object(field: &str, text: &str) -> Result<(), Rejection> {
    if text.is_empty() {
        return Ok(());
    }
    if text.len() > HARDWARE_INFO_BYTES_MAX {
        let problem = format!(
            "it has {} bytes as JSON, at most {HARDWARE_INFO_BYTES_MAX} are accepted",
            text.len()
        );
        return Err(Rejection::invalid(field, problem));
    }
    let mut scanner = Scanner {
        rest: text.as_bytes(),
    };
    if text.starts_with('{') && scanner.value(JSON_DEPTH_MAX).is_some() && scanner.rest.is_empty() {
        return Ok(());
    }
    let problem = format!(
        "it is not a JSON object; write one without blanks, of at most {JSON_DEPTH_MAX} objects and arrays within each \
         other"
    );
    Err(Rejection::invalid(field, problem))
}

/// What is left to read. Every method takes what it names off the front, or gives `None`.
struct Scanner<'a> {
    rest: &'a [u8],
}

impl Scanner<'_> {
    fn value(&mut self, levels: usize) -> Option<()> {
        match self.rest.first()? {
            b'{' => self.items(levels, b'}', |scanner, levels| {
                scanner.string()?;
                scanner.literal(b":")?;
                scanner.value(levels)
            }),
            b'[' => self.items(levels, b']', Scanner::value),
            b'"' => self.string(),
            b't' => self.literal(b"true"),
            b'f' => self.literal(b"false"),
            b'n' => self.literal(b"null"),
            _ => self.number(),
        }
    }

    /// An opening bracket, items with commas between them, and `close`.
    fn items(&mut self, levels: usize, close: u8, item: fn(&mut Self, usize) -> Option<()>) -> Option<()> {
        let below = levels.checked_sub(1)?;
        self.byte()?;
        if self.take(|byte| byte == close) {
            return Some(());
        }
        loop {
            item(self, below)?;
            match self.byte()? {
                b',' => {}
                byte => return (byte == close).then_some(()),
            }
        }
    }

    fn string(&mut self) -> Option<()> {
        self.literal(b"\"")?;
        loop {
            match self.byte()? {
                b'"' => return Some(()),
                b'\\' => self.escape()?,
                ..0x20 => return None,
                _ => {}
            }
        }
    }

    /// What follows a backslash. A surrogate without its other half is no character.
    fn escape(&mut self) -> Option<()> {
        match self.byte()? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(()),
            b'u' => match self.hex4()? {
                0xd800..=0xdbff => {
                    self.literal(b"\\u")?;
                    matches!(self.hex4()?, 0xdc00..=0xdfff).then_some(())
                }
                0xdc00..=0xdfff => None,
                _ => Some(()),
            },
            _ => None,
        }
    }

    fn hex4(&mut self) -> Option<u32> {
        let mut value = 0;
        for _ in 0..4 {
            value = value * 16 + char::from(self.byte()?).to_digit(16)?;
        }
        Some(value)
    }

    fn number(&mut self) -> Option<()> {
        self.take(|byte| byte == b'-');
        let first = *self.rest.first()?;
        let digits = self.digits()?;
        if first == b'0' && digits > 1 {
            return None;
        }
        if self.take(|byte| byte == b'.') {
            self.digits()?;
        }
        if self.take(|byte| byte == b'e' || byte == b'E') {
            self.take(|byte| byte == b'+' || byte == b'-');
            self.digits()?;
        }
        Some(())
    }

    /// At least one digit; how many.
    fn digits(&mut self) -> Option<usize> {
        let count = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.rest = self.rest.get(count..)?;
        (count > 0).then_some(count)
    }

    fn literal(&mut self, text: &[u8]) -> Option<()> {
        self.rest = self.rest.strip_prefix(text)?;
        Some(())
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    /// Takes the next byte if it is wanted.
    fn take(&mut self, wanted: impl Fn(u8) -> bool) -> bool {
        let found = self.rest.first().is_some_and(|byte| wanted(*byte));
        if found {
            self.rest = &self.rest[1..];
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_taken(text: &str) -> bool {
        check_json_object("info", text).is_ok()
    }

    fn nested(levels: usize) -> String {
        format!("{}{{}}{}", r#"{"a":"#.repeat(levels - 1), "}".repeat(levels - 1))
    }

    #[test]
    fn objects_without_blanks_are_taken() {
        for text in [
            "",
            "{}",
            r#"{"a":1,"b":-0.5e+3,"c":0,"d":1E9,"e":[],"f":[true,false,null,"x"],"g":{"h":{}}}"#,
            r#"{"":"\"\\\/\b\f\n\r\té\u00e9\ud83d\ude00"}"#,
        ] {
            assert!(is_taken(text), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for text in [
            "1",
            "[]",
            "\"a\"",
            "null",
            "{",
            "}",
            "{}{}",
            "{} ",
            r#"{"a": 1}"#,
            r#"{"a":1,}"#,
            r#"{,}"#,
            r#"{"a"}"#,
            r#"{a:1}"#,
            r#"{"a":01}"#,
            r#"{"a":-}"#,
            r#"{"a":1.}"#,
            r#"{"a":.5}"#,
            r#"{"a":1e}"#,
            r#"{"a":+1}"#,
            r#"{"a":NaN}"#,
            r#"{"a":tru}"#,
            r#"{"a":"\x"}"#,
            r#"{"a":"\ud800"}"#,
            r#"{"a":"\udc00"}"#,
            r#"{"a":"\u12g4"}"#,
            "{\"a\":\"\n\"}",
            r#"{"a":[1 ,2]}"#,
            r#"{"a":[1}"#,
            r#"{"a":"b}"#,
        ] {
            assert!(!is_taken(text), "{text}");
        }
    }

    /// A deep text must cost no stack; the bound itself is still taken.
    #[test]
    fn depth_and_size_are_bounded() {
        assert!(is_taken(&nested(JSON_DEPTH_MAX)) && !is_taken(&nested(JSON_DEPTH_MAX + 1)));
        assert!(!is_taken(&"[".repeat(HARDWARE_INFO_BYTES_MAX)));
        let of_bytes = |bytes: usize| format!(r#"{{"a":"{}"}}"#, "x".repeat(bytes - 8));
        assert!(is_taken(&of_bytes(HARDWARE_INFO_BYTES_MAX)));
        assert!(!is_taken(&of_bytes(HARDWARE_INFO_BYTES_MAX + 1)));
    }

    proptest! {
        /// What serde_json refuses must not be shown as JSON, and what it writes must be taken.
        #[test]
        fn it_agrees_with_another_parser(text in r#"\{("a"|:|,|[0-9]|-|\.|e|\[|\]|\{|\}|"|\\|\\u|d8|null|true|b){0,12}\}"#) {
            let parsed = serde_json::from_str::<serde_json::Value>(&text);
            match &parsed {
                Ok(value) => prop_assert!(is_taken(&value.to_string()), "{} {}", text, value),
                Err(_) => prop_assert!(!is_taken(&text), "{}", text),
            }
        }
    }
}
