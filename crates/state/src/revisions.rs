//! What nodes boot with and templates of files, as they were: the latest versions of each object that administrators set, with who
//! changed it. In the state, so that every member knows them, after a restart too, and an administrator can go back to one.

use std::collections::BTreeSet;
use std::mem::size_of;
use std::sync::Arc;

use imbl::OrdSet;
use proto::http::v1::Change;
use proto::raft::v1::ObjectRevision;
use proto::raft::v1::snapshot_row::Row;

use crate::bounds::{REVISIONS_BYTES_MAX, REVISIONS_MAX, REVISIONS_PER_OBJECT_MAX};
use crate::changes::Changes;
use crate::event::{Event, Object};
use crate::log_position::LogPosition;
use crate::snapshot::SnapshotError;
use crate::table::{Record, Table};
use crate::{RowKey, RowKind};

/// Versions of an object that is there which nothing else pushes out: as it is, and as it was before its last change.
const VERSIONS_TO_GO_BACK: usize = 2;

/// Kind and id of an object, and the log index at which it became so.
type Key = (u8, String, u64);

/// Versions by object, each object's in the order of time.
#[derive(Clone, Default)]
pub struct Revisions {
    table: Table<ObjectRevision>,
    /// What makes room, by log index: every version of an object that is gone, and of one that is there all but the newest and
    /// the one before it. So what is quiet keeps its way back, however often everything else is changed.
    surplus: OrdSet<(u64, u8, String)>,
    /// Of all versions together.
    bytes: usize,
}

/// Whether the versions of such an object are kept.
pub fn is_kept(kind: RowKind) -> bool {
    matches!(
        kind,
        RowKind::BootParameters
            | RowKind::BootConfiguration
            | RowKind::ClusterDefaults
            | RowKind::CloudInitGroup
            | RowKind::InstanceInfo
            | RowKind::Profile
            | RowKind::Template
    )
}

impl Revisions {
    /// The versions of one object that are kept, newest first; of an object that is gone, too.
    pub fn of(&self, kind: RowKind, id: &str) -> impl Iterator<Item = &Arc<ObjectRevision>> {
        let key = |revision| (kind as u8, id.to_owned(), revision);
        self.table.range(key(0)..=key(u64::MAX)).rev().map(|(_, row)| row)
    }

    /// The version that became of an object at log index `revision`.
    pub fn get(&self, kind: RowKind, id: &str, revision: u64) -> Option<Arc<ObjectRevision>> {
        self.table.get(&(kind as u8, id.to_owned(), revision)).cloned()
    }

    /// Keeps what these events made of objects. An object whose first change this is to be noted is kept as it was before,
    /// too, so that there is something to go back to. What becomes secret is taken out of all versions before.
    pub(crate) fn note(&mut self, events: &[Event], at: &LogPosition<'_>, changes: &mut Changes) {
        for event in events.iter().filter(|event| is_kept(event.key().kind())) {
            let Some(id) = event.object().map(Object::id) else {
                continue;
            };
            let kind = event.key().kind();
            let is_new = self.of(kind, &id).next().is_none();
            if let Some(before) = event.before().filter(|_| is_new) {
                self.keep(version(kind, &id, before.modified(), Some(before)), changes);
            }
            let after = ObjectRevision {
                created: event.before().is_none(),
                ..version(kind, &id, Some(at.change()), event.after())
            };
            self.keep(after, changes);
            let is_secret = |object: Option<&Object>| object.is_some_and(Object::is_secret);
            if is_secret(event.after()) && !is_secret(event.before()) {
                self.redact(kind, &id, changes);
            }
            self.make_room(kind, &id, changes);
        }
    }

    fn keep(&mut self, row: ObjectRevision, changes: &mut Changes) {
        self.bytes += bytes_of(&row);
        if let Some(before) = self.table.put(key_of(&row), row, changes) {
            self.bytes -= bytes_of(&before);
        }
    }

    fn redact(&mut self, kind: RowKind, id: &str, changes: &mut Changes) {
        let there = self.of(kind, id).filter(|version| !version.deleted);
        let versions: Vec<Arc<ObjectRevision>> = there.cloned().collect();
        for version in versions {
            if let Some(object) = crate::cloud_init::redacted(kind, &version.object) {
                let version = version.as_ref().clone();
                self.keep(ObjectRevision { object, ..version }, changes);
            }
        }
    }

