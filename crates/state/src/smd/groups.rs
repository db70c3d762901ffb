//! Groups of components, found by label and by member.

use std::sync::Arc;

use model::Xname;
use proto::raft::v1::snapshot_row::Row;
use proto::smd::v1::Group;

use crate::changes::Changes;
use crate::snapshot::SnapshotError;
use crate::table::{Record, Table};
use crate::{RowKey, RowKind};

/// Groups by label.
#[derive(Clone, Default)]
pub(super) struct Groups {
    groups: Table<Group>,
}

impl Groups {
    pub(super) fn get(&self, label: &str) -> Option<&Arc<Group>> {
        self.groups.get(&label.to_owned())
    }

    /// Sorted by label.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Group>> {
        self.groups.values()
    }

    /// Labels of the groups that a component is a member of, sorted.
    pub(super) fn labels_of<'a>(&'a self, component: &'a Xname) -> impl Iterator<Item = &'a str> {
        let has = move |group: &&Arc<Group>| {
            let members = group.members.as_ref();
            members.is_some_and(|members| members.ids.iter().any(|id| id == component.as_str()))
        };
        self.groups.values().filter(has).map(|group| group.label.as_str())
    }

    pub(super) fn load(&mut self, row: Group, changes: &mut Changes) -> Result<(), SnapshotError> {
        let key = self.groups.check_load(&row, RowKind::Group)?;
        self.groups.put(key, row, changes);
        Ok(())
    }
}

impl Record for Group {
    type Key = String;

    fn row_key(label: &String) -> RowKey {
        RowKey::group(label)
    }

    fn key(&self) -> Result<String, String> {
        Ok(self.label.clone())
    }

    fn into_row(self) -> Row {
        Row::Group(self)
    }
}
