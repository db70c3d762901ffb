//! JSON lines on a file or on standard output. The file is opened for each line, so that whoever rotates it need tell nobody.

use std::convert::Infallible;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::str::FromStr;

use super::{Line, Target};
use crate::record;

/// Where JSON lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JsonLinesTarget {
    /// Standard output: `-`.
    Stdout,
    /// The end of a file, which is made for its owner alone.
    File(PathBuf),
}

impl FromStr for JsonLinesTarget {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "-" => Self::Stdout,
            path => Self::File(path.into()),
        })
    }
}

pub(super) struct JsonLines(JsonLinesTarget);

impl JsonLines {
    pub(super) fn new(target: JsonLinesTarget) -> JsonLines {
        JsonLines(target)
    }
}

impl Target for JsonLines {
    fn send(&mut self, line: &Line) -> io::Result<()> {
        let bytes = match line {
            Line::Record(record) => record::line(&**record),
            Line::Denial(denial) => record::line(&**denial),
        };
        match &self.0 {
            JsonLinesTarget::Stdout => {
                let mut out = io::stdout().lock();
                out.write_all(&bytes)?;
                out.flush()
            }
            JsonLinesTarget::File(path) => {
                let mut options = OpenOptions::new();
                let mut file = options.append(true).create(true).mode(0o600).open(path)?;
                file.write_all(&bytes)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::record::tests::record;

    /// Who rotates logs renames the file; what comes after that is in a new one.
    #[test]
    fn a_file_that_was_rotated_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let mut lines = JsonLines::new(path.to_str().unwrap().parse().unwrap());
        let line = |revision| Line::Record(Arc::new(record(revision, "user/ada", "gpu")));
        lines.send(&line(1)).unwrap();
        lines.send(&line(2)).unwrap();
        let rotated = folder.path().join("audit.jsonl.1");
        std::fs::rename(&path, &rotated).unwrap();
        lines.send(&line(3)).unwrap();
        let count = |path| std::fs::read_to_string(path).unwrap().lines().count();
        assert_eq!((count(&rotated), count(&path)), (2, 1));
    }

    #[test]
    fn a_dash_is_standard_output() {
        assert_eq!("-".parse(), Ok(JsonLinesTarget::Stdout));
        assert_eq!("/x".parse(), Ok(JsonLinesTarget::File("/x".into())));
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error_and_no_panic() {
        let mut lines = JsonLines::new(JsonLinesTarget::File("/none/at/all.jsonl".into()));
        let line = Line::Record(Arc::new(record(1, "user/ada", "gpu")));
        lines.send(&line).unwrap_err();
    }
}
