//! SMD's components: found by xname and NID, their state, their removal. Creation has its own file.

use std::collections::BTreeSet;
use std::ops::{Bound, RangeInclusive};
use std::sync::Arc;

use model::{HmsType, NodeState, Rejection, Xname};
use proto::raft::v1::outcome::Applied;
use proto::raft::v1::snapshot_row::Row;
use proto::smd::v1::Component;
use proto::smd::v1::component::{Flag, State};
use proto::smd::v1::smd_command::{DeleteComponents, PatchState};

use super::lock_enforcement::Holds;
use super::nids::Nids;
use super::stored_xname;
use crate::bounds::{check_ids, check_names_one};
use crate::changes::Changes;
use crate::event::Object;
use crate::log_position::{LogPosition, check_revision};
use crate::snapshot::SnapshotError;
use crate::table::{Record, Table};
use crate::{RowKey, RowKind};

/// Word for the kind in rejections.
pub(super) const KIND: &str = "component";

/// Components by xname, and the owner of each NID.
#[derive(Clone, Default)]
pub(super) struct Components {
    pub(super) table: Table<Component>,
    pub(super) nids: Nids,
}

impl Components {
    pub(super) fn get(&self, id: &Xname) -> Option<&Arc<Component>> {
        self.table.get(id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Component>> {
        self.table.values()
    }

    pub(super) fn after(&self, id: Option<&Xname>) -> impl Iterator<Item = &Arc<Component>> {
        self.table.after(id)
    }

    pub(super) fn by_nid(&self, nid: u64) -> Option<&Arc<Component>> {
        self.nids.owner(nid).and_then(|owner| self.table.get(owner))
    }

    /// The xnames below a place begin with its name, but others do so, too: `x1c0s10` is not below `x1c0s1`.
    pub(super) fn below(&self, place: &Xname) -> impl Iterator<Item = &Arc<Component>> {
        let (place, prefix) = (place.clone(), place.clone());
        let is_everything = place.hms_type() == HmsType::System;
        let from = match is_everything {
            true => Bound::Unbounded,
            false => Bound::Included(place.clone()),
        };
        self.table
            .range((from, Bound::Unbounded))
            .take_while(move |(id, _)| is_everything || id.as_str().starts_with(prefix.as_str()))
            .filter(move |(id, _)| id.is_within(&place))
            .map(|(_, component)| component)
    }

    /// Sorted by NID.
    pub(super) fn by_nids(&self, nids: RangeInclusive<u64>) -> impl Iterator<Item = &Arc<Component>> {
        self.nids.owners(nids).filter_map(|owner| self.table.get(owner))
    }

    /// Sets state and flag of one component; the flag is OK unless given, and stays when it is Locked.
    ///
    /// A change that SMD does not allow from the present state is no error: the id comes back in `unchanged`.
    /// Source: SMD `PATCH /State/Components/{xname}/StateData` (hmsds' UpdateCompStatesTx).
    pub(super) fn patch_state(
        &mut self,
        patch: &PatchState,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let id: Xname = patch.id.parse().map_err(|e| Rejection::invalid("id", e))?;
        let target = NodeState::try_from(patch.state).map_err(|e| Rejection::invalid("state", e))?;
        let flag = flag_or_ok("flag", patch.flag)?;
        if target.needs_force() && !patch.force {
            let problem = format!("operation not allowed and not forced. {target} is only set with force");
            return Err(Rejection::invalid("state", problem));
        }
        let before = self
            .table
            .get(&id)
            .ok_or_else(|| Rejection::not_found(KIND, &id))?;
        check_revision(id.as_str(), patch.if_revision, before.meta.as_ref())?;
        let keys = vec![id.to_string()];
        if !may_enter(before, target, flag, patch.force) {
            return Ok(Applied {
                unchanged: keys,
                ..Default::default()
            });
        }
        let flag = if before.flag() == Flag::Locked {
            before.flag
        } else {
            flag
        };
        let meta = at.modified(before.meta.as_ref());
        let after = Component {
            state: patch.state,
            flag,
            meta,
            ..before.as_ref().clone()
        };
        self.put(id, after, changes);
        Ok(Applied {
            updated: keys,
            ..Default::default()
        })
    }

    /// Removes the named components, or all, and gives their xnames; one that does not exist, or is held, rejects the
    /// whole command.
    pub(super) fn delete(
        &mut self,
        delete: &DeleteComponents,
        holds: &Holds<'_>,
        changes: &mut Changes,
    ) -> Result<BTreeSet<Xname>, Rejection> {
        let ids: BTreeSet<Xname> = if delete.all {
            self.table.keys().cloned().collect()
        } else {
            check_ids("ids", delete.ids.len())?;
            let parse = |text: &String| text.parse().map_err(|e| Rejection::invalid("ids", e));
            delete.ids.iter().map(parse).collect::<Result<_, _>>()?
        };
        if ids.is_empty() {
            return Err(Rejection::not_found(KIND, "there are none"));
        }
        if let Some(missing) = ids.iter().find(|id| self.table.get(id).is_none()) {
            return Err(Rejection::not_found(KIND, missing));
        }
        check_names_one(delete.if_revision, ids.len())?;
        for (id, component) in ids.iter().filter_map(|id| Some((id, self.table.get(id)?))) {
            check_revision(id.as_str(), delete.if_revision, component.meta.as_ref())?;
            holds
                .allow_delete(id, component)
                .map_err(|hold| hold.rejection(id))?;
        }
        for id in &ids {
            self.remove(id, changes);
        }
        Ok(ids)
    }

    pub(super) fn put(&mut self, id: Xname, component: Component, changes: &mut Changes) {
        let nid = component.nid;
        let before = self
            .table
            .put(id.clone(), component, changes)
            .and_then(|before| before.nid);
        if before == nid {
            return;
        }
        if let Some(nid) = before {
            self.nids.remove(nid);
        }
        if let Some(nid) = nid {
            self.nids.insert(nid, id);
        }
    }

    fn remove(&mut self, id: &Xname, changes: &mut Changes) {
        if let Some(nid) = self.table.remove(id, changes).and_then(|before| before.nid) {
            self.nids.remove(nid);
        }
    }

    pub(super) fn load(&mut self, row: Component, changes: &mut Changes) -> Result<(), SnapshotError> {
        let id = self.table.check_load(&row, RowKind::Component)?;
        if let Some(owner) = row.nid.and_then(|nid| self.nids.owner(nid)) {
            let problem = format!("{id} and {owner} have the same NID");
            return Err(SnapshotError::Malformed {
                kind: RowKind::Component,
                problem,
            });
        }
        self.put(id, row, changes);
        Ok(())
    }
}

/// Whether SMD lets the component enter `target`. One without a state (from discovery) is given one by force only.
pub(super) fn may_enter(before: &Component, target: NodeState, flag: i32, force: bool) -> bool {
    let from = NodeState::try_from(before.state).ok();
    if target == NodeState::Ready && flag == i32::from(Flag::Warning) {
        // The heartbeat tracker's "late": it must not turn a node back to Ready that has gone down meanwhile.
        return from == Some(NodeState::Ready);
    }
    from.map_or(force, |from| target.may_follow(from, force))
}

/// SMD's default flag, unless one is given.
pub(super) fn flag_or_ok(field: &str, flag: i32) -> Result<i32, Rejection> {
    match Flag::try_from(flag) {
        Ok(Flag::Unspecified) => Ok(Flag::Ok.into()),
        Ok(_) => Ok(flag),
        Err(_) => Err(Rejection::invalid(
            field,
            "write Unknown, OK, Warning, Alert or Locked",
        )),
    }
}

const _: () = assert!(State::Ready as i32 == NodeState::Ready as i32 && State::Unknown as i32 == 1);

impl Record for Component {
    type Key = Xname;

    fn row_key(id: &Xname) -> RowKey {
        RowKey::component(id)
    }

    fn key(&self) -> Result<Xname, String> {
        stored_xname(&self.id)
    }

    fn into_row(self) -> Row {
        Row::Component(self)
    }

    fn object(self: Arc<Self>) -> Option<Object> {
        Some(Object::Component(self))
    }
}
