//! What is asked of hardware: what is where, and what happened.

use std::sync::Arc;

use model::Xname;
use proto::raft::v1::snapshot_row::Row;
use proto::smd::v1::{HardwareFruRecord, HardwareHistoryRecord, HardwareLocationRecord};

use super::{Smd, row_of, rows_of, xname_of_key};
use crate::changes::Changes;
use crate::event::Object;
use crate::snapshot::SnapshotError;
use crate::{RowKey, RowKind};

impl Smd {
    /// What is in a place.
    pub fn hardware_location(&self, place: &Xname) -> Option<Arc<HardwareLocationRecord>> {
        self.hardware.get(place).cloned()
    }

    /// Every place of hardware, sorted by xname.
    pub fn hardware_locations(&self) -> impl Iterator<Item = &Arc<HardwareLocationRecord>> {
        self.hardware.iter()
    }

    /// As [`Smd::hardware_locations`], those after an xname if one is given.
    pub fn hardware_locations_after(
        &self,
        place: Option<&Xname>,
    ) -> impl Iterator<Item = &Arc<HardwareLocationRecord>> {
        self.hardware.after(place)
    }

    /// A place of hardware and all that is within it, sorted by xname.
    pub fn hardware_within<'a>(
        &'a self,
        place: &Xname,
    ) -> impl Iterator<Item = &'a Arc<HardwareLocationRecord>> + use<'a> {
        self.hardware.within(place)
    }

    /// A field-replaceable unit by its FRU ID.
    pub fn hardware_fru(&self, fru_id: &str) -> Option<Arc<HardwareFruRecord>> {
        self.hardware.frus.get(fru_id).cloned()
    }

    /// Every field-replaceable unit, sorted by FRU ID.
    pub fn hardware_frus(&self) -> impl Iterator<Item = &Arc<HardwareFruRecord>> {
        self.hardware.frus.iter()
    }

    /// As [`Smd::hardware_frus`], those after a FRU ID if one is given.
    pub fn hardware_frus_after(
        &self,
        fru_id: Option<&String>,
    ) -> impl Iterator<Item = &Arc<HardwareFruRecord>> {
        self.hardware.frus.after(fru_id)
    }

    /// Where a field-replaceable unit is.
    pub fn place_of_fru(&self, fru_id: &str) -> Option<&Xname> {
        self.hardware.place_of(fru_id)
    }

    /// What happened in a place, which need not be there any more.
    pub fn hardware_history(&self, place: &Xname) -> Option<Arc<HardwareHistoryRecord>> {
        self.hardware.history.get(place).cloned()
    }

    /// What happened in every place, sorted by xname.
    pub fn hardware_histories(&self) -> impl Iterator<Item = &Arc<HardwareHistoryRecord>> {
        self.hardware.history.iter()
    }

    /// As [`Smd::hardware_histories`], those after an xname if one is given.
    pub fn hardware_histories_after(
        &self,
        place: Option<&Xname>,
    ) -> impl Iterator<Item = &Arc<HardwareHistoryRecord>> {
        self.hardware.history.after(place)
    }

    /// FRU IDs of the units that something happened to, those after one if it is given; sorted.
    pub fn frus_with_history_after<'a>(
        &'a self,
        fru_id: Option<&'a String>,
    ) -> impl Iterator<Item = &'a str> {
        self.hardware.history.frus_after(fru_id)
    }

    /// What happened in the places where a unit was, sorted by xname; to other units, too.
    pub fn hardware_histories_of_fru<'a>(
        &'a self,
        fru_id: &'a str,
    ) -> impl Iterator<Item = &'a Arc<HardwareHistoryRecord>> + use<'a> {
        self.hardware.history.of_fru(fru_id)
    }

    /// Places, then units.
    pub(super) fn hardware_rows(&self) -> impl Iterator<Item = Row> + '_ {
        rows_of(self.hardware.iter()).chain(rows_of(self.hardware.frus.iter()))
    }

    pub(super) fn hardware_history_rows(&self) -> impl Iterator<Item = Row> + '_ {
        rows_of(self.hardware.history.iter())
    }

    pub(super) fn hardware_objects(&self) -> impl Iterator<Item = Object> + '_ {
        let places = self.hardware.iter().cloned().map(Object::HardwareLocation);
        places.chain(self.hardware.frus.iter().cloned().map(Object::HardwareFru))
    }

    /// A row of one of the three kinds of hardware.
    pub(super) fn hardware_row(&self, key: &RowKey) -> Option<Row> {
        match key.kind() {
            RowKind::HardwareLocation => row_of(self.hardware.get(&xname_of_key(key)?)),
            RowKind::HardwareFru => row_of(self.hardware.frus.get(std::str::from_utf8(key.key()).ok()?)),
            _ => row_of(self.hardware.history.get(&xname_of_key(key)?)),
        }
    }

    pub(crate) fn load_hardware_location(
        &mut self,
        row: HardwareLocationRecord,
        changes: &mut Changes,
    ) -> Result<(), SnapshotError> {
        self.hardware.load(row, changes)
    }

    pub(crate) fn load_hardware_fru(
        &mut self,
        row: HardwareFruRecord,
        changes: &mut Changes,
    ) -> Result<(), SnapshotError> {
        self.hardware.frus.load(row, changes)
    }

    pub(crate) fn load_hardware_history(
        &mut self,
        row: HardwareHistoryRecord,
        changes: &mut Changes,
    ) -> Result<(), SnapshotError> {
        self.hardware.history.load(row, changes)
    }
}
