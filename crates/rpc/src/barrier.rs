//! What the guard waits for before a linearizable read.

use futures::future::BoxFuture;

use crate::Error;

/// A read index: once it has returned, this member's applied state holds every write that was
/// acknowledged before the call. `raft::Store` implements it.
pub trait Barrier: Send + Sync {
    /// Waits for the read index.
    ///
    /// # Errors
    /// `NoQuorum` if no majority confirms a leader in time.
    fn linearize(&self) -> BoxFuture<'_, Result<(), Error>>;
}
