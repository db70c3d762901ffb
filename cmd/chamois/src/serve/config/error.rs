//! Why a configuration was refused, in words that say what to change.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Why a configuration was refused. Nothing was started and no port was opened.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("cannot read the configuration {}; name it with --config", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not TOML, or has a key or a value that is not accepted.
    #[error("{}, line {line}: {key}{problem}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line of the problem, from 1.
        line: usize,
        /// `section.key: `, or empty when the place is not a key.
        key: String,
        /// What is wrong, what is accepted, what to do.
        problem: String,
    },
    /// Values that parse but cannot work, alone or together.
    #[error("{}", list(problems))]
    Check {
        /// All of them: `key: what is wrong; what to do`.
        problems: Vec<String>,
    },
}

impl ConfigError {
    /// Turns the parser's error into one that names line, key and remedy.
    pub(super) fn syntax(path: &Path, text: &str, error: &toml::de::Error) -> Self {
        let at = error.span().map_or(0, |span| span.start).min(text.len());
        let line = text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
        Self::Syntax {
            path: path.to_owned(),
            line,
            key: key_at(text, line),
            problem: teach(error.message()),
        }
    }
}

/// `section.key: ` of a line, from the nearest header above it.
fn key_at(text: &str, line: usize) -> String {
    let mut section = "";
    for (number, content) in text.lines().enumerate().take(line) {
        let content = content.trim();
        let is_last = number + 1 == line;
        if content.starts_with('[') && content.contains(']') {
            section = content
                .split(']')
                .next()
                .unwrap_or_default()
                .trim_start_matches('[')
                .trim();
            if is_last {
                return format!("[{section}]: ");
            }
        } else if is_last && let Some((key, _)) = content.split_once('=') {
            let dot = if section.is_empty() { "" } else { "." };
            return format!("{section}{dot}{}: ", key.trim());
        }
    }
    String::new()
}

/// The parser's words, with the nearest accepted word when one is close.
fn teach(message: &str) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let (Some(given), unknown) = (quoted.next(), message.starts_with("unknown ")) else {
        return message.to_owned();
    };
    if !unknown {
        return message.to_owned();
    }
    let accepted: Vec<&str> = quoted.collect();
    let what = if message.starts_with("unknown field") {
        "key"
    } else {
        "value"
    };
    let mut text = format!(
        "`{given}` is not a {what} here; accepted: {}",
        accepted.join(", ")
    );
    if let Some(near) = nearest(given, &accepted) {
        let _ = write!(text, ". Did you mean `{near}`?");
    }
    text
}

/// The accepted word with the fewest changes from `given`, if they are few enough to be a slip.
fn nearest<'a>(given: &str, accepted: &[&'a str]) -> Option<&'a str> {
    let normal = given.to_lowercase().replace('_', "-");
    let close = |word: &&str| distance(&normal, word) <= 1 + word.len() / 4;
    accepted
        .iter()
        .copied()
        .filter(close)
        .min_by_key(|word| distance(&normal, word))
}

/// Levenshtein distance in bytes.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let substitute = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substitute.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

fn list(problems: &[String]) -> String {
    let mut text = String::from("the configuration cannot work:");
    for problem in problems {
        let _ = write!(text, "\n  {problem}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The distance decides what is suggested, so its three edits are pinned down.
    #[test]
    fn distance_counts_insertions_deletions_and_substitutions() {
        for (a, b, expected) in [
            ("", "abc", 3),
            ("abc", "abc", 0),
            ("peer-listn", "peer-listen", 1),
            ("prot", "port", 2),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }

    /// A suggestion that is far off confuses more than none.
    #[test]
    fn a_word_is_suggested_only_when_it_is_near() {
        let accepted = ["profile", "peer-listen"];
        assert_eq!(nearest("peer_listen", &accepted), Some("peer-listen"));
        assert_eq!(nearest("profil", &accepted), Some("profile"));
        assert_eq!(nearest("timeout", &accepted), None);
    }

    #[test]
    fn the_key_of_a_line_carries_its_section() {
        let text = "cluster = 1\n[raft]\nprofile = 2\n[[network]]\nname = 3\n";
        assert_eq!(key_at(text, 1), "cluster: ");
        assert_eq!(key_at(text, 3), "raft.profile: ");
        assert_eq!(key_at(text, 5), "network.name: ");
        assert_eq!(key_at(text, 4), "[network]: ");
    }
}
