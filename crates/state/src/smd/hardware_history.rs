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

    pub(super) fn after(&self, place: Option<&Xname>) -> impl Iterator<Item = &Arc<HardwareHistoryRecord>> {
        self.table.after(place)
    }

    /// The units that something happened to, those after `fru_id` if one is given; sorted.
    pub(super) fn frus_after<'a>(&'a self, fru_id: Option<&'a String>) -> impl Iterator<Item = &'a str> {
        let begin = fru_id.cloned().unwrap_or_default();
        let mut last = fru_id.map(String::as_str);
        let units = self.by_fru.range((begin, None)..).map(|(unit, _)| unit.as_str());
        units.filter(move |unit| last.replace(unit) != Some(*unit))
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
        let before = self.table.get(&place).cloned();
        let before = before.as_deref().map_or(&[][..], |before| &before.events);
        self.reindex(&place, &Reindexed::of(before, &events));
        if events.is_empty() {
            self.table.remove(&place, changes);
        } else {
            let id = place.to_string();
            self.table
                .put(place, HardwareHistoryRecord { id, events }, changes);
        }
    }

    fn reindex(&mut self, place: &Xname, changed: &Reindexed<'_>) {
        for unit in &changed.units_left {
            self.by_fru.remove(&((*unit).to_owned(), Some(place.clone())));
        }
        for unit in &changed.units_came {
            self.by_fru.insert(((*unit).to_owned(), Some(place.clone())));
        }
        if let Some(revision) = changed.newest_was {
            self.by_age.remove(&(revision, place.clone()));
        }
        if let Some(revision) = changed.newest_is {
            self.by_age.insert((revision, place.clone()));
        }
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

/// What changes in the indexes when the events of a place do: of a full history that gets one more event, two keys or three.
#[derive(Debug, PartialEq, Eq)]
struct Reindexed<'a> {
    units_left: Vec<&'a str>,
    units_came: Vec<&'a str>,
    /// Revisions of the newest event, where they differ.
    newest_was: Option<u64>,
    newest_is: Option<u64>,
}

impl<'a> Reindexed<'a> {
    fn of(before: &'a [Event], after: &'a [Event]) -> Reindexed<'a> {
        let newest = |events: &[Event]| events.last().map(|event| event.revision);
        let (were, are) = (units(before), units(after));
        let (newest_was, newest_is) = (newest(before), newest(after));
        let differs = newest_was != newest_is;
        Reindexed {
            units_left: were.difference(&are).copied().collect(),
            units_came: are.difference(&were).copied().collect(),
            newest_was: newest_was.filter(|_| differs),
            newest_is: newest_is.filter(|_| differs),
        }
    }
}

fn units(events: &[Event]) -> BTreeSet<&str> {
    events.iter().map(|event| event.fru_id.as_str()).collect()
}

/// Whether an event is too old to be kept at cluster time `now_ms`.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn events(numbers: std::ops::Range<u64>) -> Vec<Event> {
        let event = |revision: u64| Event {
            fru_id: format!("Node.{revision}"),
            revision,
            ..Event::default()
        };
        numbers.map(event).collect()
    }

    /// Most of a hundred events stay where they are: they must cost nothing.
    #[test]
    fn one_more_event_touches_the_keys_of_what_left_and_came_only() {
        let (before, after) = (events(0..100), events(1..101));
        let expected = Reindexed {
            units_left: vec!["Node.0"],
            units_came: vec!["Node.100"],
            newest_was: Some(99),
            newest_is: Some(100),
        };
        assert_eq!(Reindexed::of(&before, &after), expected);
        let nothing = Reindexed {
            units_left: vec![],
            units_came: vec![],
            newest_was: None,
            newest_is: None,
        };
        assert_eq!(Reindexed::of(&before, &before), nothing);
    }

    #[test]
    fn a_unit_that_is_in_another_event_still_does_not_leave() {
        let before = [events(1..2), events(1..3)].concat();
        assert_eq!(Reindexed::of(&before, &before[1..]).units_left, [""; 0]);
        let gone = Reindexed::of(&before, &[]);
        assert_eq!(
            (gone.units_left, gone.newest_was, gone.newest_is),
            (vec!["Node.1", "Node.2"], Some(2), None)
        );
    }
}
