//! Hardware by unit: what is known of each field-replaceable unit (FRU), wherever it is.

use std::collections::BTreeSet;
use std::sync::Arc;

use model::{HmsType, Rejection};
use proto::raft::v1::snapshot_row::Row;
use proto::smd::v1::HardwareFruRecord;

use crate::bounds::{HARDWARE_FRUS_MAX, NAME_BYTES_MAX, check_count, check_name, check_text};
use crate::changes::Changes;
use crate::event::Object;
use crate::json_text::check_json_object;
use crate::log_position::LogPosition;
use crate::snapshot::SnapshotError;
use crate::table::{Record, Table};
use crate::{RowKey, RowKind};

/// Word for the kind in rejections; it is HSM's.
pub(super) const KIND: &str = "FRU ID";

/// The FRU ID of a unit that nothing tells from others: HSM's name for what is in `place`.
pub fn fru_id_of_place(place: &str) -> String {
    format!("FRUIDfor{place}")
}

/// Units by FRU ID. One that is in no place is a spare part.
#[derive(Clone, Default)]
pub(super) struct HardwareFrus {
    table: Table<HardwareFruRecord>,
}

impl HardwareFrus {
    pub(super) fn get(&self, fru_id: &str) -> Option<&Arc<HardwareFruRecord>> {
        self.table.get(&fru_id.to_owned())
    }

    /// Sorted by FRU ID.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<HardwareFruRecord>> {
        self.table.values()
    }

    pub(super) fn after(&self, fru_id: Option<&String>) -> impl Iterator<Item = &Arc<HardwareFruRecord>> {
        self.table.after(fru_id)
    }

    /// Whether there is room for those of `fru_ids` that are not there yet.
    ///
    /// # Errors
    /// `Invalid` when there is not.
    pub(super) fn check_room(&self, fru_ids: &BTreeSet<&str>) -> Result<(), Rejection> {
        let new = fru_ids.iter().filter(|id| self.get(id).is_none()).count();
        check_count("hardware", self.table.len() + new, HARDWARE_FRUS_MAX)
    }

    /// Stores a checked unit; whether that changed anything.
    pub(super) fn put(
        &mut self,
        fru: HardwareFruRecord,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> bool {
        let before = self.table.get(&fru.fru_id).cloned();
        let meta = match before.as_deref() {
            Some(before) => {
                let same = HardwareFruRecord {
                    meta: before.meta.clone(),
                    ..fru.clone()
                };
                if same == *before {
                    return false;
                }
                at.modified(before.meta.as_ref())
            }
            None => at.created(),
        };
        let key = fru.fru_id.clone();
        self.table.put(key, HardwareFruRecord { meta, ..fru }, changes);
        true
    }

    pub(super) fn remove(&mut self, fru_id: &String, changes: &mut Changes) {
        self.table.remove(fru_id, changes);
    }

    pub(super) fn load(
        &mut self,
        row: HardwareFruRecord,
        changes: &mut Changes,
    ) -> Result<(), SnapshotError> {
        let key = self.table.check_load(&row, RowKind::HardwareFru)?;
        self.table.put(key, row, changes);
        Ok(())
    }
}

/// A unit in a place of type `hms_type`, as it may be stored.
pub(super) fn checked(
    fru: &HardwareFruRecord,
    hms_type: HmsType,
    field: &str,
) -> Result<HardwareFruRecord, Rejection> {
    check_name(&format!("{field}.fru_id"), &fru.fru_id)?;
    let texts = [
        ("subtype", &fru.subtype),
        ("manufacturer", &fru.manufacturer),
        ("part_number", &fru.part_number),
        ("serial_number", &fru.serial_number),
        ("uuid", &fru.uuid),
    ];
    for (name, text) in texts {
        check_text(&format!("{field}.{name}"), text, NAME_BYTES_MAX)?;
    }
    check_json_object(&format!("{field}.info"), &fru.info)?;
    Ok(HardwareFruRecord {
        r#type: hms_type.to_string(),
        meta: None,
        ..fru.clone()
    })
}

impl Record for HardwareFruRecord {
    type Key = String;

    fn row_key(fru_id: &String) -> RowKey {
        RowKey::hardware_fru(fru_id)
    }

    fn key(&self) -> Result<String, String> {
        match check_name("fru_id", &self.fru_id) {
            Ok(()) => Ok(self.fru_id.clone()),
            Err(rejection) => Err(rejection.to_string()),
        }
    }

    fn into_row(self) -> Row {
        Row::HardwareFru(self)
    }

    fn object(self: Arc<Self>) -> Option<Object> {
        Some(Object::HardwareFru(self))
    }
}
