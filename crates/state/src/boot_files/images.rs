//! Images: a kernel and what boots with it, under one name. What an image is made of never changes under its name.

use std::collections::BTreeSet;
use std::sync::Arc;

use model::{BootFileName, ImageName, Rejection, Sha256};
use proto::boot_file::v1::boot_file_command::{DeleteImage, PutImage, SetImagePinned};
use proto::boot_file::v1::{Image, ImageFile};
use proto::raft::v1::outcome::Applied;
use proto::raft::v1::snapshot_row::Row;

use super::{BootFiles, users};
use crate::bounds::{IMAGE_MEMBERS_MAX, IMAGES_MAX};
use crate::bss::{Bss, check_params};
use crate::changes::Changes;
use crate::event::Object;
use crate::log_position::{LogPosition, check_revision};
use crate::outcome::deleted;
use crate::snapshot::SnapshotError;
use crate::table::{Record, Table};
use crate::{RowKey, RowKind};

/// Word for the kind in rejections.
const KIND: &str = "image";
/// Architectures as iPXE's `${buildarch}` says them.
const ARCHITECTURES: [&str; 7] = [
    "i386", "x86_64", "arm32", "arm64", "riscv32", "riscv64", "loong64",
];

/// Images by name.
#[derive(Clone, Default)]
pub(super) struct Images {
    table: Table<Image>,
}

impl Images {
    pub(super) fn get(&self, name: &str) -> Option<&Arc<Image>> {
        self.table.get(&name.to_owned())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Image>> {
        self.table.values()
    }

    /// The first image that has this boot file.
    pub(super) fn with_file(&self, file: &str) -> Option<&Arc<Image>> {
        self.iter().find(|image| names_of(image).any(|name| name == file))
    }

    pub(super) fn set_pinned(
        &mut self,
        set: &SetImagePinned,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let before = self.existing(&set.name, set.if_revision)?;
        let (mut applied, keys) = (Applied::default(), vec![before.name.clone()]);
        if before.pinned == set.pinned {
            applied.unchanged = keys;
            return Ok(applied);
        }
        let after = Image {
            pinned: set.pinned,
            meta: at.modified(before.meta.as_ref()),
            ..before.as_ref().clone()
        };
        self.table.put(after.name.clone(), after, changes);
        applied.updated = keys;
        Ok(applied)
    }

    fn existing(&self, name: &str, if_revision: Option<u64>) -> Result<Arc<Image>, Rejection> {
        let before = self.get(name).ok_or_else(|| Rejection::not_found(KIND, name))?;
        check_revision(name, if_revision, before.meta.as_ref())?;
        Ok(Arc::clone(before))
    }

    /// Whether an image may go as far as images are concerned.
    fn check_may_go(&self, image: &Image, delete: &DeleteImage) -> Result<(), Rejection> {
        if delete.force {
            return Ok(());
        }
        let name = &image.name;
        let detail = if image.pinned {
            format!("the image {name} is pinned; unpin it first, or remove it by force")
        } else if delete.remaining == *name
            || !delete.remaining.is_empty() && self.get(&delete.remaining).is_none()
        {
            format!(
                "the image {name} may be the last good one: {} is gone meanwhile; look again",
                delete.remaining
            )
        } else {
            return Ok(());
        };
        Err(Rejection::Conflict { detail })
    }

    pub(super) fn load(&mut self, row: Image, changes: &mut Changes) -> Result<(), SnapshotError> {
        let key = self.table.check_load(&row, RowKind::Image)?;
        self.table.put(key, row, changes);
        Ok(())
    }
}

impl BootFiles {
    /// Creates an image of files that the catalogue has, or changes what is said of one. `bss`: who boots it.
    pub(super) fn put_image(
        &mut self,
        put: &PutImage,
        bss: &Bss,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let given = put.image.as_ref();
        let mut image = normalised(given.ok_or_else(|| Rejection::invalid("image", "it is missing"))?)?;
        let before = self.images.get(&image.name).cloned();
        let meta = before.as_ref().and_then(|before| before.meta.as_ref());
        check_revision(&image.name, put.if_revision, meta)?;
        for (field, file) in parts_mut(&mut image) {
            *file = self.as_in_catalogue(field, file)?;
        }
        let (mut applied, keys) = (Applied::default(), vec![image.name.clone()]);
        match before {
            None if self.images.table.len() >= IMAGES_MAX => {
                let problem = format!("there are {IMAGES_MAX} images; remove one first");
                return Err(Rejection::invalid("image", problem));
            }
            None => {
                image.meta = at.created();
                applied.created = keys;
            }
            Some(before) => {
                check_same_parts(&before, &image)?;
                check_arch_fits_users(&image, bss)?;
                image.pinned = before.pinned;
                image.meta.clone_from(&before.meta);
                if *before == image {
                    applied.unchanged = keys;
                    return Ok(applied);
                }
                image.meta = at.modified(before.meta.as_ref());
                applied.updated = keys;
            }
        }
        self.images.table.put(image.name.clone(), image, changes);
        Ok(applied)
    }

