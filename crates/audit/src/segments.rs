//! Files of lines, one after the other: written at the end, removed at the beginning. What a crash has left of a line is cut off;
//! whole lines stay, whether they can be read or not.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Bytes after which a file is followed by the next one.
const FILE_BYTES: u64 = 8 << 20;
const ENDING: &str = ".jsonl";
/// Behind the name of a file that is put aside, before a number.
const DAMAGED: &str = ".damaged-";

/// One kind of lines in a folder, numbered upwards.
#[derive(Debug)]
pub(crate) struct Segments {
    place: Place,
    file_bytes: u64,
    open: Option<Open>,
    is_dirty: bool,
}

/// Where they are: for readers, too.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    folder: PathBuf,
    name: &'static str,
}

#[derive(Debug)]
struct Open {
    file: File,
    bytes: u64,
}

/// One of the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    /// Number of its first line.
    pub(crate) first: u64,
    pub(crate) path: PathBuf,
}

impl Place {
    pub(crate) fn new(folder: &Path, name: &'static str) -> Place {
        let folder = folder.to_owned();
        Place { folder, name }
    }

    fn path(&self, first: u64) -> PathBuf {
        self.folder.join(format!("{}-{first:020}{ENDING}", self.name))
    }

    /// The files there are, the oldest first. Other files of the folder are left alone.
    pub(crate) fn list(&self) -> io::Result<Vec<Segment>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            let number = name
                .strip_prefix(self.name)
                .and_then(|rest| rest.strip_prefix('-'));
            let number = number.and_then(|rest| rest.strip_suffix(ENDING));
            if let Some(first) = number.and_then(|number| number.parse().ok()) {
                found.push(Segment { first, path });
            }
        }
        found.sort_by_key(|segment| segment.first);
        Ok(found)
    }
}

impl Segments {
    /// Opens what is there; gives the number of the last line that `number` can read. Of the last file, what follows the last end of a
    /// line is cut off: it was told to nobody. A file of lines of which none can be read is put aside.
    ///
    /// # Errors
    /// What the file system says.
    pub(crate) fn open(place: Place, number: impl Fn(&[u8]) -> Option<u64>) -> io::Result<(Segments, u64)> {
        fs::create_dir_all(&place.folder)?;
        let mut segments = Segments {
            place,
            file_bytes: FILE_BYTES,
            open: None,
            is_dirty: false,
        };
        let mut all = segments.place.list()?;
        while let Some(last) = all.pop() {
            let content = fs::read(&last.path)?;
            let whole = whole_lines(&content);
            if let Some(found) = last_number(whole, &number) {
                segments.adopt(&last.path, content.len() as u64, whole.len() as u64)?;
                return Ok((segments, found));
            }
            match whole.is_empty() {
                true => fs::remove_file(&last.path)?, // not one line of it was written
                false => put_aside(&last.path)?,
            }
        }
        Ok((segments, 0))
    }

    fn adopt(&mut self, path: &Path, bytes: u64, whole: u64) -> io::Result<()> {
        let file = OpenOptions::new().append(true).open(path)?;
        if whole < bytes {
            tracing::info!(path = %path.display(), bytes = bytes - whole, "a torn line was cut off a journal");
            file.set_len(whole)?;
            file.sync_all()?;
        }
        self.open = Some(Open { file, bytes: whole });
        Ok(())
    }

    /// Writes lines, of which the first has the number `first`. After an error nothing may be written before it is opened again.
    ///
    /// # Errors
    /// What the file system says; some of the lines may be there.
    pub(crate) fn append(&mut self, first: u64, lines: &[u8]) -> io::Result<()> {
        let is_full = |open: &Open| open.bytes > 0 && open.bytes + lines.len() as u64 > self.file_bytes;
        if self.open.as_ref().is_some_and(is_full) {
            self.sync()?;
            self.open = None;
        }
        let open = match &mut self.open {
            Some(open) => open,
            None => self.open.insert(create(&self.place, first)?),
        };
        self.is_dirty = true;
        open.file.write_all(lines)?;
        open.bytes += lines.len() as u64;
        Ok(())
    }

