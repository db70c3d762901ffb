//! Reads JSON that a BMC wrote: what is missing, null or of another type is as if it was not said. Nothing here fails.

use serde_json::Value;

/// Longest text that is kept of one member, bytes.
const TEXT_MAX: usize = 1024;

static NULL: Value = Value::Null;

/// The value at `path`, members separated by `/`; null: there is none.
pub(crate) fn at<'a>(value: &'a Value, path: &str) -> &'a Value {
    path.split('/')
        .try_fold(value, |value, key| value.get(key))
        .unwrap_or(&NULL)
}

/// A text: strings trimmed and without control characters, numbers and truth values as they are written.
pub(crate) fn text(value: &Value, path: &str) -> String {
    text_of(at(value, path))
}

pub(crate) fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => {
            let text = text.trim_matches(|c: char| c.is_whitespace() || c.is_control());
            let text = cut(text, TEXT_MAX).trim_end();
            text.replace(|c: char| c.is_control(), " ")
        }
        Value::Number(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => String::new(),
    }
}

/// The first of `paths` that says something.
pub(crate) fn first_text(value: &Value, paths: &[&str]) -> String {
    let mut texts = paths.iter().map(|path| text(value, path));
    texts.find(|text| !text.is_empty()).unwrap_or_default()
}

/// `text`, at most `max` bytes of it.
pub(crate) fn cut(text: &str, max: usize) -> &str {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// A number, also one that is written as a text; none that is negative or not finite.
pub(crate) fn number(value: &Value, path: &str) -> Option<f64> {
    let number = match at(value, path) {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number.filter(|number: &f64| number.is_finite() && *number >= 0.0)
}

/// A whole number, also one that is written as a text.
pub(crate) fn count(value: &Value, path: &str) -> Option<u64> {
    match at(value, path) {
        Value::Number(number) => number.as_u64().or_else(|| whole(number.as_f64()?)),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// `2.0` as 2.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // checked right before
fn whole(number: f64) -> Option<u64> {
    let fits = number >= 0.0 && number.fract() == 0.0 && number < 9e15;
    fits.then_some(number as u64)
}

/// A port from 1 to 65535.
pub(crate) fn port(value: &Value, path: &str) -> Option<u16> {
    let port = u16::try_from(count(value, path)?).ok()?;
    (port != 0).then_some(port)
}

/// A truth value, also one that is written as a text.
pub(crate) fn flag(value: &Value, path: &str) -> Option<bool> {
    match at(value, path) {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "enabled" | "yes" => Some(true),
            "false" | "disabled" | "no" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// A list; one value that should be in a list is a list of one.
pub(crate) fn list<'a>(value: &'a Value, path: &str) -> &'a [Value] {
    match at(value, path) {
        Value::Null => &[],
        Value::Array(values) => values,
        value => std::slice::from_ref(value),
    }
}

/// The texts of a list, without those that are empty.
pub(crate) fn texts(value: &Value, path: &str) -> Vec<String> {
    let texts = list(value, path).iter().map(text_of);
    texts.filter(|text| !text.is_empty()).collect()
}

/// What a value points to: `{"@odata.id": "…"}`, or the URI alone; empty: nothing.
pub(crate) fn link_of(value: &Value) -> &str {
    match value {
        Value::String(uri) => uri.trim(),
        Value::Object(_) => match value.get("@odata.id") {
            Some(Value::String(uri)) => uri.trim(),
            _ => "",
        },
        _ => "",
    }
}

/// The link at `path`.
pub(crate) fn link<'a>(value: &'a Value, path: &str) -> &'a str {
    link_of(at(value, path))
}

/// The first of `paths` that points to something.
pub(crate) fn first_link<'a>(value: &'a Value, paths: &[&str]) -> &'a str {
    let mut links = paths.iter().map(|path| link(value, path));
    links.find(|link| !link.is_empty()).unwrap_or_default()
}

/// The first of `paths` at which something stands, else the first: members moved between `Links` and the resource itself over the
/// years.
pub(crate) fn first_path<'p>(value: &Value, paths: [&'p str; 2]) -> &'p str {
    match at(value, paths[0]).is_null() && !at(value, paths[1]).is_null() {
        true => paths[1],
        false => paths[0],
    }
}

/// The links of a list, as they are written, each once.
pub(crate) fn links(value: &Value, path: &str) -> Vec<String> {
    let mut links: Vec<String> = Vec::new();
    for link in list(value, path).iter().map(link_of) {
        if !link.is_empty() && !links.iter().any(|known| known == link) {
            links.push(link.to_owned());
        }
    }
    links
}

/// Whether `value` is a resource itself, not only a link to one.
pub(crate) fn is_inline(value: &Value) -> bool {
    let Value::Object(members) = value else {
        return false;
    };
    members
        .keys()
        .any(|key| !key.starts_with('@') && !key.contains("@odata."))
}

