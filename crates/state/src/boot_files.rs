//! The catalogue of boot files: names, sizes and digests. The bytes lie in a folder of each member.

use std::sync::Arc;

use model::Rejection;
use proto::boot_file::v1::{BootFile, BootFileCommand};
use proto::raft::v1::outcome::Applied;
use proto::raft::v1::snapshot_row::Row;

use crate::apply::no_command;
use crate::changes::Changes;
use crate::log_position::LogPosition;
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
        _command: &BootFileCommand,
        _at: &LogPosition<'_>,
        _changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        Err(no_command())
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

impl Record for BootFile {
    type Key = String;

    fn row_key(name: &String) -> RowKey {
        RowKey::boot_file(name)
    }

    fn key(&self) -> Result<String, String> {
        Ok(self.name.clone())
    }

    fn into_row(self) -> Row {
        Row::BootFile(self)
    }
}
