//! `--parent`: a member that was started by `chamois demo` ends with it, even when that one is killed.

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::getppid;

use super::ServeError;

/// Asks the kernel to kill this process when the thread that started it ends.
///
/// # Errors
/// `Orphan` when that has happened already: the kernel only tells of ends that come after the question.
pub(super) fn end_with(parent: i32) -> Result<(), ServeError> {
    set_pdeathsig(Signal::SIGKILL).map_err(|errno| ServeError::System {
        what: "to end with the parent",
        source: errno.into(),
    })?;
    if getppid().as_raw() == parent {
        Ok(())
    } else {
        Err(ServeError::Orphan)
    }
}
