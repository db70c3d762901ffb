//! How long is waited for what.

use std::time::Duration;

/// Waits of an update.
#[derive(Clone, Debug)]
pub(crate) struct Times {
    /// Before the first look at a task.
    pub(crate) poll_first: Duration,
    /// Between looks, once it has taken a while.
    pub(crate) poll_most: Duration,
    /// For a BMC that restarts after its update, until it tells its versions.
    pub(crate) settle: Duration,
    /// Before something that the cluster's log did not take is tried again.
    pub(crate) log_again: Duration,
}

impl Default for Times {
    fn default() -> Times {
        Times {
            poll_first: Duration::from_secs(2),
            poll_most: Duration::from_secs(15),
            settle: Duration::from_secs(300),
            log_again: Duration::from_secs(1),
        }
    }
}
