//! What cloud-init gives the members of a group.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::{GroupLabel, InvalidValue, Rejection};
use prost::Message as _;
use proto::cloud_init::v1::cloud_init_command::{DeleteGroup, PutGroup};
use proto::cloud_init::v1::{Group, GroupFile};
use proto::raft::v1::outcome::Applied;
use proto::raft::v1::snapshot_row::Row;

use crate::bounds::{
    CLOUD_INIT_BYTES_MAX, CLOUD_INIT_DEPTH_MAX, CLOUD_INIT_GROUPS_BYTES_MAX, CLOUD_INIT_GROUPS_MAX,
    DESCRIPTION_BYTES_MAX, NAME_BYTES_MAX, check_text,
};
use crate::bss::depth;
use crate::changes::Changes;
use crate::event::Object;
use crate::log_position::LogPosition;
use crate::outcome::deleted;
use crate::snapshot::SnapshotError;
use crate::table::{Record, Table};
use crate::{RowKey, RowKind};

/// Word for the kind in rejections.
const KIND: &str = "cloud-init group";
const PLAIN: &str = "plain";
const BASE64: &str = "base64";

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

    /// Creates or replaces.
    ///
    /// # Errors
    /// `AlreadyExists` if it must be new and is not; `Invalid` for what could not be served.
    ///
    /// Source: OpenCHAMI/cloud-init `POST /admin/groups`, `PUT /admin/groups/{id}`.
    pub(super) fn put(
        &mut self,
        put: &PutGroup,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let given = put.group.as_ref();
        let mut group = normalised(given.ok_or_else(|| Rejection::invalid("group", "it is missing"))?)?;
        let before = self.get(&group.name).cloned();
        if put.must_be_new && before.is_some() {
            let detail = "use PUT to replace it".to_owned();
            let (kind, id) = (KIND.to_owned(), group.name);
            return Err(Rejection::AlreadyExists { kind, id, detail });
        }
        self.check_room(&group, before.is_none())?;
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
        let others = self.iter().filter(|other| other.name != group.name);
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

    /// A group that is not there is gone already.
    ///
    /// Source: OpenCHAMI/cloud-init `DELETE /admin/groups/{id}`.
    pub(super) fn delete(
        &mut self,
        delete: &DeleteGroup,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let name = normalised_name(&delete.name)?;
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

fn normalised(group: &Group) -> Result<Group, Rejection> {
    let name = normalised_name(&group.name)?;
    check_text("description", &group.description, DESCRIPTION_BYTES_MAX)?;
    if let Some(meta_data) = &group.meta_data {
        if depth(meta_data, CLOUD_INIT_DEPTH_MAX) > CLOUD_INIT_DEPTH_MAX {
            let problem = format!("it has more than {CLOUD_INIT_DEPTH_MAX} levels of nesting");
            return Err(Rejection::invalid("meta-data", problem));
        }
        check_bytes("meta-data", meta_data.encoded_len())?;
    }
    // Go's clients send an empty file for none.
    let file = group.file.as_ref().filter(|file| !file.content.is_empty());
    Ok(Group {
        name,
        description: group.description.clone(),
        meta_data: group.meta_data.clone(),
        file: file.map(normalised_file).transpose()?,
        meta: None,
    })
}

fn normalised_file(file: &GroupFile) -> Result<GroupFile, Rejection> {
    check_text("file.filename", &file.filename, NAME_BYTES_MAX)?;
    check_bytes("file.content", file.content.len())?;
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

fn check_bytes(field: &str, bytes: usize) -> Result<(), Rejection> {
    if bytes <= CLOUD_INIT_BYTES_MAX {
        return Ok(());
    }
    let problem = format!("it has {bytes} bytes, at most {CLOUD_INIT_BYTES_MAX} are accepted");
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