    /// Brings what was written to the disk.
    ///
    /// # Errors
    /// What the file system says.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        if let (true, Some(open)) = (self.is_dirty, &self.open) {
            open.file.sync_data()?;
        }
        self.is_dirty = false;
        Ok(())
    }

    /// Removes the oldest files while all of them have more than `bytes_max`, and those that nothing was written to for `keep`. The
    /// last one stays: it says how far the journal is. Gives the bytes that are left.
    ///
    /// # Errors
    /// What the file system says.
    pub(crate) fn shrink(&self, bytes_max: u64, keep: Duration, now: SystemTime) -> io::Result<u64> {
        let all = self.place.list()?;
        let mut sizes = Vec::new();
        for segment in &all {
            let about = fs::metadata(&segment.path)?;
            let age = now.duration_since(about.modified()?).unwrap_or_default();
            sizes.push((about.len(), age));
        }
        let mut left: u64 = sizes.iter().map(|(bytes, _)| bytes).sum();
        let but_last = all.len().saturating_sub(1);
        for (segment, (bytes, age)) in all.iter().zip(sizes).take(but_last) {
            if left <= bytes_max && age <= keep {
                break;
            }
            fs::remove_file(&segment.path)?;
            left -= bytes;
        }
        Ok(left)
    }

    #[cfg(test)]
    pub(crate) fn with_file_bytes(self, file_bytes: u64) -> Segments {
        Segments { file_bytes, ..self }
    }
}

