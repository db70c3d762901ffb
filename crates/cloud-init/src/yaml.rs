//! YAML that means the same to every reader. cloud-init reads YAML 1.1, in which the plain texts `no`, `on`, `0777`,
//! `12:30:45` and `2026-01-01` are no texts: what is not a word for certain stands in quotes.

use std::fmt::Write as _;

use serde::Serialize;
use serde_yaml_ng::{Mapping, Number, Value};

/// Plain words of YAML 1.1 that are no texts, in any case.
const RESERVED: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];

/// The document, keys in the order of `value`.
///
/// # Errors
/// Only for types that have no YAML form, e.g. a map with keys that are no texts; ours all have.
pub(crate) fn to_string(value: &impl Serialize) -> Result<String, serde_yaml_ng::Error> {
    let mut out = String::new();
    match serde_yaml_ng::to_value(value)? {
        Value::Mapping(mapping) if !mapping.is_empty() => put_mapping(&mut out, &mapping, 0),
        Value::Sequence(items) if !items.is_empty() => put_items(&mut out, &items, 0),
        other => {
            put_inline(&mut out, &other);
            out.push('\n');
        }
    }
    Ok(out)
}

/// Lines of `key: value`. The cursor stands where the first key goes, the others are indented by `indent`.
fn put_mapping(out: &mut String, mapping: &Mapping, indent: usize) {
    for (at, (key, value)) in mapping.iter().enumerate() {
        if at > 0 {
            spaces(out, indent);
        }
        put_inline(out, key);
        out.push(':');
        match value {
            Value::Mapping(inner) if !inner.is_empty() => {
                out.push('\n');
                spaces(out, indent + 2);
                put_mapping(out, inner, indent + 2);
            }
            Value::Sequence(items) if !items.is_empty() => {
                out.push('\n');
                spaces(out, indent);
                put_items(out, items, indent);
            }
            other => {
                out.push(' ');
                put_inline(out, other);
                out.push('\n');
            }
        }
    }
}

/// Lines of `- item`, as `put_mapping`.
fn put_items(out: &mut String, items: &[Value], indent: usize) {
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            spaces(out, indent);
        }
        out.push_str("- ");
        match item {
            Value::Mapping(inner) if !inner.is_empty() => put_mapping(out, inner, indent + 2),
            Value::Sequence(inner) if !inner.is_empty() => put_items(out, inner, indent + 2),
            other => {
                put_inline(out, other);
                out.push('\n');
            }
        }
    }
}

fn spaces(out: &mut String, count: usize) {
    out.extend(std::iter::repeat_n(' ', count));
}

/// What stands on one line; collections are empty here.
fn put_inline(out: &mut String, value: &Value) {
    match value {
        Value::Null | Value::Tagged(_) => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => put_number(out, number),
        Value::String(text) if is_word(text) => out.push_str(text),
        Value::String(text) => put_quoted(out, text),
        Value::Sequence(_) => out.push_str("[]"),
        Value::Mapping(_) => out.push_str("{}"),
    }
}

/// YAML 1.1 wants a dot and a signed exponent: `1e300` would be a text.
fn put_number(out: &mut String, number: &Number) {
    let text = number.to_string();
    match text.split_once('e') {
        Some((mantissa, exponent)) => {
            let dot = if mantissa.contains('.') { "" } else { ".0" };
            let sign = if exponent.starts_with('-') { "" } else { "+" };
            out.push_str(&format!("{mantissa}{dot}e{sign}{exponent}"));
        }
        None => out.push_str(&text),
    }
}

/// Begins with a letter or a slash, holds nothing that YAML gives a meaning to, and is no reserved word.
fn is_word(text: &str) -> bool {
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    let known = |b: u8| b.is_ascii_alphanumeric() || b"_-./:@+,=% ".contains(&b);
    starts
        && text.bytes().all(known)
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !RESERVED.iter().any(|word| word.eq_ignore_ascii_case(text))
}

fn put_quoted(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            ' '..='~' => out.push(c),
            c if c.is_alphanumeric() => out.push(c),
            // Readers refuse control characters, and fold some that are line ends to Unicode.
            c => write!(out, "\\U{:08x}", u32::from(c)).expect("a string takes what is written"),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(text: &str) -> String {
        to_string(&Value::from(text)).unwrap()
    }

    #[test]
    fn words_stand_plain() {
        for word in [
            "de0006",
            "i-00112233445566aa",
            "http://10.97.0.1:8081/cloud-init/b/7-1",
            "The compute group",
            "ssh-ed25519 AAAA+/= a@b",
            "/dev/sda",
        ] {
            assert_eq!(line(word), format!("{word}\n"));
        }
    }

    /// PyYAML, which cloud-init uses, takes each of these for something else when it stands plain.
    #[test]
    fn what_yaml_1_1_takes_for_something_else_is_quoted() {
        for odd in [
            "",
            "no",
            "No",
            "ON",
            "y",
            "off",
            "null",
            "True",
            "~",
            "0777",
            "12:30:45",
            "10.97.3.4",
            "2026-01-01",
            "1e3",
            "0x1f",
            "1_000",
            ".inf",
            "-",
            "- a",
            "a: b",
            "a:",
            "# a",
            "a #b",
            "{a}",
            "[a]",
            "*a",
            "&a",
            "!a",
            "|",
            ">",
            "'a'",
            "%a",
            "@a",
            "`a",
            "a ",
            " a",
            "=",
            "<<",
            "? a",
            "...",
            "---",
        ] {
            let text = line(odd);
            assert!(text.starts_with('"') && text.ends_with("\"\n"), "{odd:?}: {text}");
            assert_eq!(serde_yaml_ng::from_str::<String>(&text).unwrap(), odd);
        }
        assert_eq!(
            line("a\"\\\n\u{1b}\u{2028}\u{7f}ü"),
            "\"a\\\"\\\\\\n\\U0000001b\\U00002028\\U0000007fü\"\n"
        );
    }

    #[test]
    fn numbers_are_numbers_to_yaml_1_1() {
        for (number, text) in [(1e300, "1.0e+300\n"), (1.5e-9, "1.5e-9\n"), (-0.5, "-0.5\n")] {
            assert_eq!(to_string(&number).unwrap(), text);
        }
        assert_eq!(to_string(&u64::MAX).unwrap(), "18446744073709551615\n");
    }

    #[test]
    fn collections_nest_as_they_do_elsewhere() {
        let text = "a:\n  b: {}\n  c: []\n  d:\n  - 1\n  - e: f\n    g: null\n  - - true\n    - h\nz: word\n";
        let value: Value = serde_yaml_ng::from_str(text).unwrap();
        assert_eq!(to_string(&value).unwrap(), text);
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
            Just(Value::Null),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::Sequence),
                proptest::collection::vec((any::<String>(), inner), 0..4).prop_map(|fields| Value::Mapping(
                    fields.into_iter().map(|(key, v)| (key.into(), v)).collect()
                )),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(value in value()) {
            let text = to_string(&value).unwrap();
            prop_assert_eq!(serde_yaml_ng::from_str::<Value>(&text).unwrap(), value, "{}", text);
        }
    }
}
