//! `validate_only`: a request whose changes are tried out on a copy of the state instead of made. The guard marks it,
//! `raft::Store` tries its changes out, and the guard tells what they would have changed.

use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError};

use http::{HeaderMap, HeaderValue};
use prost::Message as _;
use prost::encoding::encoded_len_varint;
use proto::http::v1::{ObjectChange, WouldChange};

use crate::{Error, Rule, invalid};

/// Metadata of a request: `true` if its changes are only to be tried out.
pub const VALIDATE_ONLY: &str = "chamois-validate-only";
/// Metadata of the answer: an encoded `chamois.http.v1.WouldChange`, with as many changes as there is room for.
pub const WOULD_CHANGE: &str = "chamois-would-change-bin";

/// Changes that are listed.
const CHANGES_MAX: usize = 10_000;
/// Bytes of the changes in metadata, of which clients take 16 KiB in all; base64 makes 8 KiB of them.
const METADATA_BYTES_MAX: usize = 6 << 10;

/// What one request would change. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Trial(Arc<Mutex<Tried>>);

#[derive(Debug, Default)]
struct Tried {
    /// The state after what was tried out, of the store's own type.
    state: Option<Arc<dyn Any + Send + Sync>>,
    changes: Vec<ObjectChange>,
    left_out: u64,
}

impl Trial {
    /// What the metadata of a call ask for.
    ///
    /// # Errors
    /// `Invalid` for another value than `true` and `false`, and for a method that cannot be tried out.
    pub(crate) fn of(headers: &HeaderMap, rule: Rule) -> Result<Option<Trial>, Error> {
        match headers.get(VALIDATE_ONLY).map(HeaderValue::as_bytes) {
            None | Some(b"false") => Ok(None),
            Some(b"true") if rule.can_validate_only => Ok(Some(Trial::default())),
            Some(b"true") => Err(invalid(
                "validate_only",
                "this method cannot be tried out; nothing was changed",
            )),
            Some(_) => Err(invalid("validate_only", "write true or false")),
        }
    }

    /// The state after what was tried out before, if anything was.
    pub fn state<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        let state = self.tried().state.clone();
        state.and_then(|state| state.downcast().ok())
    }

    /// `changes` were tried out, and led to `state`. `told` is asked for those only that are listed: it decodes both
    /// versions of an object, and a change may be of a hundred thousand of them.
    pub fn record<T: Any + Send + Sync, C>(
        &self,
        state: Arc<T>,
        changes: impl IntoIterator<Item = C>,
        told: impl Fn(C) -> Option<ObjectChange>,
    ) {
        let mut tried = self.tried();
        tried.state = Some(state);
        for change in changes {
            if tried.changes.len() < CHANGES_MAX {
                tried.changes.extend(told(change));
            } else {
                tried.left_out += 1;
            }
        }
    }

    /// What was tried out since it was last asked.
    pub fn would_change(&self) -> WouldChange {
        let mut tried = self.tried();
        WouldChange {
            validate_only: true,
            status: 0,
            changes: std::mem::take(&mut tried.changes),
            left_out: tried.left_out,
        }
    }

    fn tried(&self) -> std::sync::MutexGuard<'_, Tried> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The part of `would_change` that metadata have room for, encoded.
pub(crate) fn for_metadata(would_change: &WouldChange) -> Vec<u8> {
    let mut room = METADATA_BYTES_MAX;
    let fits = |change: &&ObjectChange| {
        let bytes = change.encoded_len();
        let needed = bytes + encoded_len_varint(bytes as u64) + 1;
        let fits = needed <= room;
        room = room.saturating_sub(needed);
        fits
    };
    let changes: Vec<ObjectChange> = would_change.changes.iter().take_while(fits).cloned().collect();
    let left_out = would_change.left_out + (would_change.changes.len() - changes.len()) as u64;
    let part = WouldChange {
        changes,
        left_out,
        ..*would_change
    };
    part.encode_to_vec()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn change(id: usize) -> ObjectChange {
        ObjectChange {
            change: "created".into(),
            kind: "component".into(),
            id: format!("x0c0s0b{id}n0"),
            fields: Vec::new(),
        }
    }

    /// A client that gets more metadata than it takes would see an error instead of the answer.
    #[test]
    fn metadata_say_how_much_they_leave_out() {
        let trial = Trial::default();
        trial.record(Arc::new(()), (0..1000).map(change), Some);
        let whole = trial.would_change();
        let part = for_metadata(&whole);
        assert!(part.len() <= METADATA_BYTES_MAX + 16, "{}", part.len());
        let part = WouldChange::decode(part.as_slice()).unwrap();
        assert!(part.changes.len() > 100, "{}", part.changes.len());
        assert_eq!(part.changes, whole.changes[..part.changes.len()]);
        assert_eq!(part.changes.len() as u64 + part.left_out, 1000);
        assert!(part.validate_only);
    }

    #[test]
    fn the_list_is_bounded_and_counts_on() {
        let trial = Trial::default();
        trial.record(Arc::new(1_u8), (0..CHANGES_MAX).map(change), Some);
        trial.record(Arc::new(2_u8), (0..7).map(change), Some);
        assert_eq!(trial.state::<u8>().as_deref(), Some(&2));
        let told = trial.would_change();
        assert_eq!((told.changes.len(), told.left_out), (CHANGES_MAX, 7));
    }

    /// What is only counted costs nothing.
    #[test]
    fn only_what_is_listed_is_looked_at() {
        let (trial, looked_at) = (Trial::default(), Cell::new(0));
        let told = |id| {
            looked_at.set(looked_at.get() + 1);
            Some(change(id))
        };
        trial.record(Arc::new(()), 0..CHANGES_MAX + 5, told);
        assert_eq!((looked_at.get(), trial.would_change().left_out), (CHANGES_MAX, 5));
    }
}
