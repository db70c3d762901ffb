//! Where in the log a command stands: the only source of time, names, randomness and rights for it.

use model::Rejection;
use proto::auth::v1::Grant;
use proto::http::v1::{Change, ObjectMeta};
use proto::raft::v1::{Header, LockEnforcement};

use crate::rfc3339;
use crate::sealed::hex;

/// Index, time, principal, random bytes and keys of the entry that is being applied.
pub(crate) struct LogPosition<'a> {
    pub(crate) index: u64,
    pub(crate) time_ms: u64,
    pub(crate) principal: &'a str,
    pub(crate) random: &'a [u8],
    /// The keys that the request came with; `None`: locks and reservations are advice.
    pub(crate) lock_enforcement: Option<&'a LockEnforcement>,
    /// What gives the author the right; `None`: who needs no policy.
    pub(crate) grant: Option<&'a Grant>,
}

impl<'a> LogPosition<'a> {
    /// The position of the entry with this header; `time_ms` is the log's time, not what the header says alone.
    pub(crate) fn new(index: u64, time_ms: u64, header: &'a Header) -> LogPosition<'a> {
        LogPosition {
            index,
            time_ms,
            principal: &header.principal,
            random: &header.random,
            lock_enforcement: header.lock_enforcement.as_ref(),
            grant: header.grant.as_ref(),
        }
    }

    /// Meta of an object that this entry creates.
    pub(crate) fn created(&self) -> Option<ObjectMeta> {
        Some(ObjectMeta {
            created: Some(self.change()),
            modified: Some(self.change()),
        })
    }

    /// Meta of an object that this entry changes.
    pub(crate) fn modified(&self, before: Option<&ObjectMeta>) -> Option<ObjectMeta> {
        let created = before.and_then(|meta| meta.created.clone());
        Some(ObjectMeta {
            created,
            modified: Some(self.change()),
        })
    }

    /// This entry as a change.
    pub(crate) fn change(&self) -> Change {
        Change {
            revision: self.index,
            at_ms: self.time_ms,
            principal: self.principal.to_owned(),
        }
    }

    /// The time as RFC 3339 text, UTC.
    pub(crate) fn time_text(&self) -> String {
        rfc3339::format(self.time_ms)
    }

    /// The leader's random bytes.
    pub(crate) fn random(&self) -> Result<[u8; 16], Rejection> {
        self.random.try_into().map_err(|_| {
            Rejection::invalid(
                "header.random",
                "the entry must carry 16 random bytes, stamped by the leader",
            )
        })
    }

    /// Sixteen hex digits of the random bytes.
    pub(crate) fn random_hex(&self) -> Result<String, Rejection> {
        let random = self.random()?;
        Ok(hex(&random[..8]))
    }
}

/// Revision of the last change, 0 if the object carries none.
pub(crate) fn modified_revision(meta: Option<&ObjectMeta>) -> u64 {
    meta.and_then(|meta| meta.modified.as_ref())
        .map_or(0, |change| change.revision)
}

/// Whether the object `id` is at the revision that a client has seen, if it names one; an object that does not exist is at 0.
///
/// # Errors
/// `RevisionMismatch` with both revisions.
pub(crate) fn check_revision(
    id: &str,
    expected: Option<u64>,
    meta: Option<&ObjectMeta>,
) -> Result<(), Rejection> {
    let actual = modified_revision(meta);
    match expected {
        Some(expected) if expected != actual => Err(Rejection::RevisionMismatch {
            id: id.to_owned(),
            expected,
            actual,
        }),
        Some(_) | None => Ok(()),
    }
}

/// Revision of the creation, 0 if the object carries none.
pub(crate) fn created_revision(meta: Option<&ObjectMeta>) -> u64 {
    meta.and_then(|meta| meta.created.as_ref())
        .map_or(0, |change| change.revision)
}
