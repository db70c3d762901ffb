//! What changes groups: SMD's checks on labels, tags and members, all or nothing.

use std::sync::Arc;

use model::Rejection;
use proto::raft::v1::outcome::Applied;
use proto::smd::v1::smd_command::{
    AddGroupMember, CreateGroup, DeleteGroup, PatchGroup, RemoveGroupMember, ReplaceGroupMembers,
};
use proto::smd::v1::{Group, GroupMembers};

use super::components::Components;
use super::groups::{Groups, members, with_members};
use super::members::{joined, member, normalise_members, normalise_tags, parted, word};
use crate::bounds::{DESCRIPTION_BYTES_MAX, GROUPS_MAX, GROUPS_PER_COMPONENT_MAX, check_text};
use crate::changes::Changes;
use crate::log_position::{LogPosition, check_revision};
use crate::outcome::deleted;

/// The route that lists all labels ends so: a group of that name could never be read.
const LABELS_ROUTE: &str = "labels";
/// Word for the kind in rejections.
const KIND: &str = "group";

impl Groups {
    /// Source: SMD `POST /groups`.
    pub(super) fn create(
        &mut self,
        create: &CreateGroup,
        components: &Components,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let given = create
            .group
            .as_ref()
            .ok_or_else(|| Rejection::invalid("group", "it is missing"))?;
        let group = normalised(given, at)?;
        if self.get(&group.label).is_some() {
            let detail = "operation would conflict with an existing group that has the same label; \
                          patch its description and tags, put its members"
                .to_owned();
            return Err(Rejection::AlreadyExists {
                kind: KIND.into(),
                id: group.label,
                detail,
            });
        }
        if self.len() >= GROUPS_MAX {
            let problem = format!("there are {GROUPS_MAX} groups; delete one first");
            return Err(Rejection::invalid("group", problem));
        }
        self.check_join("members.ids", &group, members(&group), components)?;
        let label = group.label.clone();
        self.put(group, changes);
        Ok(Applied {
            created: vec![label],
            ..Default::default()
        })
    }

    /// Absent fields stay; label, exclusive group and members are not patched. Source: SMD `PATCH /groups/{label}`.
    pub(super) fn patch(
        &mut self,
        patch: &PatchGroup,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let before = self.existing_at(&patch.label, patch.if_revision)?;
        let mut after = before.as_ref().clone();
        if let Some(description) = &patch.description {
            check_text("description", description, DESCRIPTION_BYTES_MAX)?;
            after.description.clone_from(description);
        }
        if let Some(tags) = &patch.tags {
            after.tags = normalise_tags(&tags.items)?;
        }
        if after == *before {
            return Ok(unchanged(&before));
        }
        after.meta = at.modified(before.meta.as_ref());
        self.put(after, changes);
        Ok(updated(&before))
    }

    /// Source: SMD `DELETE /groups/{label}`.
    pub(super) fn delete(
        &mut self,
        delete: &DeleteGroup,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let group = self.existing_at(&delete.label, delete.if_revision)?;
        self.remove(&group, changes);
        Ok(deleted(std::iter::once(group.label.clone())))
    }

    /// Source: SMD `POST /groups/{label}/members`, for several at once.
    pub(super) fn add_members(
        &mut self,
        add: &AddGroupMember,
        components: &Components,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let before = self.existing_at(&add.label, add.if_revision)?;
        let (new, ids) = joined(KIND, &before.label, members(&before), &add.ids)?;
        self.check_join("id", &before, &new, components)?;
        self.put(with_members(&before, ids, at), changes);
        Ok(Applied {
            created: new,
            ..Default::default()
        })
    }

    /// Makes these the members. Source: SMD `PUT /groups/{label}/members`.
    pub(super) fn replace_members(
        &mut self,
        replace: &ReplaceGroupMembers,
        components: &Components,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let before = self.existing_at(&replace.label, replace.if_revision)?;
        let ids = normalise_members("ids", &replace.ids)?;
        let old = members(&before);
        if ids == old {
            return Ok(unchanged(&before));
        }
        let is_new = |id: &&String| old.binary_search(id).is_err();
        let new: Vec<String> = ids.iter().filter(is_new).cloned().collect();
        self.check_join("ids", &before, &new, components)?;
        self.put(with_members(&before, ids, at), changes);
        Ok(updated(&before))
    }

    /// Source: SMD `DELETE /groups/{label}/members/{xname}`, for several at once.
    pub(super) fn remove_members(
        &mut self,
        remove: &RemoveGroupMember,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let before = self.existing_at(&remove.label, remove.if_revision)?;
        let (gone, ids) = parted(KIND, &before.label, members(&before), &remove.ids)?;
        self.put(with_members(&before, ids, at), changes);
        Ok(deleted(gone.into_iter()))
    }

    /// A group that is at the revision that the client has seen, if it names one.
    fn existing_at(&self, label: &str, if_revision: Option<u64>) -> Result<Arc<Group>, Rejection> {
        let label = word("label", label)?;
        let found = self.get(&label).cloned();
        let found = found.ok_or_else(|| Rejection::not_found(KIND, &label))?;
        check_revision(&label, if_revision, found.meta.as_ref())?;
        Ok(found)
    }

    /// Whether all of `new` may become members of `group`.
    fn check_join(
        &self,
        field: &str,
        group: &Group,
        new: &[String],
        components: &Components,
    ) -> Result<(), Rejection> {
        for id in new {
            if components.get(&member(field, id)?).is_none() {
                let problem = format!("linked component does not exist: {id}; create it first");
                return Err(Rejection::invalid(field, problem).of_another("component", id));
            }
            if let Some(rival) = self.rival(group, id) {
                let detail = format!(
                    "operation would conflict with an existing member in another exclusive group: {id} is in {}, \
                     which has the exclusiveGroup {} as {} has; take it out there first",
                    rival.label, rival.exclusive_group, group.label
                );
                return Err(Rejection::Conflict { detail }.of_another(KIND, &rival.label));
            }
            if self.labels_of(id.as_str()).len() >= GROUPS_PER_COMPONENT_MAX {
                let problem =
                    format!("{id} is in {GROUPS_PER_COMPONENT_MAX} groups; take it out of one first");
                return Err(Rejection::invalid(field, problem));
            }
        }
        Ok(())
    }
}

fn updated(group: &Group) -> Applied {
    Applied {
        updated: vec![group.label.clone()],
        ..Default::default()
    }
}

fn unchanged(group: &Group) -> Applied {
    Applied {
        unchanged: vec![group.label.clone()],
        ..Default::default()
    }
}

/// The new group as it is stored.
fn normalised(given: &Group, at: &LogPosition<'_>) -> Result<Group, Rejection> {
    let label = word("label", &given.label)?;
    if label == LABELS_ROUTE {
        let problem = "GET /hsm/v2/groups/labels lists all labels, so that no group can be called `labels`";
        return Err(Rejection::invalid("label", problem));
    }
    check_text("description", &given.description, DESCRIPTION_BYTES_MAX)?;
    let exclusive_group = match given.exclusive_group.as_str() {
        "" => String::new(),
        name => word("exclusiveGroup", name)?,
    };
    let ids = normalise_members("members.ids", members(given))?;
    Ok(Group {
        label,
        description: given.description.clone(),
        exclusive_group,
        tags: normalise_tags(&given.tags)?,
        members: Some(GroupMembers { ids }),
        meta: at.created(),
    })
}
