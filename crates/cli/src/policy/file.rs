//! Messages in a YAML or JSON file, with the key names of the HTTP API.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{CliError, Kind};
use crate::output;

/// A file of policies or expectations has at most this many bytes; a larger one is another file.
const FILE_BYTES_MAX: u64 = 8 << 20;

/// The messages of a file, which is a list or one message; `name` is their full proto name.
///
/// # Errors
/// `Usage` naming the file and which of its messages is wrong.
pub(super) fn messages<M: prost::Message + Default>(path: &Path, name: &str) -> Result<Vec<M>, CliError> {
    let file: Value = read(path)?;
    let values = match file {
        Value::Array(values) => values,
        one => vec![one],
    };
    let messages = (1..).zip(&values).map(|(number, value)| {
        output::from_value(name, value)
            .map_err(|problem| refused(path, format!("number {number}: {problem}")))
    });
    messages.collect()
}

/// What a file says.
///
/// # Errors
/// `Usage` naming the file.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<T, CliError> {
    let length = std::fs::metadata(path)
        .map_err(|error| refused(path, error))?
        .len();
    if length > FILE_BYTES_MAX {
        return Err(refused(path, format!("it has more than {FILE_BYTES_MAX} bytes")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| refused(path, error))?;
    serde_yaml_ng::from_str(&text).map_err(|error| refused(path, error))
}

fn refused(path: &Path, cause: impl std::fmt::Display) -> CliError {
    CliError::new(Kind::Usage, format!("cannot take {}: {cause}", path.display()))
}

#[cfg(test)]
mod tests {
    use proto::auth::v1::Policy;

    use super::*;

    const POLICY: &str = "chamois.auth.v1.Policy";

    fn policies(text: &str) -> Result<Vec<Policy>, CliError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("policies.yaml");
        std::fs::write(&path, text).unwrap();
        messages(&path, POLICY)
    }

    #[test]
    fn one_policy_a_list_and_json_are_accepted() {
        let one = policies("name: a\nrole: viewer\nprincipals: [user/ada]\nexpiresAtMs: 5\n").unwrap();
        assert_eq!((one[0].name.as_str(), one[0].expires_at_ms), ("a", 5));
        let two = policies("- {name: a, role: viewer}\n- {name: b, groups: [gpu]}\n").unwrap();
        assert_eq!((two.len(), &two[1].groups[0]), (2, &"gpu".to_owned()));
        assert_eq!(policies(r#"[{"name": "a"}]"#).unwrap().len(), 1);
        assert!(policies("[]").unwrap().is_empty());
    }

    /// A key that is misspelt would give more than was meant.
    #[test]
    fn a_key_that_there_is_not_is_refused_with_its_number() {
        let text = policies("- {name: a}\n- {name: b, group: [gpu]}\n")
            .unwrap_err()
            .to_string();
        assert!(text.contains("number 2") && text.contains("group"), "{text}");
        assert!(policies("name: [").is_err());
        let missing = messages::<Policy>(Path::new("/nonexistent.yaml"), POLICY).unwrap_err();
        assert!(missing.to_string().contains("/nonexistent.yaml"));
    }
}
