//! Where components get their power from.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::{Rejection, Xname};
use proto::raft::v1::outcome::Applied;
use proto::raft::v1::snapshot_row::Row;
use proto::smd::v1::PowerMap;
use proto::smd::v1::smd_command::{DeletePowerMaps, PutPowerMaps};

use super::{ids_to_delete, stored_xname};
use crate::bounds::{
    POWER_MAPS_MAX, SUPPLIES_PER_COMPONENT_MAX, check_count, check_ids, check_names_one, check_one_each,
};
use crate::changes::Changes;
use crate::event::Object;
use crate::log_position::{LogPosition, check_revision};
use crate::outcome::deleted;
use crate::snapshot::SnapshotError;
use crate::table::{Record, Table};
use crate::{RowKey, RowKind};

/// Word for the kind in rejections.
const KIND: &str = "power map";

/// Maps by component; neither it nor what feeds it needs to be a component that is known.
#[derive(Clone, Default)]
pub(super) struct PowerMaps {
    table: Table<PowerMap>,
}

impl PowerMaps {
    pub(super) fn get(&self, id: &Xname) -> Option<&Arc<PowerMap>> {
        self.table.get(id)
    }

    /// Sorted by xname.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<PowerMap>> {
        self.table.values()
    }

    pub(super) fn after(&self, id: Option<&Xname>) -> impl Iterator<Item = &Arc<PowerMap>> {
        self.table.after(id)
    }

    /// Creates or replaces. Source: SMD `POST /sysinfo/powermaps`, `PUT /sysinfo/powermaps/{xname}`.
    pub(super) fn put_all(
        &mut self,
        put: &PutPowerMaps,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        check_ids("maps", put.maps.len())?;
        check_one_each(&put.if_revisions, put.maps.len())?;
        let mut given = BTreeMap::new();
        for (position, map) in put.maps.iter().enumerate() {
            let (id, map) = normalised(map, &format!("maps[{position}]"))?;
            let before = self.get(&id).and_then(|before| before.meta.as_ref());
            check_revision(id.as_str(), put.if_revisions.get(position).copied(), before)?;
            if given.insert(id.clone(), map).is_some() {
                let problem = format!("{id} is given twice in one request");
                return Err(Rejection::invalid(&format!("maps[{position}].id"), problem));
            }
        }
        let new = given.keys().filter(|id| self.get(id).is_none()).count();
        if self.table.len() + new > POWER_MAPS_MAX {
            let problem =
                format!("at most {POWER_MAPS_MAX} components have one; delete those that are not needed");
            return Err(Rejection::invalid("maps", problem));
        }
        let mut applied = Applied::default();
        for (id, mut map) in given {
            let before = self.get(&id).cloned();
            let list = match before.as_deref() {
                Some(before) => {
                    map.meta.clone_from(&before.meta);
                    if map == *before {
                        applied.unchanged.push(map.id);
                        continue;
                    }
                    map.meta = at.modified(before.meta.as_ref());
                    &mut applied.updated
                }
                None => {
                    map.meta = at.created();
                    &mut applied.created
                }
            };
            list.push(map.id.clone());
            self.table.put(id, map, changes);
        }
        Ok(applied)
    }

    /// Source: SMD `DELETE /sysinfo/powermaps[/{xname}]`.
    pub(super) fn delete(
        &mut self,
        delete: &DeletePowerMaps,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let ids: BTreeSet<Xname> = ids_to_delete(KIND, &delete.ids, delete.all, &self.table)?;
        check_names_one(delete.if_revision, ids.len())?;
        for map in ids.iter().filter_map(|id| self.get(id)) {
            check_revision(&map.id, delete.if_revision, map.meta.as_ref())?;
        }
        for id in &ids {
            self.table.remove(id, changes);
        }
        Ok(deleted(ids.iter().map(Xname::to_string)))
    }

    pub(super) fn load(&mut self, row: PowerMap, changes: &mut Changes) -> Result<(), SnapshotError> {
        let id = self.table.check_load(&row, RowKind::PowerMap)?;
        self.table.put(id, row, changes);
        Ok(())
    }
}

/// The map as it is stored, without its meta.
fn normalised(given: &PowerMap, place: &str) -> Result<(Xname, PowerMap), Rejection> {
    let field = |name: &str| format!("{place}.{name}");
    let id: Xname = given
        .id
        .parse()
        .map_err(|e| Rejection::invalid(&field("id"), e))?;
    let supplies = field("powered_by");
    if given.powered_by.is_empty() {
        return Err(Rejection::invalid(
            &supplies,
            "it is missing; name one supply at least",
        ));
    }
    check_count(&supplies, given.powered_by.len(), SUPPLIES_PER_COMPONENT_MAX)?;
    let parse = |text: &String| text.parse::<Xname>().map(|supply| supply.to_string());
    let powered_by = given.powered_by.iter().map(parse).collect::<Result<_, _>>();
    let map = PowerMap {
        id: id.to_string(),
        powered_by: powered_by.map_err(|e| Rejection::invalid(&supplies, e))?,
        meta: None,
    };
    Ok((id, map))
}

impl Record for PowerMap {
    type Key = Xname;

    fn row_key(id: &Xname) -> RowKey {
        RowKey::power_map(id)
    }

    fn key(&self) -> Result<Xname, String> {
        stored_xname(&self.id)
    }

    fn into_row(self) -> Row {
        Row::PowerMap(self)
    }

    fn object(self: Arc<Self>) -> Option<Object> {
        Some(Object::PowerMap(self))
    }
}