/// Whether `value`, a member that came along with a collection, is the resource and not an excerpt of it.
pub(crate) fn is_whole(value: &Value) -> bool {
    let says_what_it_is = value.get("@odata.type").is_some() || value.get("Id").is_some();
    is_inline(value) && says_what_it_is && !link_of(value).is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn texts_are_trimmed_and_everything_else_becomes_one_or_nothing() {
        let value = json!({
            "padded": "AMD EPYC 7302P 16-Core Processor               ",
            "number": 7, "real": 2.5, "flag": true, "null": null, "list": ["a"], "object": {"a": 1},
            "nul": "\u{0}\u{0}serial\u{0}", "inner": "a\u{1}b",
        });
        assert_eq!(text(&value, "padded"), "AMD EPYC 7302P 16-Core Processor");
        assert_eq!(text(&value, "number"), "7");
        assert_eq!(text(&value, "real"), "2.5");
        assert_eq!(text(&value, "flag"), "true");
        assert_eq!(text(&value, "nul"), "serial");
        assert_eq!(text(&value, "inner"), "a b");
        for path in ["null", "list", "object", "absent", "number/deeper", "list/0"] {
            assert_eq!(text(&value, path), "", "{path}");
        }
        assert_eq!(first_text(&value, &["absent", "null", "number"]), "7");
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let value = json!({"long": "ü".repeat(TEXT_MAX)});
        assert_eq!(text(&value, "long").len(), TEXT_MAX);
        assert_eq!(cut("aü", 2), "a");
        assert_eq!(cut("", 2), "");
    }

    #[test]
    fn numbers_may_be_texts_and_nonsense_is_none() {
        let value = json!({"n": 2, "real": 2.0, "half": 2.5, "text": " 16 ", "negative": -1, "word": "many",
            "nan": "NaN", "null": null, "big": 1e300, "port": 2200, "zero": 0, "high": 70000});
        assert_eq!(count(&value, "n"), Some(2));
        assert_eq!(count(&value, "real"), Some(2));
        assert_eq!(count(&value, "text"), Some(16));
        for path in ["half", "negative", "word", "null", "big", "absent"] {
            assert_eq!(count(&value, path), None, "{path}");
        }
        assert_eq!(number(&value, "half"), Some(2.5));
        assert_eq!(number(&value, "text"), Some(16.0));
        for path in ["negative", "nan", "word", "null"] {
            assert_eq!(number(&value, path), None, "{path}");
        }
        assert_eq!(port(&value, "port"), Some(2200));
        assert_eq!(port(&value, "zero"), None);
        assert_eq!(port(&value, "high"), None);
    }

    #[test]
    fn truth_values_may_be_texts() {
        let value = json!({"a": true, "b": "Enabled", "c": "false", "d": 1, "e": null});
        assert_eq!(flag(&value, "a"), Some(true));
        assert_eq!(flag(&value, "b"), Some(true));
        assert_eq!(flag(&value, "c"), Some(false));
        assert_eq!(flag(&value, "d"), None);
        assert_eq!(flag(&value, "e"), None);
    }

    #[test]
    fn one_value_is_a_list_of_one_and_null_an_empty_one() {
        let value = json!({"one": "a", "many": ["a", null, "", 3], "null": null});
        assert_eq!(texts(&value, "one"), ["a"]);
        assert_eq!(texts(&value, "many"), ["a", "3"]);
        assert!(texts(&value, "null").is_empty() && texts(&value, "absent").is_empty());
    }

    #[test]
    fn links_are_objects_or_texts_and_each_counts_once() {
        let value = json!({"object": {"@odata.id": " /a "}, "text": "/b", "number": 7, "wrong": {"@odata.id": 7},
            "list": [{"@odata.id": "/a"}, "/b", {"@odata.id": "/a"}, null, {"other": 1}]});
        assert_eq!(link(&value, "object"), "/a");
        assert_eq!(link(&value, "text"), "/b");
        assert_eq!(link(&value, "number"), "");
        assert_eq!(link(&value, "wrong"), "");
        assert_eq!(links(&value, "list"), ["/a", "/b"]);
    }

    #[test]
    fn what_moved_into_or_out_of_links_is_found() {
        let paths = ["Drives", "Links/Drives"];
        assert_eq!(
            first_path(&json!({"Drives": [], "Links": {"Drives": []}}), paths),
            "Drives"
        );
        assert_eq!(
            first_path(&json!({"Drives": null, "Links": {"Drives": []}}), paths),
            "Links/Drives"
        );
        assert_eq!(first_path(&json!({}), paths), "Drives");
    }

    #[test]
    fn a_link_alone_is_no_resource() {
        assert!(!is_inline(&json!({"@odata.id": "/a"})));
        assert!(!is_inline(&json!({"@odata.id": "/a", "Members@odata.count": 1})));
        assert!(!is_inline(&json!("/a")));
        assert!(is_inline(&json!({"@odata.id": "/a", "Name": "x"})));
        assert!(is_inline(&json!({"Name": "x"})));
    }

    #[test]
    fn an_excerpt_is_not_taken_for_the_resource() {
        assert!(is_whole(&json!({"@odata.id": "/a", "Id": "a", "Name": "A"})));
        assert!(!is_whole(&json!({"@odata.id": "/a"})));
        assert!(!is_whole(&json!({"@odata.id": "/a", "Name": "A"})));
        assert!(!is_whole(&json!({"Id": "a", "Name": "A"})));
    }
}
