//! Small text files of the data folder: after a power cut either the old text or the new one is there.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

/// The file that every data folder begins with.
pub(crate) const HEADER: &str = "header";
/// Key of the last line: the CRC-32 of everything before it.
const CHECK: &str = "check = ";

/// Gives the file `name` in `folder` the content `text`, durably.
pub(crate) fn replace(folder: &Path, name: &str, text: &str) -> io::Result<()> {
    let temporary = folder.join(format!("{name}.tmp"));
    let mut file = File::create(&temporary)?;
    file.write_all(format!("{text}{}", check_line(text)).as_bytes())?;
    file.sync_all()?;
    fs::rename(&temporary, folder.join(name))?;
    File::open(folder)?.sync_all()
}

/// The text that [`replace`] was given. A file of version 0.3.0 has no check and is taken as it is: the header, and what
/// lies beside a header without one.
///
/// # Errors
/// `InvalidData` for a text that was altered or cut off since; what the file system says, `NotFound` among it.
pub(crate) fn read(folder: &Path, name: &str) -> io::Result<String> {
    let path = folder.join(name);
    let damaged = || {
        let text = format!("{} is damaged: its check does not agree with it", path.display());
        io::Error::new(io::ErrorKind::InvalidData, text)
    };
    let mut text = String::from_utf8(fs::read(&path)?).map_err(|_| damaged())?;
    match check_of(&text) {
        Some(end) if text[end..] == check_line(&text[..end]) => text.truncate(end),
        None if !text.is_empty() && (name == HEADER || is_of_0_3_0(folder)) => {}
        Some(_) | None => return Err(damaged()),
    }
    Ok(text)
}

/// Where the last line is a check.
fn check_of(text: &str) -> Option<usize> {
    let start = text.rfind(CHECK)?;
    (text[start..].lines().count() == 1).then_some(start)
}

/// Whether the folder was made by the version that wrote no checks: the header is written once.
fn is_of_0_3_0(folder: &Path) -> bool {
    fs::read_to_string(folder.join(HEADER)).is_ok_and(|text| !text.is_empty() && check_of(&text).is_none())
}

fn check_line(text: &str) -> String {
    format!("{CHECK}\"{:08x}\"\n", crc32fast::hash(text.as_bytes()))
}

/// The `key = value` lines of a text, quotes taken off; `None` if a line is no such line.
pub(crate) fn pairs(text: &str) -> Option<Vec<(&str, &str)>> {
    let pair = |line| {
        let (key, value) = str::split_once(line, " = ")?;
        Some((key, value.trim_matches('"')))
    };
    text.lines().map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "format = 1\nstore-id = \"00c0ffee00c0ffee\"\n";

    /// One digit of an id that becomes another digit is an id as well, and would be believed.
    #[test]
    fn every_flipped_bit_is_found_or_changes_the_form() {
        let folder = tempfile::tempdir().unwrap();
        replace(folder.path(), "header", TEXT).unwrap();
        assert_eq!(read(folder.path(), "header").unwrap(), TEXT);
        let written = fs::read(folder.path().join("header")).unwrap();
        for (place, bit) in (0..written.len()).flat_map(|place| (0..8).map(move |bit| (place, bit))) {
            let mut bytes = written.clone();
            bytes[place] ^= 1 << bit;
            fs::write(folder.path().join("header"), bytes).unwrap();
            match read(folder.path(), "header") {
                Err(error) => assert!(error.to_string().contains("header is damaged"), "{error}"),
                // the word `check` itself is no word any more: one line too many
                Ok(text) => assert!(text.lines().count() > 2, "byte {place}, bit {bit}: {text}"),
            }
        }
    }

    #[test]
    fn a_file_of_the_version_without_a_check_is_read() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["header", "peers"] {
            fs::write(folder.path().join(name), TEXT).unwrap();
            assert_eq!(read(folder.path(), name).unwrap(), TEXT);
        }
    }

    /// Cut off at the end of a line, a list of members is a list of fewer members.
    #[test]
    fn a_file_that_was_cut_off_is_found() {
        let folder = tempfile::tempdir().unwrap();
        replace(folder.path(), "header", TEXT).unwrap();
        replace(folder.path(), "peers", TEXT).unwrap();
        let written = fs::read(folder.path().join("peers")).unwrap();
        for length in 0..written.len() {
            fs::write(folder.path().join("peers"), &written[..length]).unwrap();
            let error = read(folder.path(), "peers").unwrap_err();
            assert!(
                error.to_string().contains("peers is damaged"),
                "{length}: {error}"
            );
        }
        fs::remove_file(folder.path().join("header")).unwrap();
        fs::write(folder.path().join("peers"), TEXT).unwrap();
        read(folder.path(), "peers").unwrap_err();
        fs::write(folder.path().join("header"), "").unwrap();
        read(folder.path(), "header").unwrap_err();
    }
}
