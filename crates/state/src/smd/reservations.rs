//! Reservations: who may work on a component, until when, and the proof of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use imbl::OrdSet;
use model::{Rejection, Xname};
use proto::raft::v1::outcome::{Applied, Refusal};
use proto::raft::v1::snapshot_row::Row;
use proto::smd::v1::ComponentReservation;
use proto::smd::v1::smd_command::{
    HeldReservation, ReleaseReservations, RemoveReservations, RenewReservations, Reserve,
};

use super::components::Components;
use super::obstacles::{Obstacle, Sifted, named, sift};
use super::reservation_keys::{Grant, KEY_DIGEST_BYTES, key_sha256};
use super::stored_xname;
use crate::bounds::{RESERVATION_MINUTES_MAX, RESERVATIONS_SWEPT_PER_ENTRY_MAX, check_ids};
use crate::changes::Changes;
use crate::event::Object;
use crate::log_position::LogPosition;
use crate::snapshot::SnapshotError;
use crate::table::{Record, Table};
use crate::{RowKey, RowKind};

const MS_PER_MINUTE: u64 = 60 * 1000;

/// Reservations by component, and in the order in which they end.
#[derive(Clone, Default)]
pub(super) struct Reservations {
    table: Table<ComponentReservation>,
    by_end: OrdSet<(u64, Xname)>,
}

impl Reservations {
    /// The reservation of a component, unless it has ended by `time_ms`.
    pub(super) fn live(&self, id: &Xname, time_ms: u64) -> Option<&Arc<ComponentReservation>> {
        self.table
            .get(id)
            .filter(|reservation| is_live(reservation, time_ms))
    }

    /// As it is stored, also if it has ended and is not swept yet.
    pub(super) fn stored(&self, id: &Xname) -> Option<&Arc<ComponentReservation>> {
        self.table.get(id)
    }