    /// What the catalogue says of a part: what was said of it must agree.
    fn as_in_catalogue(&self, field: &str, given: &ImageFile) -> Result<ImageFile, Rejection> {
        let Some(stored) = self.get(&given.name) else {
            let problem = format!("there is no boot file {}; put it first", given.name);
            return Err(Rejection::invalid(field, problem));
        };
        let agrees = given.size == stored.size && given.sha256 == stored.sha256;
        if !given.sha256.is_empty() && !agrees {
            let detail = format!(
                "{field}: the boot file {} has {} bytes and the SHA-256 {}, not {} bytes and {}; put it again",
                given.name, stored.size, stored.sha256, given.size, given.sha256
            );
            return Err(Rejection::Conflict { detail });
        }
        Ok(ImageFile {
            name: stored.name.clone(),
            size: stored.size,
            sha256: stored.sha256.clone(),
        })
    }

    /// Removes an image and those of its files that no other image has, unless somebody boots from them.
    pub(super) fn delete_image(
        &mut self,
        delete: &DeleteImage,
        bss: &Bss,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let image = self.images.existing(&delete.name, delete.if_revision)?;
        self.images.check_may_go(&image, delete)?;
        let is_others = |file: &&str| {
            let mut others = self.images.iter().filter(|other| other.name != image.name);
            others.any(|other| names_of(other).any(|name| name == *file))
        };
        let going: BTreeSet<&str> = names_of(&image).filter(|file| !is_others(file)).collect();
        if let Some(users) = users::of_image(bss, self, &image.name, &going) {
            let detail = format!("the image {} is in use: {users}; change that first", image.name);
            return Err(Rejection::Conflict { detail });
        }
        for file in &going {
            self.files.remove(&(*file).to_owned(), changes);
        }
        self.images.table.remove(&image.name, changes);
        let gone: Vec<String> = [image.name.as_str()]
            .into_iter()
            .chain(going)
            .map(str::to_owned)
            .collect();
        Ok(deleted(gone.into_iter()))
    }

