//! Groups of components, found by label and by member. What changes them has its own file.

use std::collections::BTreeSet;
use std::sync::Arc;

use imbl::OrdMap;
use model::{GroupLabel, Xname};
use proto::raft::v1::snapshot_row::Row;
use proto::smd::v1::{Group, GroupMembers};

use super::components::Components;
use super::stored_xname;
use crate::changes::Changes;
use crate::event::Object;
use crate::log_position::LogPosition;
use crate::snapshot::SnapshotError;
use crate::table::{Record, Table};
use crate::{RowKey, RowKind};

/// Groups by label, and the labels of each member. Members are stored sorted, each once.
#[derive(Clone, Default)]
pub(super) struct Groups {
    table: Table<Group>,
    /// Labels by xname, sorted, never empty. Boot scripts and cloud-init ask for these on every boot.
    labels: OrdMap<Arc<str>, Arc<[Arc<str>]>>,
}

impl Groups {
    pub(super) fn get(&self, label: &str) -> Option<&Arc<Group>> {
        self.table.get(&label.to_owned())
    }

    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// Sorted by label.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Group>> {
        self.table.values()
    }

    pub(super) fn after(&self, label: Option<&String>) -> impl Iterator<Item = &Arc<Group>> {
        self.table.after(label)
    }

    /// Labels of the groups that a component is a member of, sorted. Costs one look-up, however many groups there are.
    pub(super) fn labels_of<'a>(
        &'a self,
        component: &str,
    ) -> impl ExactSizeIterator<Item = &'a str> + Clone + use<'a> {
        let labels = self.labels.get(component).map_or(&[][..], |labels| &labels[..]);
        labels.iter().map(AsRef::as_ref)
    }

    /// Stores a group and keeps the index in step.
    pub(super) fn put(&mut self, group: Group, changes: &mut Changes) {
        let label: Arc<str> = group.label.as_str().into();
        let before = self.table.get(&group.label).cloned();
        let before = before.as_deref().map_or(&[][..], members);
        let after = members(&group);
        for gone in before.iter().filter(|id| after.binary_search(id).is_err()) {
            self.leave(gone, &label);
        }
        for new in after.iter().filter(|id| before.binary_search(id).is_err()) {
            self.join(new, &label);
        }
        self.table.put(group.label.clone(), group, changes);
    }

    pub(super) fn remove(&mut self, group: &Group, changes: &mut Changes) {
        for id in members(group) {
            self.leave(id, &group.label);
        }
        self.table.remove(&group.label, changes);
    }

    /// Takes components that are gone out of their groups.
    pub(super) fn forget(&mut self, gone: &BTreeSet<Xname>, at: &LogPosition<'_>, changes: &mut Changes) {
        let labels_of = |id: &Xname| self.labels_of(id.as_str()).map(str::to_owned);
        let affected: BTreeSet<String> = gone.iter().flat_map(labels_of).collect();
        let gone: BTreeSet<&str> = gone.iter().map(Xname::as_str).collect();
        for label in affected {
            let Some(before) = self.table.get(&label).cloned() else {
                continue;
            };
            let stays = |id: &&String| !gone.contains(id.as_str());
            let ids = members(&before).iter().filter(stays).cloned().collect();
            self.put(with_members(&before, ids, at), changes);
        }
    }

    fn join(&mut self, id: &str, label: &Arc<str>) {
        let mut labels = self
            .labels
            .get(id)
            .map_or_else(Vec::new, |labels| labels.to_vec());
        if let Err(place) = labels.binary_search(label) {
            labels.insert(place, Arc::clone(label));
            self.labels.insert(id.into(), labels.into());
        }
    }

    fn leave(&mut self, id: &str, label: &str) {
        let rest: Arc<[Arc<str>]> = match self.labels.get(id) {
            Some(labels) => labels
                .iter()
                .filter(|other| other.as_ref() != label)
                .cloned()
                .collect(),
            None => return,
        };
        if rest.is_empty() {
            self.labels.remove(id);
        } else {
            self.labels.insert(id.into(), rest);
        }
    }

    /// The group that keeps `id` out of `group` by their common `exclusive_group`.
    pub(super) fn rival(&self, group: &Group, id: &str) -> Option<&Arc<Group>> {
        if group.exclusive_group.is_empty() {
            return None;
        }
        self.labels_of(id)
            .filter(|label| *label != group.label)
            .filter_map(|label| self.get(label))
            .find(|other| other.exclusive_group == group.exclusive_group)
    }

    pub(super) fn load(&mut self, row: Group, changes: &mut Changes) -> Result<(), SnapshotError> {
        self.table.check_load(&row, RowKind::Group)?;
        let ids = members(&row);
        if let Some(pair) = ids.windows(2).find(|pair| pair[0] >= pair[1]) {
            return Err(malformed(format!(
                "{}: member {} is out of order",
                row.label, pair[1]
            )));
        }
        for id in ids {
            stored_xname(id).map_err(malformed)?;
            if let Some(other) = self.rival(&row, id) {
                let problem = format!(
                    "{id} is in {} and {}, which exclude each other",
                    row.label, other.label
                );
                return Err(malformed(problem));
            }
        }
        self.put(row, changes);
        Ok(())
    }

    /// Checks, when all rows are there, that each member is a component.
    pub(super) fn check_loaded(&self, components: &Components) -> Result<(), SnapshotError> {
        for id in self.labels.keys() {
            let xname = stored_xname(id).map_err(malformed)?;
            if components.get(&xname).is_none() {
                return Err(malformed(format!("member {id} is no component")));
            }
        }
        Ok(())
    }
}

fn malformed(problem: String) -> SnapshotError {
    SnapshotError::Malformed {
        kind: RowKind::Group,
        problem,
    }
}

/// Xnames of a group's members, sorted.
pub(super) fn members(group: &Group) -> &[String] {
    group.members.as_ref().map_or(&[][..], |members| &members.ids)
}

/// The group with other members, changed by this entry.
pub(super) fn with_members(before: &Group, ids: Vec<String>, at: &LogPosition<'_>) -> Group {
    Group {
        label: before.label.clone(),
        description: before.description.clone(),
        exclusive_group: before.exclusive_group.clone(),
        tags: before.tags.clone(),
        members: Some(GroupMembers { ids }),
        meta: at.modified(before.meta.as_ref()),
    }
}

impl Record for Group {
    type Key = String;

    fn row_key(label: &String) -> RowKey {
        RowKey::group(label)
    }

    fn key(&self) -> Result<String, String> {
        match self.label.parse::<GroupLabel>() {
            Ok(label) if label.as_str() == self.label => Ok(label.into()),
            _ => Err(format!("`{}` is no label", self.label.escape_debug())),
        }
    }

    fn into_row(self) -> Row {
        Row::Group(self)
    }

    fn object(self: Arc<Self>) -> Option<Object> {
        Some(Object::Group(self))
    }
}
