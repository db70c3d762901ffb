//! Addresses of pools that somebody uses who has never asked for them: out of use for a day, as after a DHCPDECLINE.

use model::{MacAddr, Rejection};
use proto::dhcp::v1::DhcpLease;
use proto::dhcp::v1::dhcp_command::QuarantineAddress;
use proto::dhcp::v1::dhcp_lease::State as LeaseState;
use proto::raft::v1::outcome::Applied;

use super::leases::{Around, LeaseClient, Leases, QUARANTINE_MS, conflict, ipv4};
use crate::changes::Changes;
use crate::log_position::LogPosition;

/// Stands for a user of whom nothing is known but that it answers.
const NOBODY: MacAddr = MacAddr([0; 6]);

impl Leases {
    /// Takes an address out of use.
    ///
    /// # Errors
    /// `Conflict` where the address is a client's, or no pool's: whoever answers there may be its owner. Nothing is changed.
    pub(super) fn quarantine(
        &mut self,
        quarantine: &QuarantineAddress,
        around: &Around<'_>,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let address = ipv4("address", &quarantine.address)?;
        let mac = match quarantine.mac.as_str() {
            "" => NOBODY,
            text => text.parse().map_err(|e| Rejection::invalid("mac", e))?,
        };
        let client = LeaseClient::new(mac, &[]);
        let before = self.get(address).cloned();
        let is_live = |lease: &DhcpLease| lease.ends_at_ms > at.time_ms;
        if let Some(lease) = before.as_ref().filter(|lease| is_live(lease)) {
            return Err(conflict(format!("{address} is that of {}", lease.mac)));
        }
        self.check_free(address, &client, around, at.time_ms)?;
        self.make_room(address, at.time_ms, changes)?;
        let lease = DhcpLease {
            address: address.to_string(),
            mac: mac.to_string(),
            state: LeaseState::Declined.into(),
            bound_at_ms: at.time_ms,
            ends_at_ms: at.time_ms.saturating_add(QUARANTINE_MS),
            meta: match &before {
                Some(before) => at.modified(before.meta.as_ref()),
                None => at.created(),
            },
            ..DhcpLease::default()
        };
        self.store(address, client, lease, changes);
        let mut applied = Applied::default();
        match before {
            Some(_) => applied.updated.push(address.to_string()),
            None => applied.created.push(address.to_string()),
        }
        Ok(applied)
    }
}
