//! This host's `chamois.toml`, without what may be secret: only keys are shown that the shipped example has, and of commands only the
//! program.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use toml::Value;

use super::scrub::REMOVED;

const EXAMPLE: &str = include_str!("../../../../deploy/examples/member-1.toml");
/// Whose arguments may be anything.
const COMMAND: &str = "kek-command";

/// The configuration as it may be shown.
pub(super) fn shown(file: &Path) -> String {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => return format!("cannot read {}: {error}\n", file.display()),
    };
    match text.parse::<toml::Table>() {
        Ok(mut table) => {
            clean(&mut table, &known_keys());
            toml::to_string_pretty(&table).unwrap_or_else(|error| format!("cannot be shown: {error}\n"))
        }
        // what cannot be read may be a secret with a quotation mark too few
        Err(error) => format!(
            "{} is no TOML and not shown: {}\n",
            file.display(),
            error.message()
        ),
    }
}

/// Files that hold secrets, as the configuration names them, and what `chamois init` and `chamois join` put beside the identity.
pub(super) fn secret_files(file: &Path) -> Vec<PathBuf> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let table = text.parse::<toml::Table>().unwrap_or_default();
    let mut files = Vec::new();
    named(&Value::Table(table.clone()), &mut files);
    let identity = table.get("identity-dir").and_then(Value::as_str).map(Path::new);
    let folders = identity.into_iter().chain(file.parent());
    for entry in folders
        .filter_map(|folder| std::fs::read_dir(folder).ok())
        .flatten()
        .flatten()
    {
        let path = entry.path();
        let ending = path.extension().and_then(|ending| ending.to_str());
        let is_secret = matches!(ending, Some("key" | "token" | "secret" | "cred"))
            || path.ends_with("recovery-kit.toml");
        files.extend(is_secret.then_some(path));
    }
    files
}

fn named(value: &Value, files: &mut Vec<PathBuf>) {
    match value {
        Value::Table(table) => {
            for (key, value) in table {
                let is_file =
                    key.ends_with("secret-file") || key.ends_with("key-file") || key.ends_with("-key");
                if let Some(path) = value.as_str().filter(|_| is_file) {
                    files.push(path.into());
                }
                named(value, files);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| named(value, files)),
        Value::String(_) | Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => {}
    }
}

/// The keys of the example, those in its comments too.
fn known_keys() -> BTreeSet<&'static str> {
    let keys = EXAMPLE.lines().filter_map(|line| {
        let line = line.trim_start_matches(['#', ' ']);
        let key = match line.strip_prefix('[') {
            Some(section) => section.trim_matches(['[', ']']).rsplit('.').next()?,
            None => line.split_once(" = ")?.0,
        };
        let is_key = key
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        is_key.then_some(key)
    });
    keys.collect()
}

fn clean(table: &mut toml::Table, known: &BTreeSet<&str>) {
    for (key, value) in table.iter_mut() {
        // members of a network by id
        let is_id = key.bytes().all(|byte| byte.is_ascii_digit());
        if !is_id && !known.contains(key.as_str()) && !known_section(key, value) {
            *value = Value::String(REMOVED.to_owned());
        } else if key == COMMAND {
            keep_program(value);
        } else {
            each_table(value, known);
        }
    }
}

/// Sections that stand in dotted names, e.g. `api` of `[api.acme]`.
fn known_section(key: &str, value: &Value) -> bool {
    value.is_table() && EXAMPLE.contains(&format!("[{key}."))
}

fn each_table(value: &mut Value, known: &BTreeSet<&str>) {
    match value {
        Value::Table(table) => clean(table, known),
        Value::Array(values) => values.iter_mut().for_each(|value| each_table(value, known)),
        Value::String(_) | Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => {}
    }
}

fn keep_program(value: &mut Value) {
    if let Value::Array(words) = value {
        words
            .iter_mut()
            .skip(1)
            .for_each(|word| *word = Value::String(REMOVED.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown_of(text: &str) -> String {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("chamois.toml");
        std::fs::write(&file, text).unwrap();
        shown(&file)
    }

    /// Each key of the shipped example may be shown, and none of them holds a secret.
    #[test]
    fn the_example_is_shown_as_it_is() {
        let shown: toml::Table = shown_of(EXAMPLE).parse().unwrap();
        assert_eq!(shown, EXAMPLE.parse::<toml::Table>().unwrap());
    }

    #[test]
    fn a_key_that_nobody_knows_and_the_arguments_of_a_command_are_not_shown() {
        let text = shown_of(
            "cluster = \"prod\"\nadmin-password = \"canary-1\"\n[secrets]\nkek-command = [\"/usr/bin/vault\", \"--pin=canary-2\"]\n\
             [bss.s3]\naccess-key = \"boot\"\nsecret = \"canary-3\"\n[[network]]\nname = \"boot\"\npeers = { 1 = \"10.0.0.1\" }\nx = { y = \"canary-4\" }\n",
        );
        assert!(!text.contains("canary"), "{text}");
        for kept in ["prod", "/usr/bin/vault", "boot", "10.0.0.1"] {
            assert!(text.contains(kept), "{kept}: {text}");
        }
    }

    #[test]
    fn a_broken_configuration_is_not_quoted() {
        assert!(!shown_of("password = \"canary").contains("canary"));
    }

    #[test]
    fn the_files_that_hold_secrets_are_known() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("chamois.toml");
        for name in ["kek.key", "admin.token", "recovery-kit.toml", "ca.pem"] {
            std::fs::write(dir.path().join(name), "x").unwrap();
        }
        std::fs::write(&file, "[bss.s3]\nsecret-file = \"/etc/chamois/s3.secret\"\n").unwrap();
        let files = secret_files(&file);
        for name in ["kek.key", "admin.token", "recovery-kit.toml", "s3.secret"] {
            assert!(files.iter().any(|path| path.ends_with(name)), "{name}: {files:?}");
        }
        assert!(!files.iter().any(|path| path.ends_with("ca.pem")));
    }
}
