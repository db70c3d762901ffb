//! What happened to hardware: which unit came to a place or left it, and when.

use std::collections::BTreeSet;
use std::sync::Arc;

use imbl::OrdSet;
use model::{Rejection, Xname};
use proto::raft::v1::outcome::Applied;
use proto::raft::v1::snapshot_row::Row;
use proto::smd::v1::HardwareHistoryRecord;
use proto::smd::v1::hardware_history_record::{Event, Type};
use proto::smd::v1::smd_command::DeleteHardwareHistory;
use proto::smd::v1::smd_command::delete_hardware_history::Of;

use super::stored_xname;
use crate::bounds::{
    HARDWARE_EVENT_LAPSE_MS, HARDWARE_EVENTS_PER_PLACE_MAX, HARDWARE_HISTORIES_MAX, IDS_LISTED_MAX,
    check_name,
};
use crate::changes::Changes;
use crate::event::Object;
use crate::log_position::LogPosition;
use crate::snapshot::SnapshotError;
use crate::table::{Record, Table};
use crate::{RowKey, RowKind};

/// Word for the kind in rejections.
const KIND: &str = "hardware history";

/// Events by place, oldest first. They are kept when the place or the unit is forgotten.
#[derive(Clone, Default)]
pub(super) struct HardwareHistory {
    table: Table<HardwareHistoryRecord>,
    /// In which places a unit was. Nothing sorts before `None`.
    by_fru: OrdSet<(String, Option<Xname>)>,
    /// Revision of the newest event of each place: the first is the place where nothing has happened for longest.
    by_age: OrdSet<(u64, Xname)>,
}

impl HardwareHistory {
    pub(super) fn get(&self, place: &Xname) -> Option<&Arc<HardwareHistoryRecord>> {
        self.table.get(place)
    }

    /// Sorted by xname.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<HardwareHistoryRecord>> {
        self.table.values()
    }

    /// The histories of the places where a unit was, sorted by xname.
    pub(super) fn of_fru<'a>(
        &'a self,
        fru_id: &'a str,
    ) -> impl Iterator<Item = &'a Arc<HardwareHistoryRecord>> + use<'a> {
        self.by_fru
            .range((fru_id.to_owned(), None)..)
            .take_while(move |(unit, _)| unit == fru_id)
            .filter_map(|(_, place)| self.table.get(place.as_ref()?))
    }

    /// Notes what happened now. Events that are too old or too many leave, here and where nothing happened for long.
    pub(super) fn add(
        &mut self,
        place: &Xname,
        event_type: Type,
        fru_id: &str,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) {
        let mut events = self
            .table
            .get(place)
            .map_or_else(Vec::new, |record| record.events.clone());
        events.push(Event {
            r#type: event_type.into(),
            fru_id: fru_id.to_owned(),
            at_ms: at.time_ms,
            revision: at.index,
        });
        events.retain(|event| !has_lapsed(event, at.time_ms));
        events.drain(..events.len().saturating_sub(HARDWARE_EVENTS_PER_PLACE_MAX));
        self.put(place.clone(), events, changes);
        self.expire(at, changes);
    }

    /// Forgets the histories of places where nothing has happened for too long, or while there are too many.
    fn expire(&mut self, at: &LogPosition<'_>, changes: &mut Changes) {
        while let Some((_, place)) = self.by_age.get_min().cloned() {
            let newest = self.table.get(&place).and_then(|record| record.events.last());
            let has_lapsed = newest.is_none_or(|event| has_lapsed(event, at.time_ms));
            if !has_lapsed && self.table.len() <= HARDWARE_HISTORIES_MAX {
                break;
            }
            self.put(place, Vec::new(), changes);
        }
    }

    /// Forgets the events of a place, of a unit, or all of them. Source: SMD `DELETE /Inventory/Hardware/History`.
    pub(super) fn delete(
        &mut self,
        delete: &DeleteHardwareHistory,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let (places, unit): (BTreeSet<Xname>, Option<&str>) = match &delete.of {
            Some(Of::Id(id)) => {
                let id: Xname = id.parse().map_err(|error| Rejection::invalid("id", error))?;
                (self.table.get(&id).map(|_| id).into_iter().collect(), None)
            }
            Some(Of::FruId(fru_id)) => {
                let places = self.of_fru(fru_id).filter_map(|record| record.id.parse().ok());
                (places.collect(), Some(fru_id))
            }
            Some(Of::All(true)) => (self.table.keys().cloned().collect(), None),
            Some(Of::All(false)) | None => {
                return Err(Rejection::invalid("of", "name a place, a unit, or all"));
            }
        };
        let mut count = 0;
        for place in &places {
            let events = self.table.get(place).map_or(&[][..], |record| &record.events);
            let stays = |event: &&Event| unit.is_some_and(|unit| event.fru_id != unit);
            let rest: Vec<Event> = events.iter().filter(stays).cloned().collect();
            count += events.len() - rest.len();
            self.put(place.clone(), rest, changes);
        }
        if count == 0 {
            return Err(Rejection::not_found(KIND, "there is none"));
        }
        Ok(Applied {
            deleted: places.iter().take(IDS_LISTED_MAX).map(Xname::to_string).collect(),
            deleted_count: count as u64,
            ..Default::default()
        })
    }

    /// Stores the events of a place, none of which removes the row, and keeps the indexes in step.
    fn put(&mut self, place: Xname, events: Vec<Event>, changes: &mut Changes) {
        let newest = events.last().map(|event| event.revision);
        let units: BTreeSet<String> = events.iter().map(|event| event.fru_id.clone()).collect();
        let before = if events.is_empty() {
            self.table.remove(&place, changes)
        } else {
            let id = place.to_string();
            self.table
                .put(place.clone(), HardwareHistoryRecord { id, events }, changes)
        };
        for event in before.iter().flat_map(|before| &before.events) {
            self.by_fru.remove(&(event.fru_id.clone(), Some(place.clone())));
            self.by_age.remove(&(event.revision, place.clone()));
        }
        self.by_fru
            .extend(units.into_iter().map(|unit| (unit, Some(place.clone()))));
        self.by_age.extend(newest.map(|revision| (revision, place)));
    }

    pub(super) fn load(
        &mut self,
        row: HardwareHistoryRecord,
        changes: &mut Changes,
    ) -> Result<(), SnapshotError> {
        let place = self.table.check_load(&row, RowKind::HardwareHistory)?;
        self.put(place, row.events, changes);
        Ok(())
    }
}

/// Whether an event is too old to be kept or shown at cluster time `now_ms`.
fn has_lapsed(event: &Event, now_ms: u64) -> bool {
    now_ms.saturating_sub(event.at_ms) > HARDWARE_EVENT_LAPSE_MS
}

impl Record for HardwareHistoryRecord {
    type Key = Xname;

    fn row_key(place: &Xname) -> RowKey {
        RowKey::hardware_history(place)
    }

    fn key(&self) -> Result<Xname, String> {
        if self.events.is_empty() || self.events.len() > HARDWARE_EVENTS_PER_PLACE_MAX {
            return Err(format!("{} has {} events", self.id, self.events.len()));
        }
        if !self.events.is_sorted_by_key(|event| event.revision) {
            return Err(format!("the events of {} are out of order", self.id));
        }
        for event in &self.events {
            check_name("fru_id", &event.fru_id).map_err(|rejection| rejection.to_string())?;
        }
        stored_xname(&self.id)
    }

    fn into_row(self) -> Row {
        Row::HardwareHistory(self)
    }

    /// The change of the place itself tells it.
    fn object(self: Arc<Self>) -> Option<Object> {
        None
    }
}
