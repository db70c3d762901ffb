//! Where a password comes from: a file, a terminal that shows nothing, or standard input; never an argument, which every process of
//! the host can read.

use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal as _, Write as _};
use std::path::PathBuf;

use clap::Args;
use redfish::Password;

use crate::error::{CliError, Kind};
use crate::terminal::Quiet;

/// Bytes of a password, with its newline.
const BYTES_MAX: u64 = 1025;

/// Where a password is read from.
#[derive(Clone, Debug, Default, Args)]
pub struct Source {
    /// File whose first line is the password; default: it is asked for, or read from standard input
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
}

impl Source {
    /// Asks, or reads one line. `of` says whose password it is.
    ///
    /// # Errors
    /// `Usage` if there is none, or it cannot be read.
    pub(crate) fn read(&self, of: &str) -> Result<Password, CliError> {
        if let Some(path) = &self.password_file {
            let refused = |error: std::io::Error| refused(&format!("{}: {error}", path.display()));
            return line(BufReader::new(File::open(path).map_err(refused)?));
        }
        let input = std::io::stdin();
        if !input.is_terminal() {
            return line(input.lock());
        }
        let _ = write!(std::io::stderr(), "Password of {of}: ");
        let quiet = Quiet::begin().map_err(|error| refused(&error.to_string()))?;
        let password = line(input.lock());
        drop(quiet);
        let _ = writeln!(std::io::stderr()); // the newline that was typed was not shown
        password
    }
}

/// The first line.
fn line(from: impl BufRead) -> Result<Password, CliError> {
    let mut text = String::new();
    let count = from
        .take(BYTES_MAX + 1)
        .read_line(&mut text)
        .map_err(|error| refused(&error.to_string()))?;
    if count as u64 > BYTES_MAX {
        return Err(refused("it has more than 1,024 bytes"));
    }
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(refused("it is empty")),
        password => Ok(Password::new(password)),
    }
}

fn refused(problem: &str) -> CliError {
    CliError::new(Kind::Usage, format!("cannot read the password: {problem}"))
        .with_remedy("Type it, pipe it into standard input, or name a file with --password-file.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_the_first_line_with_its_blanks() {
        for (text, password) in [
            ("c4n4ry\n", "c4n4ry"),
            ("c4n4ry\r\nmore\n", "c4n4ry"),
            (" with blanks ", " with blanks "),
        ] {
            assert_eq!(line(text.as_bytes()).unwrap().expose(), password);
        }
    }

    #[test]
    fn none_and_too_much_are_refused_without_quoting_it() {
        for text in ["", "\n", &"c4n4ry".repeat(200)] {
            let error = line(text.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), Kind::Usage);
            assert!(!error.to_string().contains("c4n4ry"), "{error}");
        }
    }

    #[test]
    fn a_file_is_named_when_it_cannot_be_read() {
        let source = Source {
            password_file: Some("/none/password".into()),
        };
        let error = source.read("default").unwrap_err().to_string();
        assert!(error.contains("/none/password"), "{error}");
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("password");
        std::fs::write(&path, "c4n4ry\n").unwrap();
        let source = Source {
            password_file: Some(path),
        };
        assert_eq!(source.read("default").unwrap().expose(), "c4n4ry");
    }
}
