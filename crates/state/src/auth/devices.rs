//! A person has said yes to a device (RFC 8628), which has not asked again yet.

use std::sync::Arc;

use model::Rejection;
use proto::auth::v1::DeviceApproval;
use proto::auth::v1::auth_command::ApproveDevice;
use proto::raft::v1::outcome::Applied;

use super::{created, forms, make_room, malformed, over, remove_all};
use crate::RowKind;
use crate::bounds::{DEVICE_APPROVALS_MAX, DEVICE_MS};
use crate::changes::Changes;
use crate::log_position::LogPosition;
use crate::snapshot::SnapshotError;
use crate::table::Table;

/// Characters of a user code.
pub const USER_CODE_CHARS: usize = 8;
/// What it is made of: no vowels, so no words, and nothing that is taken for something else. Source: RFC 8628, 6.1.
pub const USER_CODE_ALPHABET: &str = "BCDFGHJKLMNPQRSTVWXZ";
/// Word for the kind in rejections.
const KIND: &str = "device approval";

/// By user code.
#[derive(Clone, Default)]
pub(super) struct Devices(Table<DeviceApproval>);

impl Devices {
    pub(super) fn get(&self, user_code: &str) -> Option<&Arc<DeviceApproval>> {
        self.0.get(&user_code.to_owned())
    }

    /// Sorted by user code.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<DeviceApproval>> {
        self.0.values()
    }

    pub(super) fn approve(
        &mut self,
        approve: &ApproveDevice,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let given = approve
            .approval
            .as_ref()
            .ok_or_else(|| Rejection::invalid("approval", "it is missing"))?;
        forms::check_end(
            "approval.expires_at_ms",
            given.expires_at_ms,
            at.time_ms,
            DEVICE_MS,
        )?;
        let approval = normalised(given)?;
        let before = self.get(&approval.user_code);
        if before.is_some_and(|before| !is_over(before, at.time_ms)) {
            return Err(Rejection::Conflict {
                detail: "this code was approved already; start the login on the device again".to_owned(),
            });
        }
        make_room(
            &mut self.0,
            DEVICE_APPROVALS_MAX,
            |other| is_over(other, at.time_ms),
            changes,
        )?;
        let applied = created(&approval.user_code);
        self.0.put(approval.user_code.clone(), approval, changes);
        Ok(applied)
    }

    /// Whether `principal` has said yes to the device with this code.
    ///
    /// # Errors
    /// `NotFound`, also for another principal's.
    pub(super) fn check_approved(
        &self,
        user_code: &str,
        principal: &str,
        now_ms: u64,
    ) -> Result<(), Rejection> {
        let known = self.get(user_code);
        match known.is_some_and(|known| known.principal == principal && !is_over(known, now_ms)) {
            true => Ok(()),
            false => Err(Rejection::not_found(KIND, user_code)),
        }
    }

    pub(super) fn use_up(&mut self, user_code: &str, changes: &mut Changes) {
        self.0.remove(&user_code.to_owned(), changes);
    }

    /// How many of those that have ended are gone.
    pub(super) fn forget(&mut self, now_ms: u64, at_most: usize, changes: &mut Changes) -> usize {
        let gone = over(&self.0, |approval| is_over(approval, now_ms), at_most);
        remove_all(&mut self.0, &gone, changes);
        gone.len()
    }

    pub(super) fn clear(&mut self, changes: &mut Changes) {
        let all = over(&self.0, |_| true, usize::MAX);
        remove_all(&mut self.0, &all, changes);
    }

    pub(super) fn load(&mut self, row: DeviceApproval, changes: &mut Changes) -> Result<(), SnapshotError> {
        let user_code = self.0.check_load(&row, RowKind::DeviceApproval)?;
        normalised(&row).map_err(|problem| malformed(RowKind::DeviceApproval, problem))?;
        self.0.put(user_code, row, changes);
        Ok(())
    }
}

fn is_over(approval: &DeviceApproval, now_ms: u64) -> bool {
    approval.expires_at_ms <= now_ms
}

/// Groups sorted, each once.
fn normalised(given: &DeviceApproval) -> Result<DeviceApproval, Rejection> {
    let code = &given.user_code;
    if code.len() != USER_CODE_CHARS || !code.chars().all(|c| USER_CODE_ALPHABET.contains(c)) {
        let problem = format!("it has {USER_CODE_CHARS} of {USER_CODE_ALPHABET}, without a dash");
        return Err(Rejection::invalid("approval.user_code", problem));
    }
    forms::check_person("approval.principal", &given.principal)?;
    if !given.provider.is_empty() {
        forms::check_label("approval.provider", &given.provider)?;
    }
    Ok(DeviceApproval {
        groups: forms::groups("approval.groups", &given.groups)?,
        ..given.clone()
    })
}
