//! How free text is written in formats that read some of it as something else.

/// A text as a scalar of YAML, on one line: always in double quotes, which is JSON but for characters that YAML does not print.
pub(crate) fn yaml(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if is_plain(c) => quoted.push(c),
            c if u32::from(c) <= 0xffff => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => quoted.push_str(&format!("\\U{:08x}", u32::from(c))),
        }
    }
    quoted.push('"');
    quoted
}

/// Letters of all languages, and signs; no controls, no separators of lines, nothing that turns the direction of reading round.
fn is_plain(c: char) -> bool {
    c == ' ' || c.is_ascii_graphic() || (!c.is_ascii() && c.is_alphanumeric())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_yaml_would_read_as_something_else_stays_a_text() {
        for (text, quoted) in [
            ("no", "\"no\""),
            ("0x10", "\"0x10\""),
            ("a: b # c", "\"a: b # c\""),
            ("a\"b\\c", "\"a\\\"b\\\\c\""),
            ("a\nb\u{1}", "\"a\\u000ab\\u0001\""),
            ("é", "\"é\""),
            ("\u{202e}\u{2028}\u{1f980}", "\"\\u202e\\u2028\\U0001f980\""),
            ("", "\"\""),
        ] {
            assert_eq!(yaml(text), quoted);
        }
    }

    proptest! {
        #[test]
        fn every_text_is_read_back(text in any::<String>()) {
            let read: String = serde_yaml_ng::from_str(&yaml(&text)).unwrap();
            prop_assert_eq!(read, text);
        }
    }
}
