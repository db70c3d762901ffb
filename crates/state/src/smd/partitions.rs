//! Partitions of the system, found by name and by member. SMD's rules, all or nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use imbl::OrdMap;
use model::{PartitionName, Rejection, Xname};
use proto::raft::v1::outcome::Applied;
use proto::raft::v1::snapshot_row::Row;
use proto::smd::v1::smd_command::{
    AddPartitionMember, CreatePartition, DeletePartition, PatchPartition, RemovePartitionMember,
};
use proto::smd::v1::{GroupMembers, Partition};

use super::components::Components;
use super::members::{joined, normalise_members, normalise_tags, parted};
use super::stored_xname;
use crate::bounds::{DESCRIPTION_BYTES_MAX, PARTITIONS_MAX, check_text};
use crate::changes::Changes;
use crate::event::Object;
use crate::log_position::{LogPosition, check_revision};
use crate::outcome::deleted;
use crate::snapshot::SnapshotError;
use crate::table::{Record, Table};
use crate::{RowKey, RowKind};

/// Word for the kind in rejections.
const KIND: &str = "partition";

/// Partitions by name, and the one of each member. Members are stored sorted, each once.
#[derive(Clone, Default)]
pub(super) struct Partitions {
    table: Table<Partition>,
    names: OrdMap<Arc<str>, Arc<str>>,
}

impl Partitions {
    pub(super) fn get(&self, name: &str) -> Option<&Arc<Partition>> {
        self.table.get(&name.to_owned())
    }

    /// Sorted by name.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Partition>> {
        self.table.values()
    }

    pub(super) fn after(&self, name: Option<&String>) -> impl Iterator<Item = &Arc<Partition>> {
        self.table.after(name)
    }

    /// The partition that a component is in. One look-up, however many partitions there are.
    pub(super) fn name_of(&self, component: &str) -> Option<&str> {
        self.names.get(component).map(AsRef::as_ref)
    }

    /// Source: SMD `POST /partitions`.
    pub(super) fn create(
        &mut self,
        create: &CreatePartition,
        components: &Components,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let given = create
            .partition
            .as_ref()
            .ok_or_else(|| Rejection::invalid("partition", "it is missing"))?;
        let partition = normalised(given, at)?;
        if self.get(&partition.name).is_some() {
            let detail = "operation would conflict with an existing partition that has the same name; \
                          patch its description and tags, post its members"
                .to_owned();
            return Err(Rejection::AlreadyExists {
                kind: KIND.into(),
                id: partition.name,
                detail,
            });
        }
        if self.table.len() >= PARTITIONS_MAX {
            let problem = format!("there are {PARTITIONS_MAX} partitions; delete one first");
            return Err(Rejection::invalid(KIND, problem));
        }
        self.check_join("members.ids", &partition, members(&partition), components)?;
        let name = partition.name.clone();
        self.put(partition, changes);
        Ok(Applied {
            created: vec![name],
            ..Applied::default()
        })
    }

    /// Absent fields stay. Source: SMD `PATCH /partitions/{name}`.
    pub(super) fn patch(
        &mut self,
        patch: &PatchPartition,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let before = self.existing_at(&patch.name, patch.if_revision)?;
        let mut after = before.as_ref().clone();
        if let Some(description) = &patch.description {
            check_text("description", description, DESCRIPTION_BYTES_MAX)?;
            after.description.clone_from(description);
        }
        if let Some(tags) = &patch.tags {
            after.tags = normalise_tags(&tags.items)?;
        }
        let name = vec![before.name.clone()];
        if after == *before {
            return Ok(Applied {
                unchanged: name,
                ..Applied::default()
            });
        }
        after.meta = at.modified(before.meta.as_ref());
        self.put(after, changes);
        Ok(Applied {
            updated: name,
            ..Applied::default()
        })
    }

    /// Source: SMD `DELETE /partitions/{name}`.
    pub(super) fn delete(
        &mut self,
        delete: &DeletePartition,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let partition = self.existing_at(&delete.name, delete.if_revision)?;
        for id in members(&partition) {
            self.names.remove(id.as_str());
        }
        self.table.remove(&partition.name, changes);
        Ok(deleted(std::iter::once(partition.name.clone())))
    }

    /// Source: SMD `POST /partitions/{name}/members`, for several at once.
    pub(super) fn add_members(
        &mut self,
        add: &AddPartitionMember,
        components: &Components,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let before = self.existing_at(&add.name, add.if_revision)?;
        let (new, ids) = joined(KIND, &before.name, members(&before), &add.ids)?;
        self.check_join("id", &before, &new, components)?;
        self.put(with_members(&before, ids, at), changes);
        Ok(Applied {
            created: new,
            ..Applied::default()
        })
    }

    /// Source: SMD `DELETE /partitions/{name}/members/{xname}`, for several at once.
    pub(super) fn remove_members(
        &mut self,
        remove: &RemovePartitionMember,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let before = self.existing_at(&remove.name, remove.if_revision)?;
        let (gone, ids) = parted(KIND, &before.name, members(&before), &remove.ids)?;
        self.put(with_members(&before, ids, at), changes);
        Ok(deleted(gone.into_iter()))
    }

    /// Takes components that are gone out of their partitions.
    pub(super) fn forget(&mut self, gone: &BTreeSet<Xname>, at: &LogPosition<'_>, changes: &mut Changes) {
        let name_of = |id: &Xname| self.name_of(id.as_str()).map(str::to_owned);
        let affected: BTreeSet<String> = gone.iter().filter_map(name_of).collect();
        let gone: BTreeSet<&str> = gone.iter().map(Xname::as_str).collect();
        for name in affected {
            let Some(before) = self.table.get(&name).cloned() else {
                continue;
            };
            let stays = |id: &&String| !gone.contains(id.as_str());
            let ids = members(&before).iter().filter(stays).cloned().collect();
            self.put(with_members(&before, ids, at), changes);
        }
    }

    /// A partition that is at the revision that the client has seen, if it names one.
    fn existing_at(&self, name: &str, if_revision: Option<u64>) -> Result<Arc<Partition>, Rejection> {
        let name = normalised_name(name)?;
        let found = self.get(&name).cloned();
        let found = found.ok_or_else(|| Rejection::not_found(KIND, &name))?;
        check_revision(&name, if_revision, found.meta.as_ref())?;
        Ok(found)
    }

    /// Whether all of `new` may become members of `partition`.
    fn check_join(
        &self,
        field: &str,
        partition: &Partition,
        new: &[String],
        components: &Components,
    ) -> Result<(), Rejection> {
        for id in new {
            let xname: Xname = id.parse().map_err(|e| Rejection::invalid(field, e))?;
            if components.get(&xname).is_none() {
                let problem = format!("linked component does not exist: {id}; create it first");
                return Err(Rejection::invalid(field, problem));
            }
            if let Some(other) = self.name_of(id) {
                let detail = format!(
                    "operation would conflict with an existing member in another partition: {id} is in {other}; \
                     take it out there before it joins {}",
                    partition.name
                );
                return Err(Rejection::Conflict { detail });
            }
        }
        Ok(())
    }

    /// Stores a partition and keeps the index in step.
    fn put(&mut self, partition: Partition, changes: &mut Changes) {
        let name: Arc<str> = partition.name.as_str().into();
        let before = self.table.get(&partition.name).cloned();
        let before = before.as_deref().map_or(&[][..], members);
        let after = members(&partition);
        for gone in before.iter().filter(|id| after.binary_search(id).is_err()) {
            self.names.remove(gone.as_str());
        }
        for new in after.iter().filter(|id| before.binary_search(id).is_err()) {
            self.names.insert(new.as_str().into(), Arc::clone(&name));
        }
        self.table.put(partition.name.clone(), partition, changes);
    }

    pub(super) fn load(&mut self, row: Partition, changes: &mut Changes) -> Result<(), SnapshotError> {
        self.table.check_load(&row, RowKind::Partition)?;
        let ids = members(&row);
        if let Some(pair) = ids.windows(2).find(|pair| pair[0] >= pair[1]) {
            return Err(malformed(format!(
                "{}: member {} is out of order",
                row.name, pair[1]
            )));
        }
        for id in ids {
            stored_xname(id).map_err(malformed)?;
            if let Some(other) = self.name_of(id) {
                return Err(malformed(format!("{id} is in {} and {other}", row.name)));
            }
        }
        self.put(row, changes);
        Ok(())
    }

    /// Checks, when all rows are there, that each member is a component.
    pub(super) fn check_loaded(&self, components: &Components) -> Result<(), SnapshotError> {
        for id in self.names.keys() {
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
        kind: RowKind::Partition,
        problem,
    }
}

