//! What cloud-init gives the members of a group.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::{GroupLabel, InvalidValue, Rejection};
use prost::Message as _;
use prost_types::Struct;
use proto::cloud_init::v1::cloud_init_command::{DeleteGroup, PatchGroup, PutGroup};
use proto::cloud_init::v1::{Group, GroupFile};
use proto::raft::v1::outcome::Applied;
use proto::raft::v1::snapshot_row::Row;

use super::secrets::{
    Part, Sealed, check_is_brought, check_stays_secret, group_meta_data_secret, group_secret,
};
use crate::bounds::{
    CLOUD_INIT_BYTES_MAX, CLOUD_INIT_DEPTH_MAX, CLOUD_INIT_GROUPS_BYTES_MAX, CLOUD_INIT_GROUPS_MAX,
    CLOUD_INIT_SECRET_GROUPS_MAX, DESCRIPTION_BYTES_MAX, NAME_BYTES_MAX, check_count, check_text,
};
use crate::bss::{depth, merge};
use crate::changes::Changes;
use crate::cluster::Cluster;
use crate::event::Object;
use crate::log_position::{LogPosition, check_revision};
use crate::outcome::deleted;
use crate::snapshot::SnapshotError;
use crate::table::{Record, Table};
use crate::{RowKey, RowKind};

/// Word for the kind in rejections.
const KIND: &str = "cloud-init group";
const PLAIN: &str = "plain";
const BASE64: &str = "base64";
const META_DATA: &str = "meta-data";
const FILE: &str = "file";
/// What a patch may take away.
const CLEARED: [&str; 2] = [META_DATA, FILE];

/// Groups by name.
#[derive(Clone, Default)]
pub(super) struct Groups {
    table: Table<Group>,
}

impl Groups {
    /// In any case: SMD's labels, which these names must equal, are lower case.
    pub(super) fn get(&self, name: &str) -> Option<&Arc<Group>> {
        self.table.get(&name.to_ascii_lowercase())
    }