    /// Sorted by xname; also those that have ended and are not swept yet.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<ComponentReservation>> {
        self.table.values()
    }

    /// Reserves components for some minutes, which must not be locked, or without end, which must be. `value` of the
    /// outcome is the [`Grant`].
    ///
    /// Source: SMD `POST /locks[/service]/reservations` (hmsds' insertCompReservationsHelper).
    pub(super) fn reserve(
        &mut self,
        reserve: &Reserve,
        components: &Components,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let expires_at_ms = match reserve.minutes {
            0 => 0,
            minutes => end(minutes, at)?,
        };
        let grant = Grant::new(at.random()?, expires_at_ms);
        let ids = named("ids", &reserve.ids)?;
        let obstacle = |id: &Xname| self.obstacle_to(id, reserve.minutes, components, at.time_ms);
        let Sifted { able, refused } = sift(ids, reserve.flexible, |id| id, obstacle)?;
        let mut applied = Applied {
            refused,
            ..Applied::default()
        };
        for id in able {
            let keys = grant.keys(&id);
            let reservation = ComponentReservation {
                id: id.to_string(),
                reservation_key_sha256: key_sha256(&keys.reservation_key),
                deputy_key_sha256: key_sha256(&keys.deputy_key),
                expires_at_ms,
                meta: at.created(),
            };
            applied.created.push(reservation.id.clone());
            self.put(id, reservation, changes);
        }
        if !applied.created.is_empty() {
            applied.value = grant.to_string();
        }
        Ok(applied)
    }

    fn obstacle_to(
        &self,
        id: &Xname,
        minutes: u32,
        components: &Components,
        time_ms: u64,
    ) -> Option<Obstacle> {
        let Some(component) = components.get(id) else {
            return Some(Obstacle::NotFound);
        };
        if component.reservation_disabled {
            return Some(Obstacle::Disabled);
        }
        match (minutes, component.locked) {
            (0, false) => Some(Obstacle::Unlocked),
            (1.., true) => Some(Obstacle::Locked),
            _ => self.live(id, time_ms).cloned().map(Obstacle::Reserved),
        }
    }

    /// Ends reservations, whoever holds them. Source: SMD `POST /locks/reservations/remove`.
    pub(super) fn remove_all(
        &mut self,
        remove: &RemoveReservations,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let ids = named("ids", &remove.ids)?;
        let obstacle = |id: &Xname| match self.live(id, at.time_ms) {
            Some(_) => None,
            None => Some(Obstacle::NotFound),
        };
        let Sifted { able, refused } = sift(ids, remove.flexible, |id| id, obstacle)?;
        for id in &able {
            self.remove(id, changes);
        }
        Ok(ended(&able, refused))
    }

    /// Ends reservations whose key the caller has. Source: SMD `POST /locks[/service]/reservations/release`.
    pub(super) fn release(
        &mut self,
        release: &ReleaseReservations,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let Sifted { able, refused } = self.held(&release.held, release.flexible, at)?;
        for id in &able {
            self.remove(id, changes);
        }
        Ok(ended(&able, refused))
    }

    /// Lets reservations whose key the caller has end some minutes from now; one without end stays without.
    ///
    /// Source: SMD `POST /locks/service/reservations/renew`.
    pub(super) fn renew(
        &mut self,
        renew: &RenewReservations,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let expires_at_ms = end(renew.minutes, at)?;
        let Sifted { able, refused } = self.held(&renew.held, renew.flexible, at)?;
        let mut applied = Applied {
            refused,
            ..Applied::default()
        };
        for id in able {
            let key = id.to_string();
            match self.table.get(&id).filter(|before| before.expires_at_ms != 0) {
                Some(before) => {
                    let after = ComponentReservation {
                        expires_at_ms,
                        meta: at.modified(before.meta.as_ref()),
                        ..before.as_ref().clone()
                    };
                    self.put(id, after, changes);
                    applied.updated.push(key);
                }
                None => applied.unchanged.push(key),
            }
        }
        Ok(applied)
    }

    /// Those of the reservations that the caller holds.
    fn held(
        &self,
        held: &[HeldReservation],
        flexible: bool,
        at: &LogPosition<'_>,
    ) -> Result<Sifted<Xname>, Rejection> {
        check_ids("held", held.len())?;
        let mut seen = BTreeSet::new();
        let mut given = Vec::with_capacity(held.len());
        for one in held {
            let id: Xname = one.id.parse().map_err(|e| Rejection::invalid("held.id", e))?;
            if seen.insert(id.clone()) {
                given.push((id, one.reservation_key_sha256.as_slice()));
            }
        }
        let obstacle = |(id, digest): &(Xname, &[u8])| match self.live(id, at.time_ms) {
            Some(reservation) if reservation.reservation_key_sha256 == *digest => None,
            Some(_) | None => Some(Obstacle::NotFound),
        };
        let Sifted { able, refused } = sift(given, flexible, |(id, _)| id, obstacle)?;
        Ok(Sifted {
            able: able.into_iter().map(|(id, _)| id).collect(),
            refused,
        })
    }

    /// The rows of reservations that have ended go, some with each entry: they count as absent already.
    pub(super) fn sweep(&mut self, time_ms: u64, changes: &mut Changes) {
        for _ in 0..RESERVATIONS_SWEPT_PER_ENTRY_MAX {
            match self.by_end.get_min() {
                Some((end, id)) if *end <= time_ms => {
                    let id = id.clone();
                    self.remove(&id, changes);
                }
                Some(_) | None => return,
            }
        }
    }

    /// Components that are gone are reserved no longer.
    pub(super) fn forget(&mut self, gone: &BTreeSet<Xname>, changes: &mut Changes) {
        for id in gone {
            self.remove(id, changes);
        }
    }

    pub(super) fn remove(&mut self, id: &Xname, changes: &mut Changes) {
        if let Some(before) = self.table.remove(id, changes) {
            self.by_end.remove(&(before.expires_at_ms, id.clone()));
        }
    }

    fn put(&mut self, id: Xname, reservation: ComponentReservation, changes: &mut Changes) {
        let end = reservation.expires_at_ms;
        if let Some(before) = self.table.put(id.clone(), reservation, changes) {
            self.by_end.remove(&(before.expires_at_ms, id.clone()));
        }
        if end != 0 {
            self.by_end.insert((end, id));
        }
    }

    pub(super) fn load(
        &mut self,
        row: ComponentReservation,
        changes: &mut Changes,
    ) -> Result<(), SnapshotError> {
        let id = self.table.check_load(&row, RowKind::ComponentReservation)?;
        let lengths = [&row.reservation_key_sha256, &row.deputy_key_sha256].map(Vec::len);
        if lengths != [KEY_DIGEST_BYTES; 2] {
            return Err(malformed(format!("{id}: a digest has {KEY_DIGEST_BYTES} bytes")));
        }
        self.put(id, row, changes);
        Ok(())
    }

    /// Checks, when all rows are there, that what is reserved is a component.
    pub(super) fn check_loaded(&self, components: &Components) -> Result<(), SnapshotError> {
        match self.table.keys().find(|id| components.get(id).is_none()) {
            Some(id) => Err(malformed(format!("{id} is no component"))),
            None => Ok(()),
        }
    }
}

fn malformed(problem: String) -> SnapshotError {
    SnapshotError::Malformed {
        kind: RowKind::ComponentReservation,
        problem,
    }
}

/// Those that have ended, all of them: they are as many as the command names.
fn ended(ids: &[Xname], refused: Vec<Refusal>) -> Applied {
    Applied {
        deleted: ids.iter().map(Xname::to_string).collect(),
        deleted_count: ids.len() as u64,
        refused,
        ..Applied::default()
    }
}

fn is_live(reservation: &ComponentReservation, time_ms: u64) -> bool {
    reservation.expires_at_ms == 0 || reservation.expires_at_ms > time_ms
}

/// SMD's bound, and the time that it gives.
fn end(minutes: u32, at: &LogPosition<'_>) -> Result<u64, Rejection> {
    if minutes == 0 || minutes > RESERVATION_MINUTES_MAX {
        let problem = format!("{minutes} is not between 1 and {RESERVATION_MINUTES_MAX} minutes");
        return Err(Rejection::invalid("Invalid Reservation Duration", problem));
    }
    Ok(at.time_ms.saturating_add(u64::from(minutes) * MS_PER_MINUTE))
}

impl Record for ComponentReservation {
    type Key = Xname;

    fn row_key(id: &Xname) -> RowKey {
        RowKey::component_reservation(id)
    }

    fn key(&self) -> Result<Xname, String> {
        stored_xname(&self.id)
    }

    fn into_row(self) -> Row {
        Row::ComponentReservation(self)
    }

    /// Digests of keys are nobody's to watch.
    fn object(self: Arc<Self>) -> Option<Object> {
        None
    }
}
