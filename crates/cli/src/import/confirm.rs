//! Whether an import's changes are to be made.

use std::io::{BufRead, IsTerminal as _, Write as _};

use crate::error::{CliError, Kind};

/// Bytes of an answer that are read.
const ANSWER_BYTES_MAX: u64 = 64;

/// Asks on a terminal.
///
/// # Errors
/// `Usage` where nobody can be asked.
pub(super) fn ask(to_do: usize) -> Result<bool, CliError> {
    let input = std::io::stdin();
    if !input.is_terminal() || !std::io::stderr().is_terminal() {
        let text = format!("{to_do} objects would be created or changed, and there is nobody to ask");
        return Err(CliError::new(Kind::Usage, text)
            .with_remedy("--yes makes the changes, --dry-run only shows them."));
    }
    let _ = write!(std::io::stderr(), "Create or change {to_do} objects? [y/N] ");
    is_yes(input.lock()).map_err(|error| CliError::other("cannot read the answer", error))
}

fn is_yes(input: impl BufRead) -> std::io::Result<bool> {
    let mut answer = String::new();
    std::io::Read::take(input, ANSWER_BYTES_MAX).read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Only a clear yes is one; the end of the input is none.
    #[test]
    fn only_yes_is_yes() {
        for (answer, yes) in [
            ("y\n", true),
            ("Yes\n", true),
            ("\n", false),
            ("", false),
            ("n\n", false),
            ("yet\n", false),
        ] {
            assert_eq!(is_yes(answer.as_bytes()).unwrap(), yes, "{answer:?}");
        }
    }
}
