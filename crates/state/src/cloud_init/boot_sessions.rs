//! Boots that have used their token: what is secret is open for one peer, once, for a quarter of an hour.

use std::net::IpAddr;
use std::sync::Arc;

use model::{Rejection, Xname};
use proto::cloud_init::v1::BootSession;
use proto::cloud_init::v1::cloud_init_command::OpenBootSession;
use proto::raft::v1::outcome::Applied;
use proto::raft::v1::snapshot_row::Row;

use crate::bounds::{BOOT_SESSION_MS, BOOT_SESSIONS_MAX};
use crate::changes::Changes;
use crate::event::Object;
use crate::log_position::LogPosition;
use crate::smd::{node, stored_xname};
use crate::snapshot::SnapshotError;
use crate::table::{Record, Table};
use crate::{RowKey, RowKind};

/// Hex digits of a boot's id.
const BOOT_ID_DIGITS: usize = 16;

/// Whether what is secret is open to a boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootAccess {
    /// It has not asked yet: its token may open a session.
    New,
    /// It is open for this peer.
    Open,
    /// It is another peer's, it has ended, or a later boot of the node has begun.
    Refused(&'static str),
}

/// The last session of each node. One that has ended stays until the node's next boot: as long as its token is good, it must
/// not open another.
#[derive(Clone, Default)]
pub(super) struct BootSessions {
    table: Table<BootSession>,
}

impl BootSessions {
    pub(super) fn get(&self, node: &Xname) -> Option<&Arc<BootSession>> {
        self.table.get(node)
    }

    /// Sorted by node.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<BootSession>> {
        self.table.values()
    }

    /// What a boot with a good token may have at `time_ms`, cluster time.
    pub(super) fn access(&self, node: &Xname, asked: &OpenBootSession, time_ms: u64) -> BootAccess {
        let Some(session) = self.get(node) else {
            return BootAccess::New;
        };
        if session.boot_id != asked.boot_id {
            // A token that ends earlier was made for an earlier script.
            return match asked.token_expires_at_ms > session.token_expires_at_ms {
                true => BootAccess::New,
                false => BootAccess::Refused("a later boot of the node has used its token"),
            };
        }
        match (session.address == asked.address, session.ends_at_ms > time_ms) {
            (true, true) => BootAccess::Open,
            (true, false) => BootAccess::Refused("the boot has phoned home, or began too long ago"),
            (false, _) => BootAccess::Refused("another peer has used the token"),
        }
    }

    /// The first use of a token; a repeat by the same peer changes nothing.
    ///
    /// # Errors
    /// `Conflict` for a boot whose session is another peer's or has ended; `Invalid`.
    pub(super) fn open(
        &mut self,
        open: &OpenBootSession,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let node = check(open)?;
        let id = node.to_string();
        match self.access(&node, open, at.time_ms) {
            BootAccess::New => {}
            BootAccess::Open => {
                return Ok(Applied {
                    unchanged: vec![id],
                    ..Default::default()
                });
            }
            BootAccess::Refused(reason) => {
                let detail = format!("what is secret is not open to this boot of {id}: {reason}");
                return Err(Rejection::Conflict { detail });
            }
        }
        if open.token_expires_at_ms <= at.time_ms {
            let problem = "the token has expired; the node must fetch its boot script again";
            return Err(Rejection::invalid("token_expires_at_ms", problem));
        }
        let is_new = self.get(&node).is_none();
        if is_new && self.table.len() >= BOOT_SESSIONS_MAX {
            let problem = format!("boots of {BOOT_SESSIONS_MAX} nodes are kept, which is all");
            return Err(Rejection::invalid("node", problem));
        }
        let session = BootSession {
            node: id.clone(),
            boot_id: open.boot_id.clone(),
            address: open.address.clone(),
            opened_at_ms: at.time_ms,
            ends_at_ms: at.time_ms.saturating_add(BOOT_SESSION_MS),
            token_expires_at_ms: open.token_expires_at_ms,
        };
        self.table.put(node, session, changes);
        let keys = vec![id];
        Ok(match is_new {
            true => Applied {
                created: keys,
                ..Default::default()
            },
            false => Applied {
                updated: keys,
                ..Default::default()
            },
        })
    }

    /// A node has phoned home: nothing more is open to that boot.
    pub(super) fn end(&mut self, node: &Xname, boot_id: &str, at: &LogPosition<'_>, changes: &mut Changes) {
        let session = self.get(node).cloned();
        let live = |session: &Arc<BootSession>| session.boot_id == boot_id && session.ends_at_ms > at.time_ms;
        if let Some(session) = session.filter(live) {
            let ended = BootSession {
                ends_at_ms: at.time_ms,
                ..session.as_ref().clone()
            };
            self.table.put(node.clone(), ended, changes);
        }
    }

    pub(super) fn load(&mut self, row: BootSession, changes: &mut Changes) -> Result<(), SnapshotError> {
        let key = self.table.check_load(&row, RowKind::BootSession)?;
        self.table.put(key, row, changes);
        Ok(())
    }
}

fn check(open: &OpenBootSession) -> Result<Xname, Rejection> {
    let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    if open.boot_id.len() != BOOT_ID_DIGITS || !open.boot_id.bytes().all(is_hex) {
        let problem = format!("write {BOOT_ID_DIGITS} lower-case hex digits");
        return Err(Rejection::invalid("boot_id", problem));
    }
    let address: IpAddr = open
        .address
        .parse()
        .map_err(|error| Rejection::invalid("address", error))?;
    if address.to_string() != open.address {
        return Err(Rejection::invalid("address", format!("write it as {address}")));
    }
    node("node", &open.node)
}

impl Record for BootSession {
    type Key = Xname;

    fn row_key(node: &Xname) -> RowKey {
        RowKey::boot_session(node)
    }

    fn key(&self) -> Result<Xname, String> {
        stored_xname(&self.node)
    }

    fn into_row(self) -> Row {
        Row::BootSession(self)
    }

    /// Every boot with a secret has one: watchers see its boot record.
    fn object(self: Arc<Self>) -> Option<Object> {
        None
    }
}
