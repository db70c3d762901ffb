//! Objects as documents, and the difference between two of them.

use serde_json::{Map, Value, json};
use similar::TextDiff;

use super::kinds::Kind;
use super::plan::Step;
use crate::error::CliError;

/// The document of an object.
///
/// # Errors
/// None that an object of the cluster has.
pub(super) fn document(kind: &Kind, name: &str, spec: &Map<String, Value>) -> Result<String, CliError> {
    let whole = json!({ "kind": kind.name, "metadata": { "name": name }, "spec": spec });
    let fields = ["kind", "metadata", "spec"];
    let mut text = String::new();
    for field in fields {
        let part = json!({ field: whole[field] });
        let part = serde_yaml_ng::to_string(&part);
        text += &part.map_err(|error| CliError::other("cannot write the object as YAML", error))?;
    }
    Ok(text)
}

/// What a step changes, as `diff -u` shows it: from what is there to what is declared.
///
/// # Errors
/// As [`document`].
pub(super) fn difference(step: &Step) -> Result<String, CliError> {
    let side = |spec: Option<&Map<String, Value>>| match spec {
        Some(spec) => document(step.kind, &step.name, spec),
        None => Ok(String::new()),
    };
    let before = side(step.before.as_ref().map(|before| &before.spec))?;
    let after = side(step.after.as_ref())?;
    let title = step.title();
    let (old, new) = match (&step.before, &step.after) {
        (None, _) => ("/dev/null".to_owned(), format!("declared {title}")),
        (_, None) => (format!("cluster {title}"), "/dev/null".to_owned()),
        _ => (format!("cluster {title}"), format!("declared {title}")),
    };
    let diff = TextDiff::from_lines(&before, &after);
    Ok(diff
        .unified_diff()
        .context_radius(3)
        .header(&old, &new)
        .to_string())
}

#[cfg(test)]
mod tests {
    use super::super::kinds::find;
    use super::super::present::Present;
    use super::*;

    fn spec(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn a_document_is_what_apply_reads() {
        let kind = find("BootConfiguration").unwrap();
        let of = spec(&json!({"groups": ["compute"], "kernel": "/k", "arch": "X86"}));
        let text = document(kind, "c", &of).unwrap();
        assert!(
            text.starts_with("kind: BootConfiguration\nmetadata:\n  name: c\nspec:\n"),
            "{text}"
        );
        let catalogue = crate::api::catalogue().unwrap();
        let read = super::super::document::read(&catalogue, "f", &text).unwrap();
        assert_eq!((read[0].name.as_str(), &read[0].spec), ("c", &of));
    }

    #[test]
    fn a_difference_is_a_unified_one() {
        let step = Step {
            kind: find("BootConfiguration").unwrap(),
            name: "c".into(),
            before: Some(Present {
                spec: spec(&json!({"kernel": "/old"})),
                modified: 7,
                created: 7,
            }),
            after: Some(spec(&json!({"kernel": "/new"}))),
            declared: Vec::new(),
            place: None,
        };
        let text = difference(&step).unwrap();
        for line in [
            "--- cluster BootConfiguration c\n+++ declared BootConfiguration c\n@@ ",
            "\n-  kernel: /old\n+  kernel: /new\n",
            "\n   name: c\n",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
        let gone = difference(&Step { after: None, ..step }).unwrap();
        assert!(
            gone.contains("+++ /dev/null") && gone.contains("-kind: BootConfiguration"),
            "{gone}"
        );
    }
}
