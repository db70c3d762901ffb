//! What the guard waits for before a linearizable read.

use std::time::Duration;

use futures::future::BoxFuture;

use crate::{Error, Etag, Kinds};

/// How fresh this member's applied state is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Freshness {
    /// Log index up to which it has applied.
    pub revision: u64,
    /// Every change that was acknowledged longer ago than this is in it.
    pub age: Duration,
}

/// A read index: once it has returned, this member's applied state holds every write that was
/// acknowledged before the call. `raft::Store` implements it.
pub trait Barrier: Send + Sync {
    /// Waits for the read index.
    ///
    /// # Errors
    /// `NoQuorum` if no majority confirms a leader in time.
    fn linearize(&self) -> BoxFuture<'_, Result<(), Error>>;

    /// How fresh the state is without waiting, for answers to whoever is content with it; `None` where nobody knows.
    fn freshness(&self) -> Option<Freshness> {
        None
    }

    /// The last change of anything of these kinds in this member's applied state; `None` where nobody knows.
    fn last_change(&self, kinds: Kinds) -> Option<Etag> {
        let _ = kinds;
        None
    }
}