/// For its owner alone: it says who did what.
fn create(place: &Place, first: u64) -> io::Result<Open> {
    let path = place.path(first);
    let file = OpenOptions::new()
        .append(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    File::open(&place.folder)?.sync_all()?;
    Ok(Open { file, bytes: 0 })
}

/// Its name must be free for the file that is written next, and what is in it may say something to whoever looks.
fn put_aside(path: &Path) -> io::Result<()> {
    let named = |number: u32| PathBuf::from(format!("{}{DAMAGED}{number}", path.display()));
    let aside = (1..).map(named).find(|aside| !aside.exists());
    let aside = aside.unwrap_or_else(|| named(0));
    tracing::warn!(
        path = %path.display(), aside = %aside.display(),
        "no line of this file of a journal can be read; it is put aside"
    );
    fs::rename(path, aside)
}

/// Up to the last end of a line: what follows it is being written, or was torn off.
pub(crate) fn whole_lines(content: &[u8]) -> &[u8] {
    match content.iter().rposition(|byte| *byte == b'\n') {
        Some(end) => &content[..=end],
        None => &[],
    }
}

/// The number of the last line that has one.
fn last_number(lines: &[u8], number: &impl Fn(&[u8]) -> Option<u64>) -> Option<u64> {
    lines.rsplit(|byte| *byte == b'\n').find_map(number)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn number(line: &[u8]) -> Option<u64> {
        std::str::from_utf8(line).ok()?.parse().ok()
    }

    fn place(folder: &TempDir) -> Place {
        Place::new(folder.path(), "audit")
    }

    fn open(folder: &TempDir) -> (Segments, u64) {
        let (segments, last) = Segments::open(place(folder), number).unwrap();
        (segments.with_file_bytes(20), last)
    }

    fn content(folder: &TempDir) -> Vec<String> {
        let all = place(folder).list().unwrap();
        all.iter()
            .map(|segment| fs::read_to_string(&segment.path).unwrap())
            .collect()
    }

    #[test]
    fn lines_go_on_in_the_next_file_and_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let (mut segments, last) = open(&folder);
        assert_eq!(last, 0);
        for line in 1001..=1006 {
            segments.append(line, format!("{line}\n").as_bytes()).unwrap();
        }
        segments.sync().unwrap();
        assert_eq!(content(&folder), ["1001\n1002\n1003\n1004\n", "1005\n1006\n"]);
        drop(segments);
        let (mut segments, last) = open(&folder);
        assert_eq!(last, 1006);
        segments.append(1007, b"1007\n").unwrap();
        assert_eq!(content(&folder)[1], "1005\n1006\n1007\n");
        let firsts: Vec<u64> = place(&folder)
            .list()
            .unwrap()
            .iter()
            .map(|found| found.first)
            .collect();
        assert_eq!(firsts, [1001, 1005]);
    }

    /// Whatever a crash leaves behind the last whole line was told to nobody.
    #[test]
    fn a_torn_end_is_cut_off() {
        for (torn, whole) in [
            ("10", ""),
            ("\0\0\0\0", ""),
            ("1002x\n10", "1002x\n"),
            ("x\ny\n10", "x\ny\n"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let (mut segments, _) = open(&folder);
            segments.append(1001, b"1001\n").unwrap();
            drop(segments);
            let path = place(&folder).list().unwrap().remove(0).path;
            let mut file = OpenOptions::new().append(true).open(path).unwrap();
            file.write_all(torn.as_bytes()).unwrap();
            let (mut segments, last) = open(&folder);
            assert_eq!(last, 1001, "{torn:?}");
            segments.append(1002, b"1002\n").unwrap();
            let expected = format!("1001\n{whole}1002\n");
            assert_eq!(content(&folder).concat(), expected, "{torn:?}");
        }
    }

    /// Whoever has changed a line, or a disk that has, must not get rid of the lines before and after it by a restart.
    #[test]
    fn lines_that_cannot_be_read_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit-00000000000000001001.jsonl");
        let damaged = "1001\nx002\n1003\nx004\n";
        fs::write(&path, damaged).unwrap();
        let (mut segments, last) = open(&folder);
        assert_eq!(last, 1003);
        assert_eq!(content(&folder), [damaged]);
        segments.append(1004, b"1004\n").unwrap();
        assert!(content(&folder).concat().starts_with(damaged));
    }

    #[test]
    fn a_file_without_a_line_that_can_be_read_is_put_aside() {
        let folder = tempfile::tempdir().unwrap();
        let name = "audit-00000000000000001001.jsonl";
        for round in 1..=2 {
            fs::write(folder.path().join(name), "x\ny\n").unwrap();
            assert_eq!(open(&folder).1, 0);
            assert!(content(&folder).is_empty());
            for kept in 1..=round {
                let aside = folder.path().join(format!("{name}.damaged-{kept}"));
                assert_eq!(fs::read_to_string(aside).unwrap(), "x\ny\n");
            }
        }
    }

    /// A file that was made and never written is in the way of the one that takes its name.
    #[test]
    fn a_file_without_a_whole_line_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let (mut segments, _) = open(&folder);
        segments.append(1001, b"1001\n").unwrap();
        drop(segments);
        fs::write(folder.path().join("audit-00000000000000001002.jsonl"), "10").unwrap();
        fs::write(folder.path().join("other-7.jsonl"), "not ours").unwrap();
        assert_eq!(open(&folder).1, 1001);
        assert_eq!(content(&folder), ["1001\n"]);
        assert!(folder.path().join("other-7.jsonl").exists());
    }

    #[test]
    fn the_oldest_go_first_and_the_last_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (mut segments, _) = open(&folder);
        for line in 1001..=1012 {
            segments.append(line, format!("{line}\n").as_bytes()).unwrap();
        }
        let now = SystemTime::now();
        assert_eq!(segments.shrink(60, HOUR, now).unwrap(), 60);
        assert_eq!(segments.shrink(59, HOUR, now).unwrap(), 40);
        assert_eq!(content(&folder)[0], "1005\n1006\n1007\n1008\n");
        assert_eq!(segments.shrink(1000, HOUR, now + 2 * HOUR).unwrap(), 20);
        assert_eq!(segments.shrink(0, HOUR, now).unwrap(), 20);
        assert_eq!(open(&folder).1, 1012);
    }

    #[test]
    fn nobody_else_may_read_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let (mut segments, _) = open(&folder);
        segments.append(1, b"1\n").unwrap();
        let path = place(&folder).list().unwrap().remove(0).path;
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
