//! `chamois address-watchdog`: the process around `address::watchdog`.

use address::watchdog::{self, Killed};
use cli::AddressWatchdogArgs;

/// Watches the member that started it until that one ends.
///
/// # Errors
/// Standard input cannot be read, or the member not be killed.
pub fn run(args: &AddressWatchdogArgs) -> Result<(), std::io::Error> {
    match watchdog::watch(args.parent)? {
        Some(Killed::Frozen) => tracing::error!(
            member_pid = args.parent,
            "killed the member: it was stopped while it held a service address on loopback"
        ),
        Some(Killed::Hung) => tracing::error!(
            member_pid = args.parent,
            "killed the member: it held a service address on loopback and gave no sign of life"
        ),
        None => {}
    }
    Ok(())
}