    /// # Errors
    /// `Malformed` for an image with a file that is not in the catalogue.
    pub(crate) fn check_loaded(&self) -> Result<(), SnapshotError> {
        for image in self.images.iter() {
            for (field, file) in parts(image) {
                self.as_in_catalogue(field, file)
                    .map_err(|rejection| SnapshotError::Malformed {
                        kind: RowKind::Image,
                        problem: format!("{}: {rejection}", image.name),
                    })?;
            }
        }
        Ok(())
    }
}

/// The parts that an image has, with their fields.
fn parts(image: &Image) -> impl Iterator<Item = (&'static str, &ImageFile)> {
    let parts = [
        ("kernel", &image.kernel),
        ("initrd", &image.initrd),
        ("root_fs", &image.root_fs),
        ("kernel_signature", &image.kernel_signature),
        ("initrd_signature", &image.initrd_signature),
    ];
    parts
        .into_iter()
        .filter_map(|(field, file)| Some((field, file.as_ref()?)))
}

fn parts_mut(image: &mut Image) -> impl Iterator<Item = (&'static str, &mut ImageFile)> {
    let parts = [
        ("kernel", &mut image.kernel),
        ("initrd", &mut image.initrd),
        ("root_fs", &mut image.root_fs),
        ("kernel_signature", &mut image.kernel_signature),
        ("initrd_signature", &mut image.initrd_signature),
    ];
    parts
        .into_iter()
        .filter_map(|(field, file)| Some((field, file.as_mut()?)))
}

/// Names of the boot files of an image.
fn names_of(image: &Image) -> impl Iterator<Item = &str> {
    parts(image).map(|(_, file)| file.name.as_str())
}

/// A node that boots half way through a change would get the halves of two versions.
fn check_same_parts(before: &Image, after: &Image) -> Result<(), Rejection> {
    if parts(before).eq(parts(after)) {
        return Ok(());
    }
    Err(Rejection::AlreadyExists {
        kind: KIND.into(),
        id: before.name.clone(),
        detail: "what it is made of never changes; choose another name, or remove it first".into(),
    })
}

/// What a configuration was checked against when it was written must not change under it.
fn check_arch_fits_users(image: &Image, bss: &Bss) -> Result<(), Rejection> {
    let Some(configuration) = users::of_another_arch(bss, image) else {
        return Ok(());
    };
    let problem = format!(
        "{} is given, and the boot configuration {configuration} boots the image on nodes of another; change that first",
        image.arch
    );
    Err(Rejection::invalid("arch", problem))
}

/// What is stored: every word in its one form, not pinned, and no meta of the client's.
fn normalised(given: &Image) -> Result<Image, Rejection> {
    let name: ImageName = given.name.parse().map_err(|e| Rejection::invalid("name", e))?;
    if given.kernel.is_none() {
        return Err(Rejection::invalid(
            "kernel",
            "it is missing; nothing boots without one",
        ));
    }
    if given.initrd_signature.is_some() && given.initrd.is_none() {
        let problem = "there is no initrd that it could be of; leave it out, or give the initrd too";
        return Err(Rejection::invalid("initrd_signature", problem));
    }
    if !given.arch.is_empty() && !ARCHITECTURES.contains(&given.arch.as_str()) {
        let problem = format!(
            "write one of {}, as iPXE's ${{buildarch}} says",
            ARCHITECTURES.join(", ")
        );
        return Err(Rejection::invalid("arch", problem));
    }
    check_params(&given.params)?;
    if given.min_members > IMAGE_MEMBERS_MAX {
        let problem = format!("at most {IMAGE_MEMBERS_MAX} are accepted; 0 means all that nodes boot from");
        return Err(Rejection::invalid("min_members", problem));
    }
    let mut image = Image {
        name: name.to_string(),
        pinned: false,
        meta: None,
        ..given.clone()
    };
    for (field, file) in parts_mut(&mut image) {
        *file = normalised_file(field, file)?;
    }
    Ok(image)
}

/// A part may be named alone.
fn normalised_file(field: &str, given: &ImageFile) -> Result<ImageFile, Rejection> {
    let name: BootFileName = given.name.parse().map_err(|e| Rejection::invalid(field, e))?;
    let sha256 = match given.sha256.as_str() {
        "" if given.size == 0 => String::new(),
        "" => {
            return Err(Rejection::invalid(
                field,
                "it has a size and no sha256; give both or neither",
            ));
        }
        text => {
            let sha256: Sha256 = text.parse().map_err(|e| Rejection::invalid(field, e))?;
            sha256.to_string()
        }
    };
    Ok(ImageFile {
        name: name.to_string(),
        size: given.size,
        sha256,
    })
}

impl Record for Image {
    type Key = String;

    fn row_key(name: &String) -> RowKey {
        RowKey::image(name)
    }

    fn key(&self) -> Result<String, String> {
        let stored = normalised(self).map_err(|rejection| rejection.to_string())?;
        if !parts(&stored).eq(parts(self)) || parts(self).any(|(_, file)| file.sha256.is_empty()) {
            return Err(format!(
                "{}: the SHA-256 of a part is not in its one form",
                self.name
            ));
        }
        Ok(stored.name)
    }

    fn into_row(self) -> Row {
        Row::Image(self)
    }

    fn object(self: Arc<Self>) -> Option<Object> {
        Some(Object::Image(self))
    }
}