    /// Sorted by name.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Group>> {
        self.table.values()
    }

    /// Creates or replaces. `secrets` holds what a secret group gives.
    ///
    /// # Errors
    /// `AlreadyExists` if it must be new and is not; `Invalid` for what could not be served, and for a secret that is not
    /// sealed; `RevisionMismatch`.
    ///
    /// Source: OpenCHAMI/cloud-init `POST /admin/groups`, `PUT /admin/groups/{id}`.
    pub(super) fn put(
        &mut self,
        put: &PutGroup,
        secrets: &mut Cluster,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let given = put.group.as_ref();
        let mut group = normalised(given.ok_or_else(|| Rejection::invalid("group", "it is missing"))?)?;
        let sealed = sealed(&group.name, put);
        sealed.check(group.secret)?;
        let before = self.get(&group.name).cloned();
        if put.must_be_new && before.is_some() {
            let detail = "use PUT to replace it".to_owned();
            let (kind, id) = (KIND.to_owned(), group.name);
            return Err(Rejection::AlreadyExists { kind, id, detail });
        }
        let meta = before.as_ref().and_then(|before| before.meta.as_ref());
        check_revision(&group.name, put.if_revision, meta)?;
        let was_secret = before.as_ref().is_some_and(|before| before.secret);
        check_stays_secret("group", &group.name, was_secret, group.secret)?;
        if group.secret {
            keep_sealed(&mut group, before.as_deref(), put)?;
        }
        self.check_room(&group, before.is_none())?;
        sealed.store(group.secret, secrets, changes);
        let mut applied = Applied::default();
        match &before {
            Some(before) => {
                group.meta = at.modified(before.meta.as_ref());
                applied.updated.push(group.name.clone());
            }
            None => {
                group.meta = at.created();
                applied.created.push(group.name.clone());
            }
        }
        self.table.put(group.name.clone(), group, changes);
        Ok(applied)
    }

    /// All groups must fit into one answer.
    fn check_room(&self, group: &Group, is_new: bool) -> Result<(), Rejection> {
        if is_new && self.table.len() >= CLOUD_INIT_GROUPS_MAX {
            let problem = format!("there are {CLOUD_INIT_GROUPS_MAX} groups; delete one first");
            return Err(Rejection::invalid("name", problem));
        }
        let is_other = |other: &&Arc<Group>| other.name != group.name;
        let secret = self.iter().filter(is_other).filter(|other| other.secret);
        if group.secret && secret.count() >= CLOUD_INIT_SECRET_GROUPS_MAX {
            let problem = format!("{CLOUD_INIT_SECRET_GROUPS_MAX} groups are secret; let one file hold more");
            return Err(Rejection::invalid("secret", problem));
        }
        let others = self.iter().filter(is_other);
        let bytes = group.encoded_len() + others.map(|other| other.encoded_len()).sum::<usize>();
        if bytes > CLOUD_INIT_GROUPS_BYTES_MAX {
            let problem = format!(
                "with it all groups take {bytes} bytes, at most {CLOUD_INIT_GROUPS_BYTES_MAX} are accepted; \
                 let a small file #include what is large"
            );
            return Err(Rejection::invalid("file.content", problem));
        }
        Ok(())
    }

    /// Changes what is given and leaves the rest.
    ///
    /// # Errors
    /// `NotFound`, `RevisionMismatch`; `Conflict` for contents of a secret group, which nobody could merge; `Invalid`.
    pub(super) fn patch(
        &mut self,
        patch: &PatchGroup,
        secrets: &mut Cluster,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let name = normalised_name(&patch.name)?;
        let before = self.get(&name).cloned();
        let before = before.ok_or_else(|| Rejection::not_found(KIND, &name))?;
        check_revision(&name, patch.if_revision, before.meta.as_ref())?;
        check_merges_nothing_secret(&before, patch)?;
        let mut group = normalised(&patched(&before, patch)?)?;
        if group.secret {
            let stays = |part: &&String| !patch.clear.contains(*part);
            group.sealed = before.sealed.iter().filter(stays).cloned().collect();
        }
        group.meta = before.meta.clone();
        if group == *before {
            return Ok(Applied {
                unchanged: vec![name],
                ..Default::default()
            });
        }
        self.check_room(&group, false)?;
        for part in before.sealed.iter().filter(|part| patch.clear.contains(part)) {
            secrets.forget_secret(&secret_of(&name, part), changes);
        }
        group.meta = at.modified(before.meta.as_ref());
        self.table.put(name.clone(), group, changes);
        Ok(Applied {
            updated: vec![name],
            ..Default::default()
        })
    }

    /// A group that is not there is gone already.
    ///
    /// Source: OpenCHAMI/cloud-init `DELETE /admin/groups/{id}`.
    pub(super) fn delete(
        &mut self,
        delete: &DeleteGroup,
        secrets: &mut Cluster,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let name = normalised_name(&delete.name)?;
        let meta = self.get(&name).and_then(|before| before.meta.as_ref());
        check_revision(&name, delete.if_revision, meta)?;
        for part in CLEARED {
            secrets.forget_secret(&secret_of(&name, part), changes);
        }
        let gone = self.table.remove(&name, changes).map(|_| name);
        Ok(deleted(gone.into_iter()))
    }

    pub(super) fn load(&mut self, row: Group, changes: &mut Changes) -> Result<(), SnapshotError> {
        let key = self.table.check_load(&row, RowKind::CloudInitGroup)?;
        self.table.put(key, row, changes);
        Ok(())
    }
}

/// The bytes that a file serves; `None` if its encoding or content is not one that `PutGroup` accepts.
pub fn file_bytes(file: &GroupFile) -> Option<Vec<u8>> {
    match file.encoding.as_str() {
        "" | PLAIN => Some(file.content.clone().into_bytes()),
        // Go's decoder skips line ends too, and base64(1) writes them.
        BASE64 => STANDARD.decode(file.content.replace(['\r', '\n'], "")).ok(),
        _ => None,
    }
}

