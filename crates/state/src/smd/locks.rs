//! Locks: components that are kept for the administrator, and components that nobody may reserve.

use model::{Rejection, Xname};
use proto::raft::v1::outcome::Applied;
use proto::smd::v1::Component;
use proto::smd::v1::smd_command::SetLocks;
use proto::smd::v1::smd_command::set_locks::Action;

use super::components::Components;
use super::obstacles::{Obstacle, Sifted, named, sift};
use super::reservations::Reservations;
use crate::changes::Changes;
use crate::log_position::LogPosition;

impl Components {
    /// Locks, unlocks, disables or repairs components. What is disabled or repaired already is left as it is; what is
    /// locked or unlocked already, reserved, or disabled, is neither locked nor unlocked.
    ///
    /// Source: SMD `POST /locks/{lock,unlock,disable,repair}` (hmsds' UpdateCompLocksV2).
    pub(super) fn set_locks(
        &mut self,
        command: &SetLocks,
        reservations: &mut Reservations,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let action = command.action();
        if action == Action::Unspecified {
            return Err(Rejection::invalid(
                "action",
                "write lock, unlock, disable or repair",
            ));
        }
        let ids = named("ids", &command.ids)?;
        let obstacle = |id: &Xname| match self.get(id) {
            None => Some(Obstacle::NotFound),
            Some(component) => {
                in_the_way(action, component).or_else(|| reserved(action, id, reservations, at))
            }
        };
        let Sifted { able, refused } = sift(ids, command.flexible, |id| id, obstacle)?;
        let mut applied = Applied {
            refused,
            ..Applied::default()
        };
        for id in able {
            if action == Action::Disable {
                reservations.remove(&id, changes);
            }
            let key = id.to_string();
            match self.get(&id).and_then(|before| changed(action, before, at)) {
                Some(after) => {
                    self.put(id, after, changes);
                    applied.updated.push(key);
                }
                None => applied.unchanged.push(key),
            }
        }
        Ok(applied)
    }
}

/// What of the component itself forbids it; SMD looks at the lock first.
fn in_the_way(action: Action, component: &Component) -> Option<Obstacle> {
    match action {
        Action::Lock if component.locked => Some(Obstacle::Locked),
        Action::Unlock if !component.locked => Some(Obstacle::Unlocked),
        Action::Lock | Action::Unlock if component.reservation_disabled => Some(Obstacle::Disabled),
        Action::Lock | Action::Unlock | Action::Disable | Action::Repair | Action::Unspecified => None,
    }
}

fn reserved(
    action: Action,
    id: &Xname,
    reservations: &Reservations,
    at: &LogPosition<'_>,
) -> Option<Obstacle> {
    match action {
        Action::Lock | Action::Unlock => reservations
            .live(id, at.time_ms)
            .map(|reservation| Obstacle::Reserved(reservation.clone())),
        Action::Disable | Action::Repair | Action::Unspecified => None,
    }
}

/// The component after it; `None` if it is like that already.
fn changed(action: Action, before: &Component, at: &LogPosition<'_>) -> Option<Component> {
    let mut after = before.clone();
    match action {
        Action::Lock => after.locked = true,
        Action::Unlock => after.locked = false,
        Action::Disable => after.reservation_disabled = true,
        Action::Repair => after.reservation_disabled = false,
        Action::Unspecified => {}
    }
    if after == *before {
        return None;
    }
    after.meta = at.modified(before.meta.as_ref());
    Some(after)
}
