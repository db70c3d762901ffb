//! Bounds on what a watcher can ask for and hold.

use std::time::Duration;

/// Xnames of one filter.
pub const XNAMES_MAX: usize = 10_000;
/// Bytes of a request: that many of the longest xnames, and the rest.
pub(crate) const REQUEST_BYTES_MAX: usize = 1 << 20;
/// Kinds of one filter: each of them, and room for repetitions.
pub(crate) const KINDS_MAX: usize = 64;

/// Pause between progress marks, if the request names none.
pub const PROGRESS_INTERVAL_DEFAULT: Duration = Duration::from_secs(5);
/// Shortest pause that is accepted.
pub const PROGRESS_INTERVAL_MIN: Duration = Duration::from_millis(100);
/// Longest pause that is accepted.
pub const PROGRESS_INTERVAL_MAX: Duration = Duration::from_secs(60);

/// Watches of one member that are told the state at once: each holds a version of it.
pub(crate) const SNAPSHOTS_MAX: usize = 32;
/// How long a watch waits for its turn to be told the state.
pub(crate) const SNAPSHOT_WAIT_MAX: Duration = Duration::from_secs(30);
/// How long telling the state may take: meanwhile its version is kept in memory.
pub(crate) const SNAPSHOT_TIME_MAX: Duration = Duration::from_secs(120);
/// Bytes of objects from which on a message is sent; one object more may be in it. gRPC clients accept 4 MiB.
pub(crate) const MESSAGE_BYTES: usize = 512 << 10;
/// Messages made ahead of a client that reads slowly.
pub(crate) const MESSAGES_AHEAD: usize = 2;
/// When a repeat makes sense that a bound has refused.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(1);
/// How long a client may take to hear why its watch ends.
pub(crate) const LAST_WORD_MAX: Duration = Duration::from_secs(5);
/// Objects of the state that are looked at before other work of the member gets its turn.
pub(crate) const OBJECTS_AT_A_STRETCH: usize = 1024;

/// Bounds of one service.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Watches of one member at once.
    pub watches_max: usize,
    /// How long a member may take to apply the revision that a watch goes on from.
    pub behind_at_most: Duration,
    /// A watch ends after this and has to be begun again, so that its caller shows anew who he is.
    pub watch_at_most: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            watches_max: 16_384,
            behind_at_most: Duration::from_secs(5),
            watch_at_most: Duration::from_secs(3600),
        }
    }
}
