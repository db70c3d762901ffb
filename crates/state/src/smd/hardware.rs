//! Hardware by place: which unit is where, and what is known of both. Units and history have their own files.

use std::collections::BTreeSet;
use std::sync::Arc;

use imbl::OrdMap;
use model::{Rejection, Xname};
use proto::raft::v1::outcome::Applied;
use proto::raft::v1::snapshot_row::Row;
use proto::smd::v1::hardware_history_record::Type;
use proto::smd::v1::smd_command::{DeleteHardware, DeleteHardwareFrus, PutHardware};
use proto::smd::v1::{HardwareEntry, HardwareFruRecord, HardwareLocationRecord};

use super::hardware_frus::{self, HardwareFrus};
use super::hardware_history::HardwareHistory;
use super::{ids_to_delete, stored_xname};
use crate::bounds::{HARDWARE_LOCATIONS_MAX, check_count, check_ids};
use crate::changes::Changes;
use crate::event::Object;
use crate::json_text::check_json_object;
use crate::log_position::LogPosition;
use crate::outcome::deleted;
use crate::snapshot::SnapshotError;
use crate::table::{Record, Table};
use crate::{RowKey, RowKind};

/// Word for the kind in rejections; it is HSM's.
const KIND: &str = "xname";

/// Places by xname, units by FRU ID, where each unit is, and what happened. A unit is in one place at most.
#[derive(Clone, Default)]
pub(super) struct Hardware {
    table: Table<HardwareLocationRecord>,
    pub(super) frus: HardwareFrus,
    pub(super) history: HardwareHistory,
    place_of: OrdMap<String, Xname>,
}

/// An entry that may be stored: see [`Hardware::check`].
pub(super) struct CheckedHardware(Vec<Found>);

/// What is found in one place.
struct Found {
    id: Xname,
    info: String,
    fru: Option<HardwareFruRecord>,
}

impl Hardware {
    pub(super) fn get(&self, id: &Xname) -> Option<&Arc<HardwareLocationRecord>> {
        self.table.get(id)
    }

