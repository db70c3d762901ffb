//! What locks and reservations forbid where they are enforced: changing what an administrator decides of a component that
//! is locked or reserved, but for whoever has the key of its reservation.

use std::collections::BTreeSet;
use std::sync::Arc;

use model::{Rejection, Xname};
use proto::raft::v1::LockEnforcement;
use proto::smd::v1::{Component, ComponentReservation};

use super::obstacles::holder;
use super::reservation_keys::{KEY_DIGEST_BYTES, key_sha256};
use super::reservations::Reservations;
use crate::bounds::{RESERVATION_KEYS_PER_ENTRY_MAX, check_count};
use crate::log_position::LogPosition;

/// Metadata and HTTP header of the keys, in the words of clients.
const FIELD: &str = "chamois-reservation-key";

/// What the entry of a request says that came with these keys: their digests, each once.
///
/// # Errors
/// `Invalid` for more than `RESERVATION_KEYS_PER_ENTRY_MAX` keys.
pub fn lock_enforcement<'k>(keys: impl IntoIterator<Item = &'k str>) -> Result<LockEnforcement, Rejection> {
    let digests: BTreeSet<Vec<u8>> = keys.into_iter().map(key_sha256).collect();
    let enforcement = LockEnforcement {
        reservation_key_sha256: digests.into_iter().collect(),
    };
    check_lock_enforcement(&enforcement)?;
    Ok(enforcement)
}

/// Whether an entry may say this.
pub(crate) fn check_lock_enforcement(enforcement: &LockEnforcement) -> Result<(), Rejection> {
    let digests = &enforcement.reservation_key_sha256;
    check_count(FIELD, digests.len(), RESERVATION_KEYS_PER_ENTRY_MAX)?;
    match digests.iter().find(|digest| digest.len() != KEY_DIGEST_BYTES) {
        Some(wrong) => {
            let problem = format!("a digest has {} bytes instead of {KEY_DIGEST_BYTES}", wrong.len());
            Err(Rejection::invalid(FIELD, problem))
        }
        None => Ok(()),
    }
}

/// What the entry that is being applied must leave alone: nothing, unless it enforces locks.
pub(super) struct Holds<'a> {
    /// Digests of the keys that came with it.
    keys: Option<BTreeSet<&'a [u8]>>,
    reservations: &'a Reservations,
    time_ms: u64,
}

/// Why a component may not be changed.
pub(super) struct Hold {
    locked: bool,
    reservation: Option<Arc<ComponentReservation>>,
}

impl<'a> Holds<'a> {
    pub(super) fn of(at: &LogPosition<'a>, reservations: &'a Reservations) -> Holds<'a> {
        let digests = |enforcement: &'a LockEnforcement| {
            let digests = enforcement.reservation_key_sha256.iter();
            digests.map(Vec::as_slice).collect()
        };
        Holds {
            keys: at.lock_enforcement.map(digests),
            reservations,
            time_ms: at.time_ms,
        }
    }

    /// Whether a component may become what `after` gives. What is observed (state, flag, software status) is nobody's to
    /// forbid, and a change that changes nothing is none.
    pub(super) fn allow(
        &self,
        id: &Xname,
        before: &Component,
        after: impl FnOnce() -> Component,
    ) -> Result<(), Hold> {
        match self.hold(id, before) {
            Some(hold) if is_decision(before, &after()) => Err(hold),
            Some(_) | None => Ok(()),
        }
    }

    /// Whether a component may be deleted.
    pub(super) fn allow_delete(&self, id: &Xname, component: &Component) -> Result<(), Hold> {
        self.hold(id, component).map_or(Ok(()), Err)
    }

    /// What holds a component against this entry.
    fn hold(&self, id: &Xname, component: &Component) -> Option<Hold> {
        let keys = self.keys.as_ref()?;
        let reservation = self.reservations.live(id, self.time_ms);
        match reservation {
            Some(reservation) if has_key(keys, reservation) => None,
            None if !component.locked => None,
            Some(_) | None => Some(Hold {
                locked: component.locked,
                reservation: reservation.cloned(),
            }),
        }
    }
}

/// A deputy acts for the holder, so either key will do.
fn has_key(keys: &BTreeSet<&[u8]>, reservation: &ComponentReservation) -> bool {
    let given = [
        &reservation.reservation_key_sha256,
        &reservation.deputy_key_sha256,
    ];
    given.iter().any(|digest| keys.contains(digest.as_slice()))
}

/// Whether anything differs but what is observed.
fn is_decision(before: &Component, after: &Component) -> bool {
    let observed = Component {
        state: after.state,
        flag: after.flag,
        software_status: after.software_status.clone(),
        meta: after.meta.clone(),
        ..before.clone()
    };
    observed != *after
}

impl Hold {
    /// Why, and what to do, of one component among others.
    pub(super) fn reason(&self) -> String {
        format!("it is {}", self.explanation())
    }

    /// As a "no" to the whole command.
    pub(super) fn rejection(&self, id: &Xname) -> Rejection {
        Rejection::Conflict {
            detail: format!("{id} is {}", self.explanation()),
        }
    }

    fn explanation(&self) -> String {
        let locked = if self.locked { "locked and " } else { "" };
        match &self.reservation {
            None => format!("locked; unlock it, or reserve it and give the key as {FIELD}"),
            Some(reservation) => {
                let until = match reservation.expires_at_ms {
                    0 => "is released",
                    _ => "has ended",
                };
                format!(
                    "{locked}reserved {}; give the key of the reservation as {FIELD}, or wait until it {until}",
                    holder(reservation)
                )
            }
        }
    }
}
