//! How things are written and read: JSON, YAML or lines; data in an argument, a file or standard input.

use std::io::Read as _;
use std::path::Path;

use clap::ValueEnum;
use discovery::magellan::Format;

use crate::error::{CliError, Kind};

/// Longest file that is read: 100,000 BMCs fit in.
const DATA_BYTES_MAX: u64 = 1 << 30;

/// Form of what is written or read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Form {
    /// A line for each
    List,
    /// JSON
    Json,
    /// YAML
    Yaml,
}

impl Form {
    /// Of what is no list of lines: JSON where lines were asked for.
    pub(super) fn format(self) -> Format {
        match self {
            Form::List | Form::Json => Format::Json,
            Form::Yaml => Format::Yaml,
        }
    }

    /// Ending of a file's name.
    pub(super) fn ending(self) -> &'static str {
        match self {
            Form::List | Form::Json => "json",
            Form::Yaml => "yaml",
        }
    }
}

/// What an argument says, or the file that it names as `@FILE`; `@-` is standard input.
///
/// # Errors
/// `Usage` naming the file.
pub(super) fn data(argument: &str) -> Result<String, CliError> {
    match argument.strip_prefix('@') {
        None => Ok(argument.to_owned()),
        Some("-") => bounded("standard input", std::io::stdin().lock()),
        Some(path) => file(Path::new(path)),
    }
}

/// A whole file.
///
/// # Errors
/// `Usage` naming it.
pub(super) fn file(path: &Path) -> Result<String, CliError> {
    let name = path.display().to_string();
    match std::fs::File::open(path) {
        Ok(file) => bounded(&name, file),
        Err(error) => Err(CliError::new(Kind::Usage, format!("cannot read {name}: {error}"))),
    }
}

fn bounded(name: &str, from: impl std::io::Read) -> Result<String, CliError> {
    let refused = |problem: String| CliError::new(Kind::Usage, format!("cannot read {name}: {problem}"));
    let mut text = String::new();
    let count = from.take(DATA_BYTES_MAX + 1).read_to_string(&mut text);
    match count.map_err(|error| refused(error.to_string()))? as u64 {
        count if count > DATA_BYTES_MAX => Err(refused("it has more than 1 GiB".to_owned())),
        _ => Ok(text),
    }
}

/// Writes a file as a whole, or not at all; or to standard output.
///
/// # Errors
/// Naming the file.
pub(super) fn write(to: Option<&Path>, text: &str) -> Result<(), CliError> {
    let Some(path) = to else {
        return crate::output::print(text.trim_end());
    };
    // for its owner only: users of BMCs are in it
    auth::write_token(path, text)
        .map_err(|error| CliError::other(&format!("cannot write {}", path.display()), error))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn data_is_an_argument_or_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data");
        write(Some(&path), "[1]\n").unwrap();
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(data("[2]").unwrap(), "[2]");
        assert_eq!(data(&format!("@{}", path.display())).unwrap(), "[1]\n");
        let error = data("@/none/data").unwrap_err();
        assert!(error.to_string().contains("/none/data"), "{error}");
        let error = write(Some(Path::new("/none/data")), "").unwrap_err();
        assert!(error.to_string().contains("/none/data"), "{error}");
    }
}
