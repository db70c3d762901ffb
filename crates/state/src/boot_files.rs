//! The catalogue of boot files: names, sizes and digests. The bytes lie in a folder of each member. Images, which are made
//! of them, are in `images.rs`.

mod images;
mod users;

use std::sync::Arc;

use model::{BootFileName, Rejection, Sha256};
use proto::boot_file::v1::boot_file_command::{Change, DeleteBootFile, PutBootFile};
use proto::boot_file::v1::{BootFile, BootFileCommand, Image};
use proto::http::v1::ObjectMeta;
use proto::raft::v1::outcome::Applied;
use proto::raft::v1::snapshot_row::Row;

use self::images::Images;
use crate::apply::no_command;
use crate::bounds::{BOOT_FILE_BYTES_MAX, BOOT_FILES_MAX};
use crate::bss::Bss;
use crate::changes::Changes;
use crate::cluster::{FEATURE_LEVEL_BOOT, FEATURE_LEVEL_FIRST};
use crate::event::Object;
use crate::log_position::{LogPosition, check_revision};
use crate::outcome::deleted;
use crate::snapshot::SnapshotError;
use crate::table::{Record, Table};
use crate::{RowKey, RowKind};

/// Boot files and images by name.
#[derive(Clone, Default)]
pub struct BootFiles {
    files: Table<BootFile>,
    images: Images,
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

    /// An image by its name.
    pub fn image(&self, name: &str) -> Option<Arc<Image>> {
        self.images.get(name).cloned()
    }

    /// Every image, sorted by name.
    pub fn images(&self) -> impl Iterator<Item = &Arc<Image>> {
        self.images.iter()
    }

    /// `bss`: who boots from the files.
    pub(crate) fn apply(
        &mut self,
        command: &BootFileCommand,
        bss: &Bss,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        match command.change.as_ref().ok_or_else(no_command)? {
            Change::PutBootFile(put) => self.put(put, at, changes),
            Change::DeleteBootFile(delete) => self.delete(delete, changes),
            Change::PutImage(put) => self.put_image(put, bss, at, changes),
            Change::SetImagePinned(set) => self.images.set_pinned(set, at, changes),
            Change::DeleteImage(delete) => self.delete_image(delete, bss, changes),
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
        check_revision(&file.name, put.if_revision, meta_of(before.as_deref()))?;
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
                self.check_no_image_has(&file.name)?;
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
        check_revision(&delete.name, delete.if_revision, before.meta.as_ref())?;
        self.check_no_image_has(&delete.name)?;
        self.files.remove(&delete.name, changes);
        Ok(deleted(std::iter::once(delete.name.clone())))
    }

    /// Whether a file of this name may be put, with this size and SHA-256 as far as they are known: better said before gigabytes
    /// are sent.
    ///
    /// # Errors
    /// `Conflict` for a file that an image has, if it is to be another one.
    pub fn check_may_put(
        &self,
        name: &str,
        size: Option<u64>,
        sha256: Option<Sha256>,
    ) -> Result<(), Rejection> {
        let Some(stored) = self.get(name) else {
            return Ok(());
        };
        let is_other = size.is_some_and(|size| size != stored.size)
            || sha256.is_some_and(|sha256| sha256.to_string() != stored.sha256);
        match is_other {
            true => self.check_no_image_has(name),
            false => Ok(()),
        }
    }

    /// What an image is made of stays as it is: whoever boots it half way gets the other half too.
    fn check_no_image_has(&self, name: &str) -> Result<(), Rejection> {
        let Some(image) = self.images.with_file(name) else {
            return Ok(());
        };
        let detail = format!(
            "the image {} has the boot file {name}, which neither changes nor goes while it does; put the bytes under \
             another name, or remove the image",
            image.name
        );
        Err(Rejection::Conflict { detail })
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = Row> + '_ {
        let files = self.files.values().map(|file| file.as_ref().clone().into_row());
        files.chain(self.images.iter().map(|image| image.as_ref().clone().into_row()))
    }

    pub(crate) fn row(&self, key: &RowKey) -> Option<Row> {
        let name = std::str::from_utf8(key.key()).ok()?;
        match key.kind() {
            RowKind::Image => Some(self.images.get(name)?.as_ref().clone().into_row()),
            _ => Some(self.get(name)?.as_ref().clone().into_row()),
        }
    }

    pub(crate) fn load(&mut self, row: BootFile, changes: &mut Changes) -> Result<(), SnapshotError> {
        let key = self.files.check_load(&row, RowKind::BootFile)?;
        self.files.put(key, row, changes);
        Ok(())
    }

    pub(crate) fn load_image(&mut self, row: Image, changes: &mut Changes) -> Result<(), SnapshotError> {
        self.images.load(row, changes)
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

fn meta_of(file: Option<&BootFile>) -> Option<&ObjectMeta> {
    file.and_then(|file| file.meta.as_ref())
}

/// From which level on the log may have this command.
pub(crate) fn feature_level(command: &BootFileCommand) -> u32 {
    match &command.change {
        None | Some(Change::PutBootFile(_) | Change::DeleteBootFile(_)) => FEATURE_LEVEL_FIRST,
        Some(Change::PutImage(_) | Change::SetImagePinned(_) | Change::DeleteImage(_)) => FEATURE_LEVEL_BOOT,
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
