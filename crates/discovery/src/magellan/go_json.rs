//! JSON as Go's `encoding/json` writes it, where that differs from serde's.

use serde::{Serialize, Serializer};

/// An indented text. `<`, `>` and `&` in strings are escaped, as Go does for browsers; outside of strings JSON has none of them.
///
/// Source: Go's `json.MarshalIndent(value, "", "  ")`.
pub(super) fn to_string<T: Serialize>(value: &T) -> String {
    let text = serde_json::to_string_pretty(value).expect("structs of texts and numbers can be written");
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                escaped.push_str(&format!("\\u{:04x}", u32::from(c)))
            }
            c => escaped.push(c),
        }
    }
    escaped
}

/// A number without a fraction is written without a point.
pub(super) fn float<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0; // 2^53
    if number.fract() == 0.0 && (0.0..=EXACT_MAX).contains(number) {
        serializer.serialize_u64(*number as u64)
    } else {
        serializer.serialize_f64(*number)
    }
}

/// `omitempty` of texts.
pub(super) fn is_empty(text: &str) -> bool {
    text.is_empty()
}

/// `omitempty` of numbers and booleans.
pub(super) fn is_zero<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Row {
        #[serde(serialize_with = "float")]
        gib: f64,
        #[serde(skip_serializing_if = "is_zero")]
        count: u32,
        #[serde(skip_serializing_if = "is_empty")]
        name: String,
    }

    fn written(gib: f64, count: u32, name: &str) -> String {
        let name = name.to_owned();
        to_string(&Row { gib, count, name })
    }

    #[test]
    fn numbers_and_signs_are_written_as_go_does() {
        assert_eq!(written(64.0, 0, ""), "{\n  \"gib\": 64\n}");
        assert_eq!(
            written(0.5, 2, "R&D <1>"),
            "{\n  \"gib\": 0.5,\n  \"count\": 2,\n  \"name\": \"R\\u0026D \\u003c1\\u003e\"\n}"
        );
    }
}