/// Xnames of a partition's members, sorted.
fn members(partition: &Partition) -> &[String] {
    partition.members.as_ref().map_or(&[][..], |members| &members.ids)
}

/// The partition with other members, changed by this entry.
fn with_members(before: &Partition, ids: Vec<String>, at: &LogPosition<'_>) -> Partition {
    Partition {
        name: before.name.clone(),
        description: before.description.clone(),
        tags: before.tags.clone(),
        members: Some(GroupMembers { ids }),
        meta: at.modified(before.meta.as_ref()),
    }
}

/// The new partition as it is stored.
fn normalised(given: &Partition, at: &LogPosition<'_>) -> Result<Partition, Rejection> {
    check_text("description", &given.description, DESCRIPTION_BYTES_MAX)?;
    Ok(Partition {
        name: normalised_name(&given.name)?,
        description: given.description.clone(),
        tags: normalise_tags(&given.tags)?,
        members: Some(GroupMembers {
            ids: normalise_members("members.ids", members(given))?,
        }),
        meta: at.created(),
    })
}

fn normalised_name(text: &str) -> Result<String, Rejection> {
    let parsed: Result<PartitionName, _> = text.parse();
    parsed
        .map(String::from)
        .map_err(|e| Rejection::invalid("name", e))
}

impl Record for Partition {
    type Key = String;

    fn row_key(name: &String) -> RowKey {
        RowKey::partition(name)
    }

    fn key(&self) -> Result<String, String> {
        match self.name.parse::<PartitionName>() {
            Ok(name) if name.as_str() == self.name => Ok(name.into()),
            _ => Err(format!("`{}` names no partition", self.name.escape_debug())),
        }
    }

    fn into_row(self) -> Row {
        Row::Partition(self)
    }

    fn object(self: Arc<Self>) -> Option<Object> {
        Some(Object::Partition(self))
    }
}