/// What the log brings of a secret group.
fn sealed<'a>(name: &str, put: &'a PutGroup) -> Sealed<'a, 2> {
    let file = Part {
        field: "sealed",
        sealed: put.sealed.as_ref(),
        name: group_secret(name),
    };
    let meta_data = Part {
        field: "sealed_meta_data",
        sealed: put.sealed_meta_data.as_ref(),
        name: group_meta_data_secret(name),
    };
    Sealed {
        parts: [file, meta_data],
        token_key: put.token_key.as_ref(),
    }
}

/// What a part of [`CLEARED`] is sealed as.
fn secret_of(name: &str, part: &str) -> String {
    match part {
        META_DATA => group_meta_data_secret(name),
        _ => group_secret(name),
    }
}

/// What a write of a secret group does not bring stays as it is, and with it what is said of it.
///
/// # Errors
/// `Invalid` for what is public and not brought, and for a file that is said to be another and not brought.
fn keep_sealed(group: &mut Group, before: Option<&Group>, put: &PutGroup) -> Result<(), Rejection> {
    let public = before.filter(|before| !before.secret);
    let has_file = public.is_some_and(|before| before.file.is_some());
    check_is_brought("file.content", has_file, put.sealed.as_ref())?;
    let has_meta_data = public.is_some_and(|before| before.meta_data.is_some());
    check_is_brought(META_DATA, has_meta_data, put.sealed_meta_data.as_ref())?;
    let before = before.filter(|before| before.secret);
    if put.sealed.is_none() {
        let kept = before.and_then(|before| before.file.clone());
        check_says_of_file(group.file.as_ref(), kept.as_ref())?;
        group.file = kept;
    }
    let was_sealed = |part: &str| before.is_some_and(|before| before.sealed.iter().any(|kept| kept == part));
    if put.sealed_meta_data.is_some() || was_sealed(META_DATA) {
        group.sealed.push(META_DATA.to_owned());
    }
    if group.file.is_some() {
        group.sealed.push(FILE.to_owned());
    }
    Ok(())
}

/// A file without content stands for the one that is sealed, as it is shown; or for none, as Go's clients write it.
fn check_says_of_file(given: Option<&GroupFile>, kept: Option<&GroupFile>) -> Result<(), Rejection> {
    let Some(given) = given else { return Ok(()) };
    let is_blank = given.filename.is_empty() && given.encoding == PLAIN;
    let is_kept = |kept: &GroupFile| {
        given.encoding == kept.encoding && (given.filename == kept.filename || given.filename.is_empty())
    };
    if is_blank || kept.is_some_and(is_kept) {
        return Ok(());
    }
    let problem = "it is missing, and what is said of the file is not what is sealed; give the content with it, or leave the \
                   file out to keep what is sealed";
    Err(Rejection::invalid("file.content", problem))
}

/// # Errors
/// `Conflict`: contents that are sealed are not there to be merged with.
fn check_merges_nothing_secret(before: &Group, patch: &PatchGroup) -> Result<(), Rejection> {
    if !before.secret || (patch.meta_data.is_none() && patch.file.is_none()) {
        return Ok(());
    }
    let detail = format!(
        "{} is secret, so that nobody sees what `file` and `meta-data` would be merged with; put it: what a put leaves out stays",
        before.name
    );
    Err(Rejection::Conflict { detail })
}

fn patched(before: &Group, patch: &PatchGroup) -> Result<Group, Rejection> {
    let mut after = before.clone();
    check_count("clear", patch.clear.len(), CLEARED.len())?;
    for field in &patch.clear {
        match field.as_str() {
            META_DATA => after.meta_data = None,
            FILE => after.file = None,
            other => {
                let accepted = format!("write one of {}", CLEARED.join(", "));
                let problem = InvalidValue::new("a field of a group that can be cleared", other, accepted);
                return Err(Rejection::invalid("clear", problem));
            }
        }
    }
    if let Some(description) = &patch.description {
        after.description.clone_from(description);
    }
    if let Some(meta_data) = &patch.meta_data {
        check_meta_data(meta_data, CLOUD_INIT_BYTES_MAX)?; // before it is followed into its depth
        merge(after.meta_data.get_or_insert_default(), meta_data);
    }
    if let Some(file) = &patch.file {
        after.file = Some(file.clone());
    }
    Ok(after)
}

