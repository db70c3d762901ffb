//! The catalogue of boot files: names, sizes and digests. The bytes lie in a folder of each member.

use std::sync::Arc;

use model::{BootFileName, Rejection, Sha256};
use proto::boot_file::v1::boot_file_command::{Change, DeleteBootFile, PutBootFile};
use proto::boot_file::v1::{BootFile, BootFileCommand};
use proto::raft::v1::outcome::Applied;
use proto::raft::v1::snapshot_row::Row;

use crate::apply::no_command;
use crate::bounds::{BOOT_FILE_BYTES_MAX, BOOT_FILES_MAX};
use crate::changes::Changes;
use crate::cluster::FEATURE_LEVEL_FIRST;
use crate::event::Object;
use crate::log_position::{LogPosition, modified_revision};
use crate::outcome::deleted;
use crate::snapshot::SnapshotError;
use crate::table::{Record, Table};
use crate::{RowKey, RowKind};

/// Boot files by name.
#[derive(Clone, Default)]
pub struct BootFiles {
    files: Table<BootFile>,
}

impl BootFiles {
    /// A file by its name.
    pub fn get(&self, name: &str) -> Option<Arc<BootFile>> {
        self.files.get(&name.to_owned()).cloned()
    }

    /// Every file, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<BootFile>> {
        self.files.values()
    }

    pub(crate) fn apply(
        &mut self,
        command: &BootFileCommand,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        match command.change.as_ref().ok_or_else(no_command)? {
            Change::PutBootFile(put) => self.put(put, at, changes),
            Change::DeleteBootFile(delete) => self.delete(delete, changes),
        }
    }

    fn put(
        &mut self,
        put: &PutBootFile,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let mut file = normalised(put.file.as_ref())?;
        let before = self.get(&file.name);
        check_revision(&file.name, before.as_deref(), put.if_revision)?;
        if before.is_none() && self.files.len() >= BOOT_FILES_MAX {
            let problem = format!("there are {BOOT_FILES_MAX} boot files; delete one first");
            return Err(Rejection::invalid("file", problem));
        }
        let (mut applied, keys) = (Applied::default(), vec![file.name.clone()]);
        match before {
            Some(before) if before.size == file.size && before.sha256 == file.sha256 => {
                applied.unchanged = keys;
                return Ok(applied);
            }
            Some(before) => {
                file.meta = at.modified(before.meta.as_ref());
                applied.updated = keys;
            }
            None => {
                file.meta = at.created();
                applied.created = keys;
            }
        }
        self.files.put(file.name.clone(), file, changes);
        Ok(applied)
    }

    fn delete(&mut self, delete: &DeleteBootFile, changes: &mut Changes) -> Result<Applied, Rejection> {
        let not_found = || Rejection::not_found("boot file", &delete.name);
        let before = self.get(&delete.name).ok_or_else(not_found)?;
        check_revision(&delete.name, Some(&before), delete.if_revision)?;
        self.files.remove(&delete.name, changes);
        Ok(deleted(std::iter::once(delete.name.clone())))
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = Row> + '_ {
        self.files.values().map(|file| file.as_ref().clone().into_row())
    }

    pub(crate) fn row(&self, key: &RowKey) -> Option<Row> {
        let file = self.get(std::str::from_utf8(key.key()).ok()?)?;
        Some(file.as_ref().clone().into_row())
    }

    pub(crate) fn load(&mut self, row: BootFile, changes: &mut Changes) -> Result<(), SnapshotError> {
        let key = self.files.check_load(&row, RowKind::BootFile)?;
        self.files.put(key, row, changes);
        Ok(())
    }
}

/// What is stored: name and digest in their one form, and no meta of the client's.
fn normalised(file: Option<&BootFile>) -> Result<BootFile, Rejection> {
    let file = file.ok_or_else(|| Rejection::invalid("file", "it is missing"))?;
    let name: BootFileName = file
        .name
        .parse()
        .map_err(|e| Rejection::invalid("file.name", e))?;
    let sha256: Sha256 = file
        .sha256
        .parse()
        .map_err(|e| Rejection::invalid("file.sha256", e))?;
    if file.size > BOOT_FILE_BYTES_MAX {
        let problem = format!(
            "{} bytes are given, at most {BOOT_FILE_BYTES_MAX} are accepted",
            file.size
        );
        return Err(Rejection::invalid("file.size", problem));
    }
    Ok(BootFile {
        name: name.as_str().to_owned(),
        size: file.size,
        sha256: sha256.to_string(),
        meta: None,
    })
}

/// A file that is not there is at revision 0.
fn check_revision(name: &str, before: Option<&BootFile>, expected: Option<u64>) -> Result<(), Rejection> {
    let actual = before.map_or(0, |file| modified_revision(file.meta.as_ref()));
    match expected {
        Some(expected) if expected != actual => Err(Rejection::RevisionMismatch {
            id: name.to_owned(),
            expected,
            actual,
        }),
        Some(_) | None => Ok(()),
    }
}

/// From which level on the log may have this command.
pub(crate) fn feature_level(command: &BootFileCommand) -> u32 {
    match &command.change {
        None | Some(Change::PutBootFile(_) | Change::DeleteBootFile(_)) => FEATURE_LEVEL_FIRST,
    }
}

impl Record for BootFile {
    type Key = String;

    fn row_key(name: &String) -> RowKey {
        RowKey::boot_file(name)
    }

    fn key(&self) -> Result<String, String> {
        let stored = normalised(Some(self)).map_err(|rejection| rejection.to_string())?;
        if stored.sha256 != self.sha256 {
            return Err(format!("{}: the SHA-256 is not in lower case", self.name));
        }
        Ok(stored.name)
    }

    fn into_row(self) -> Row {
        Row::BootFile(self)
    }

    fn object(self: Arc<Self>) -> Option<Object> {
        Some(Object::BootFile(self))
    }
}
