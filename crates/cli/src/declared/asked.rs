//! Whether objects are to be deleted: somebody must say so.

use std::io::{BufRead, IsTerminal as _, Write as _};

use crate::error::{CliError, Kind};

/// Bytes of an answer that are read.
const ANSWER_BYTES_MAX: u64 = 64;

/// Asks on a terminal, after the list of what would go.
///
/// # Errors
/// `Usage` where nobody can be asked.
pub(super) fn may_delete(titles: &[String]) -> Result<bool, CliError> {
    let input = std::io::stdin();
    if !input.is_terminal() || !std::io::stderr().is_terminal() {
        let text = format!(
            "{} objects would be deleted, and there is nobody to ask: {}",
            titles.len(),
            titles.join(", ")
        );
        return Err(
            CliError::new(Kind::Usage, text).with_remedy("--yes deletes them, --dry-run only shows them.")
        );
    }
    let mut error = std::io::stderr();
    for title in titles {
        let _ = writeln!(error, "  {title}");
    }
    let _ = write!(error, "Delete these {} objects? [y/N] ", titles.len());
    is_yes(input.lock()).map_err(|error| CliError::other("cannot read the answer", error))
}

fn is_yes(input: impl BufRead) -> std::io::Result<bool> {
    let mut answer = String::new();
    input.take(ANSWER_BYTES_MAX).read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_yes_is_yes() {
        for (answer, yes) in [
            ("y\n", true),
            ("YES\n", true),
            ("\n", false),
            ("", false),
            ("no\n", false),
        ] {
            assert_eq!(is_yes(answer.as_bytes()).unwrap(), yes, "{answer:?}");
        }
    }

    /// A script that forgets --yes learns what would have gone.
    #[test]
    fn where_nobody_can_be_asked_nothing_is_deleted() {
        if std::io::stdin().is_terminal() {
            return;
        }
        let error = may_delete(&["Group old".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("Group old") && error.contains("--yes"), "{error}");
    }
}