/// As it is stored; its contents, if it is secret, must have been taken out and sealed.
pub(super) fn normalised(group: &Group) -> Result<Group, Rejection> {
    let name = normalised_name(&group.name)?;
    check_text("description", &group.description, DESCRIPTION_BYTES_MAX)?;
    if let Some(meta_data) = &group.meta_data {
        check_meta_data(meta_data, CLOUD_INIT_BYTES_MAX)?;
    }
    let has_content = |file: &&GroupFile| !file.content.is_empty();
    if group.secret
        && (group.meta_data.is_some() || group.file.as_ref().is_some_and(|file| has_content(&file)))
    {
        let problem = "contents of a secret group must be sealed before they are stored";
        return Err(Rejection::invalid("secret", problem));
    }
    // Go's clients send an empty file for none; a secret one is said to be there.
    let file = group.file.as_ref();
    let file = file.filter(|file| group.secret || has_content(file));
    Ok(Group {
        name,
        description: group.description.clone(),
        meta_data: group.meta_data.clone(),
        file: file.map(normalised_file).transpose()?,
        meta: None,
        secret: group.secret,
        sealed: Vec::new(),
    })
}

/// Whether free-form data is small and flat enough; all that is stored can be decoded and rendered again.
pub(super) fn check_meta_data(meta_data: &Struct, bytes_max: usize) -> Result<(), Rejection> {
    if depth(meta_data, CLOUD_INIT_DEPTH_MAX) > CLOUD_INIT_DEPTH_MAX {
        let problem = format!("it has more than {CLOUD_INIT_DEPTH_MAX} levels of nesting");
        return Err(Rejection::invalid("meta-data", problem));
    }
    check_bytes("meta-data", meta_data.encoded_len(), bytes_max)
}

fn normalised_file(file: &GroupFile) -> Result<GroupFile, Rejection> {
    check_text("file.filename", &file.filename, NAME_BYTES_MAX)?;
    check_bytes("file.content", file.content.len(), CLOUD_INIT_BYTES_MAX)?;
    let encoding = match file.encoding.as_str() {
        "" | PLAIN => PLAIN,
        BASE64 => BASE64,
        other => {
            let problem = InvalidValue::new("an encoding", other, "write plain or base64");
            return Err(Rejection::invalid("file.encoding", problem));
        }
    };
    if file_bytes(file).is_none() {
        let problem = "it is not base64; encode it with `base64`, or write it as it is with encoding plain";
        return Err(Rejection::invalid("file.content", problem));
    }
    Ok(GroupFile {
        encoding: encoding.to_owned(),
        ..file.clone()
    })
}

fn check_bytes(field: &str, bytes: usize, bytes_max: usize) -> Result<(), Rejection> {
    if bytes <= bytes_max {
        return Ok(());
    }
    let problem = format!("it has {bytes} bytes, at most {bytes_max} are accepted");
    Err(Rejection::invalid(field, problem))
}

/// The label of the SMD group that is meant.
fn normalised_name(name: &str) -> Result<String, Rejection> {
    let label = name.parse::<GroupLabel>();
    label
        .map(String::from)
        .map_err(|error| Rejection::invalid("name", error))
}

impl Record for Group {
    type Key = String;

    fn row_key(name: &String) -> RowKey {
        RowKey::cloud_init_group(name)
    }

    fn key(&self) -> Result<String, String> {
        match normalised_name(&self.name) {
            Ok(name) if name == self.name => Ok(name),
            Ok(_) => Err(format!("the name `{}` is not normalised", self.name)),
            Err(rejection) => Err(rejection.to_string()),
        }
    }

    fn into_row(self) -> Row {
        Row::CloudInitGroup(self)
    }

    fn object(self: Arc<Self>) -> Option<Object> {
        Some(Object::CloudInitGroup(self))
    }
}
