//! Records the I/O of a program that does its own, by a small library preloaded into it.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::crash_image::{Image, rename};
use super::operation::{FileId, Operation};
use super::writer_process::{ACKNOWLEDGED, ISSUED};

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/recorder/record_io.c");

/// Compiles a library that programs are preloaded with. Needs the C compiler that Rust links with.
pub(crate) fn compile(source: &str, library: &Path) -> io::Result<()> {
    let output = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"])
        .arg(library)
        .args([source, "-ldl", "-lpthread"])
        .output()
        .map_err(|error| io::Error::other(format!("cannot run cc: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    Err(io::Error::other(
        String::from_utf8_lossy(&output.stderr).into_owned(),
    ))
}

/// The compiled library.
pub struct Recorder {
    library: PathBuf,
}

impl Recorder {
    /// Compiles the library into `dir`. Needs the C compiler that Rust links with.
    ///
    /// # Errors
    /// No compiler, or its complaint.
    pub fn compile(dir: &Path) -> io::Result<Recorder> {
        let library = dir.join("librecord_io.so");
        compile(SOURCE, &library)?;
        Ok(Recorder { library })
    }

    /// Runs `program` on `dir`, which holds `start`, and returns what it did there. Paths are relative
    /// to `dir`.
    ///
    /// # Errors
    /// A program that fails, or a record that cannot be read.
    pub fn run(&self, program: &mut Command, dir: &Path, start: &Image) -> io::Result<Vec<Operation>> {
        let record = self.library.with_extension("record");
        let _ = std::fs::remove_file(&record); // that of an earlier run, if any
        let output = program
            .env("LD_PRELOAD", &self.library)
            .env("RECORD_DIR", dir)
            .env("RECORD_FILE", &record)
            .output()?;
        if !output.status.success() {
            let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(io::Error::other(format!(
                "the recorded program failed: {complaint}"
            )));
        }
        let mut translation = Translation::new(dir, start);
        let bytes = std::fs::read(&record)?;
        let mut notes = Notes(&bytes);
        while let Some(note) = notes.next_note() {
            translation.take(&note)?;
        }
        Ok(translation.operations)
    }
}

struct Note<'a> {
    kind: u8,
    file: u64,
    number: u64,
    first: &'a [u8],
    second: &'a [u8],
}

struct Notes<'a>(&'a [u8]);

impl<'a> Notes<'a> {
    fn next_note(&mut self) -> Option<Note<'a>> {
        let kind = self.bytes(1)?[0];
        let (file, number) = (self.number()?, self.number()?);
        let (first, second) = (self.text()?, self.text()?);
        Some(Note {
            kind,
            file,
            number,
            first,
            second,
        })
    }

    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(head)
    }

    fn number(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.bytes(8)?.try_into().ok()?))
    }

    fn text(&mut self) -> Option<&'a [u8]> {
        let length = u32::from_le_bytes(self.bytes(4)?.try_into().ok()?);
        self.bytes(length as usize)
    }
}

/// From the library's file numbers to ours: those of `start` come first.
struct Translation<'a> {
    root: &'a Path,
    names: BTreeMap<PathBuf, FileId>,
    files: HashMap<u64, FileId>,
    next_file: FileId,
    operations: Vec<Operation>,
}

impl<'a> Translation<'a> {
    fn new(root: &'a Path, start: &Image) -> Translation<'a> {
        let names: BTreeMap<PathBuf, FileId> = start.files.keys().cloned().zip(1..).collect();
        let next_file = names.len() as FileId + 1;
        Translation {
            root,
            names,
            files: HashMap::new(),
            next_file,
            operations: Vec::new(),
        }
    }

    fn path(&self, bytes: &[u8]) -> PathBuf {
        let path = PathBuf::from(OsString::from_vec(bytes.to_vec()));
        path.strip_prefix(self.root)
            .map(Path::to_path_buf)
            .unwrap_or(path)
    }

    fn take(&mut self, note: &Note<'_>) -> io::Result<()> {
        let known = self.files.get(&note.file).copied();
        let known =
            move || known.ok_or_else(|| io::Error::other("the record names a file that was never opened"));
        let operation = match note.kind {
            1 => {
                let file = self.next_file;
                self.next_file += 1;
                self.files.insert(note.file, file);
                Operation::Create {
                    path: self.path(note.first),
                    file,
                }
            }
            2 => {
                let path = self.path(note.first);
                let file = self.names.get(&path).copied();
                let file =
                    file.ok_or_else(|| io::Error::other(format!("{} is of unknown origin", path.display())))?;
                self.files.insert(note.file, file);
                return Ok(());
            }
            3 => Operation::Write {
                file: known()?,
                offset: note.number,
                data: note.first.to_vec(),
            },
            4 => Operation::SetLength {
                file: known()?,
                length: note.number,
            },
            5 => Operation::Rename {
                from: self.path(note.first),
                to: self.path(note.second),
            },
            6 => Operation::Unlink {
                path: self.path(note.first),
            },
            7 => Operation::SyncFile { file: known()? },
            8 => Operation::SyncDir {
                dir: self.path(note.first),
            },
            9 => {
                self.operations.extend(remark(note.first));
                return Ok(());
            }
            kind => return Err(io::Error::other(format!("the record has a note of kind {kind}"))),
        };
        rename(&mut self.names, &operation, None);
        self.operations.push(operation);
        Ok(())
    }
}

fn remark(line: &[u8]) -> Option<Operation> {
    let (word, number) = std::str::from_utf8(line).ok()?.trim_end().split_once(' ')?;
    let number = number.parse().ok()?;
    match word {
        ISSUED => Some(Operation::Issued(number)),
        ACKNOWLEDGED => Some(Operation::Acknowledged(number)),
        _ => None,
    }
}