    /// The oldest versions of the object leave first, then the oldest of all objects.
    fn make_room(&mut self, kind: RowKind, id: &str, changes: &mut Changes) {
        let oldest: Vec<Key> = self
            .of(kind, id)
            .skip(REVISIONS_PER_OBJECT_MAX)
            .map(|row| key_of(row))
            .collect();
        for key in oldest {
            self.drop(&key, changes);
        }
        self.note_surplus(kind, id);
        while self.table.len() > REVISIONS_MAX || self.bytes > REVISIONS_BYTES_MAX {
            let Some((revision, kind, id)) = self.surplus.get_min().cloned() else {
                break;
            };
            self.drop(&(kind, id, revision), changes);
        }
    }

    /// Which versions of one object may make room for others.
    fn note_surplus(&mut self, kind: RowKind, id: &str) {
        let versions: Vec<(u64, bool)> = self
            .of(kind, id)
            .map(|row| (key_of(row).2, row.deleted))
            .collect();
        let is_gone = versions.first().is_some_and(|(_, deleted)| *deleted);
        for (place, (revision, _)) in versions.into_iter().enumerate() {
            let entry = (revision, kind as u8, id.to_owned());
            if is_gone || place >= VERSIONS_TO_GO_BACK {
                self.surplus.insert(entry);
            } else {
                self.surplus.remove(&entry);
            }
        }
    }

    fn drop(&mut self, key: &Key, changes: &mut Changes) {
        self.surplus.remove(&(key.2, key.0, key.1.clone()));
        if let Some(gone) = self.table.remove(key, changes) {
            self.bytes -= bytes_of(&gone);
        }
    }

    /// Once all rows are loaded, in whatever order they came.
    pub(crate) fn index_loaded(&mut self) {
        let objects: BTreeSet<(u8, String)> = self
            .table
            .keys()
            .map(|(kind, id, _)| (*kind, id.clone()))
            .collect();
        for (kind, id) in objects {
            if let Some(kind) = RowKind::of_number(u32::from(kind)) {
                self.note_surplus(kind, &id);
            }
        }
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = Row> + '_ {
        self.table.values().map(|row| row.as_ref().clone().into_row())
    }

    pub(crate) fn row(&self, key: &RowKey) -> Option<Row> {
        let (name, revision) = key.key().split_last_chunk::<8>()?;
        let (kind, id) = name.strip_suffix(&[0])?.split_first()?;
        let id = std::str::from_utf8(id).ok()?;
        let row = self
            .table
            .get(&(*kind, id.to_owned(), u64::from_be_bytes(*revision)))?;
        Some(row.as_ref().clone().into_row())
    }

    pub(crate) fn load(&mut self, row: ObjectRevision, changes: &mut Changes) -> Result<(), SnapshotError> {
        let key = self.table.check_load(&row, RowKind::ObjectRevision)?;
        self.bytes += bytes_of(&row);
        self.table.put(key, row, changes);
        Ok(())
    }
}

fn version(kind: RowKind, id: &str, change: Option<Change>, object: Option<&Object>) -> ObjectRevision {
    ObjectRevision {
        kind: kind as u32,
        id: id.to_owned(),
        change,
        deleted: object.is_none(),
        created: false,
        object: object.map(Object::encode).unwrap_or_default(),
    }
}

/// Memory that a version takes, roughly.
fn bytes_of(row: &ObjectRevision) -> usize {
    size_of::<ObjectRevision>() + 2 * row.id.len() + row.object.len()
}

/// The key of a row that `apply` wrote, or that was checked when it was loaded.
fn key_of(row: &ObjectRevision) -> Key {
    let revision = row.change.as_ref().map_or(0, |change| change.revision);
    (row.kind as u8, row.id.clone(), revision)
}

impl Record for ObjectRevision {
    type Key = Key;

    fn row_key((kind, id, revision): &Key) -> RowKey {
        RowKey::object_revision(*kind, id, *revision)
    }

    fn key(&self) -> Result<Key, String> {
        let is_known = RowKind::of_number(self.kind).is_some_and(is_kept);
        if !is_known {
            return Err(format!("versions of kind {} are not kept", self.kind));
        }
        if self.deleted != self.object.is_empty() {
            return Err(format!("a version of {} is neither there nor gone", self.id));
        }
        Ok(key_of(self))
    }

    fn into_row(self) -> Row {
        Row::ObjectRevision(self)
    }

    /// They are read by their object, not watched: whoever watches the object has seen them.
    fn object(self: Arc<Self>) -> Option<Object> {
        None
    }
}