    /// Sorted by xname.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<HardwareLocationRecord>> {
        self.table.values()
    }

    pub(super) fn after(&self, id: Option<&Xname>) -> impl Iterator<Item = &Arc<HardwareLocationRecord>> {
        self.table.after(id)
    }

    /// A place and all that is within it, sorted by xname; the place itself need not be there.
    pub(super) fn within<'a>(
        &'a self,
        id: &Xname,
    ) -> impl Iterator<Item = &'a Arc<HardwareLocationRecord>> + use<'a> {
        let top = id.clone();
        self.table
            .range(id.clone()..)
            .map_while(move |(found, record)| Some((found.as_str().strip_prefix(top.as_str())?, record)))
            .filter(|(rest, _)| !rest.starts_with(|c: char| c.is_ascii_digit()))
            .map(|(_, record)| record)
    }

    /// Where a unit is.
    pub(super) fn place_of(&self, fru_id: &str) -> Option<&Xname> {
        self.place_of.get(fru_id)
    }

    /// Creates or overwrites. Source: SMD `POST /Inventory/Hardware`.
    pub(super) fn put(
        &mut self,
        put: &PutHardware,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        check_ids("hardware", put.hardware.len())?;
        let checked = self.check(&put.hardware)?;
        Ok(self.put_checked(checked, at, changes))
    }

    /// Checks all that must hold before one of `entries` is stored, in this command or in one that stores more than
    /// hardware.
    ///
    /// # Errors
    /// `Invalid` for what cannot be stored, and for a place or a unit that is there twice.
    pub(super) fn check(&self, entries: &[HardwareEntry]) -> Result<CheckedHardware, Rejection> {
        let mut places = BTreeSet::new();
        let mut units = BTreeSet::new();
        let mut checked = Vec::with_capacity(entries.len());
        for (at, entry) in entries.iter().enumerate() {
            let found = checked_entry(entry, at)?;
            if !places.insert(found.id.clone()) {
                let problem = format!("{} is there twice", found.id);
                return Err(Rejection::invalid("hardware", problem));
            }
            if let Some(fru) = entry
                .fru
                .as_ref()
                .filter(|fru| !units.insert(fru.fru_id.as_str()))
            {
                let problem = format!("the unit {} is in two places", fru.fru_id);
                return Err(Rejection::invalid("hardware", problem));
            }
            checked.push(found);
        }
        let new = places.iter().filter(|id| self.table.get(id).is_none()).count();
        check_count("hardware", self.table.len() + new, HARDWARE_LOCATIONS_MAX)?;
        self.frus.check_room(&units)?;
        Ok(CheckedHardware(checked))
    }

    /// Stores what was checked. Only a unit that was not in its place before makes an event.
    pub(super) fn put_checked(
        &mut self,
        checked: CheckedHardware,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Applied {
        let mut applied = Applied::default();
        for found in checked.0 {
            let id = found.id.to_string();
            let before = self.table.get(&found.id).cloned();
            let fru_id = found
                .fru
                .as_ref()
                .map_or_else(String::new, |fru| fru.fru_id.clone());
            let fru_changed = found.fru.is_some_and(|fru| self.frus.put(fru, at, changes));
            self.move_unit(&found.id, before.as_deref(), &fru_id, at, changes);
            let is_same =
                |before: &HardwareLocationRecord| before.info == found.info && before.fru_id == fru_id;
            if before.as_deref().is_some_and(is_same) {
                let list = if fru_changed {
                    &mut applied.updated
                } else {
                    &mut applied.unchanged
                };
                list.push(id);
                continue;
            }
            let (list, meta) = match &before {
                Some(before) => (&mut applied.updated, at.modified(before.meta.as_ref())),
                None => (&mut applied.created, at.created()),
            };
            list.push(id.clone());
            let record = HardwareLocationRecord {
                id,
                fru_id,
                info: found.info,
                meta,
            };
            self.table.put(found.id, record, changes);
        }
        applied
    }

    /// Keeps index and history: `id`, where `before` was stored, has the unit `fru_id` now, or none.
    fn move_unit(
        &mut self,
        id: &Xname,
        before: Option<&HardwareLocationRecord>,
        fru_id: &str,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) {
        let was = before.map_or("", |before| before.fru_id.as_str());
        if was == fru_id {
            return;
        }
        if !was.is_empty() {
            self.place_of.remove(was);
            self.history.add(id, Type::Removed, was, at, changes);
        }
        if fru_id.is_empty() {
            return;
        }
        if let Some(other) = self.place_of.get(fru_id).cloned() {
            self.vacate(&other, at, changes);
        }
        self.place_of.insert(fru_id.to_owned(), id.clone());
        self.history.add(id, Type::Detected, fru_id, at, changes);
    }

    /// Leaves a place empty; what is known of it stays.
    pub(super) fn vacate(&mut self, id: &Xname, at: &LogPosition<'_>, changes: &mut Changes) {
        let Some(before) = self.table.get(id).cloned() else {
            return;
        };
        self.move_unit(id, Some(&before), "", at, changes);
        let empty = HardwareLocationRecord {
            fru_id: String::new(),
            meta: at.modified(before.meta.as_ref()),
            ..before.as_ref().clone()
        };
        self.table.put(id.clone(), empty, changes);
    }

    /// Forgets the named places, or all; one that is not there refuses them all. The units are kept.
    pub(super) fn delete(
        &mut self,
        delete: &DeleteHardware,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let ids = ids_to_delete(KIND, &delete.ids, delete.all, &self.table)?;
        for id in &ids {
            let before = self.table.remove(id, changes);
            self.move_unit(id, before.as_deref(), "", at, changes);
        }
        Ok(deleted(ids.iter().map(Xname::to_string)))
    }

    /// Forgets the named units, or all; one that is not there refuses them all. Their places become empty.
    pub(super) fn delete_frus(
        &mut self,
        delete: &DeleteHardwareFrus,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let ids: BTreeSet<String> = if delete.all {
            self.frus.iter().map(|fru| fru.fru_id.clone()).collect()
        } else {
            check_ids("fru_ids", delete.fru_ids.len())?;
            delete.fru_ids.iter().cloned().collect()
        };
        if ids.is_empty() {
            return Err(Rejection::not_found(hardware_frus::KIND, "there are none"));
        }
        if let Some(missing) = ids.iter().find(|id| self.frus.get(id).is_none()) {
            return Err(Rejection::not_found(hardware_frus::KIND, missing.as_str()));
        }
        for id in &ids {
            if let Some(place) = self.place_of.get(id).cloned() {
                self.vacate(&place, at, changes);
            }
            self.frus.remove(id, changes);
        }
        Ok(deleted(ids.iter().cloned()))
    }

    pub(super) fn load(
        &mut self,
        row: HardwareLocationRecord,
        changes: &mut Changes,
    ) -> Result<(), SnapshotError> {
        let id = self.table.check_load(&row, RowKind::HardwareLocation)?;
        if !row.fru_id.is_empty()
            && let Some(other) = self.place_of.insert(row.fru_id.clone(), id.clone())
        {
            return Err(malformed(format!("{} is in {other} and {id}", row.fru_id)));
        }
        self.table.put(id, row, changes);
        Ok(())
    }

    /// Checks, when all rows are there, that each unit that is in a place is known.
    pub(super) fn check_loaded(&self) -> Result<(), SnapshotError> {
        match self.place_of.keys().find(|id| self.frus.get(id).is_none()) {
            Some(missing) => Err(malformed(format!("there is no unit {missing}"))),
            None => Ok(()),
        }
    }
}

fn malformed(problem: String) -> SnapshotError {
    SnapshotError::Malformed {
        kind: RowKind::HardwareLocation,
        problem,
    }
}

/// The entry at place `at` of its command, normalised.
fn checked_entry(entry: &HardwareEntry, at: usize) -> Result<Found, Rejection> {
    let field = |name: &str| format!("hardware[{at}].{name}");
    let id: Xname = entry
        .id
        .parse()
        .map_err(|error| Rejection::invalid(&field("id"), error))?;
    if !id.hms_type().has_hardware() {
        let problem = format!("no hardware is kept of a {}", id.hms_type());
        return Err(Rejection::invalid(&field("id"), problem));
    }
    check_json_object(&field("info"), &entry.info)?;
    let fru = match &entry.fru {
        Some(fru) => Some(hardware_frus::checked(fru, id.hms_type(), &field("fru"))?),
        None => None,
    };
    Ok(Found {
        id,
        info: entry.info.clone(),
        fru,
    })
}

impl Record for HardwareLocationRecord {
    type Key = Xname;

    fn row_key(id: &Xname) -> RowKey {
        RowKey::hardware_location(id)
    }

    fn key(&self) -> Result<Xname, String> {
        let id = stored_xname(&self.id)?;
        if id.hms_type().has_hardware() {
            Ok(id)
        } else {
            Err(format!("no hardware is kept of a {}", id.hms_type()))
        }
    }

    fn into_row(self) -> Row {
        Row::HardwareLocation(self)
    }

    fn object(self: Arc<Self>) -> Option<Object> {
        Some(Object::HardwareLocation(self))
    }
}
