//! Small text files of the data folder: after a power cut either the old text or the new one is there.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

/// Gives the file `name` in `folder` the content `text`, durably.
pub(crate) fn replace(folder: &Path, name: &str, text: &str) -> io::Result<()> {
    let temporary = folder.join(format!("{name}.tmp"));
    let mut file = File::create(&temporary)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&temporary, folder.join(name))?;
    File::open(folder)?.sync_all()
}

/// The `key = value` lines of a text, quotes taken off; `None` if a line is no such line.
pub(crate) fn pairs(text: &str) -> Option<Vec<(&str, &str)>> {
    let pair = |line| {
        let (key, value) = str::split_once(line, " = ")?;
        Some((key, value.trim_matches('"')))
    };
    text.lines().map(pair).collect()
}
