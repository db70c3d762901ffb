//! Ends a member that is frozen while it holds an address on loopback.
//!
//! There the address cannot be taken away from a process, as the helper does on an interface: it is bound, and only the
//! end of the process gives a bound port back. So the holder has a child that does nothing but read its heartbeats, and
//! kills it when they stop. What then starts it again (systemd, the demo) starts a member that knows it lost the address.
//! A member that is frozen without holding an address harms no node, has no watchdog, and may simply go on later.

use std::io::{self, Read as _};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getppid};
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};

/// How often the holder says that it lives.
pub const BEAT_EVERY: Duration = Duration::from_millis(200);
/// Silence after which the watchdog looks whether the holder is stopped.
const SILENCE_MAX: Duration = Duration::from_secs(1);
/// Such silences in a row after which a holder that is not stopped counts as hung. A busy host makes a member slow, and
/// slow is not frozen.
const SILENCES_MAX: u32 = 10;

/// The command that a member runs as its watchdog; clones are cheap.
#[derive(Clone, Debug)]
pub struct WatchdogCommand {
    executable: PathBuf,
}

impl WatchdogCommand {
    /// `executable address-watchdog`.
    #[must_use]
    pub fn new(executable: PathBuf) -> Self {
        Self { executable }
    }

    /// Starts it as a child of this process.
    ///
    /// # Errors
    /// What the system says: no such file, no more processes.
    pub(crate) fn start(&self) -> io::Result<Watchdog> {
        let child = Command::new(&self.executable)
            .arg("address-watchdog")
            .arg("--parent")
            .arg(std::process::id().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        Ok(Watchdog { child })
    }
}

/// A running watchdog; it ends when this is dropped, and with this process.
#[derive(Debug)]
pub(crate) struct Watchdog {
    child: Child,
}

impl Watchdog {
    /// Says that this process lives.
    ///
    /// # Errors
    /// The watchdog has ended.
    pub(crate) async fn beat(&mut self) -> io::Result<()> {
        let pipe = self.child.stdin.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        pipe.write_all(b".").await
    }
}

/// Why a watchdog killed its parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Killed {
    /// It was stopped (SIGSTOP, a debugger).
    Frozen,
    /// It ran, but said nothing for [`SILENCES_MAX`] seconds.
    Hung,
}

/// The watchdog's side: reads heartbeats on standard input until they end. `Some` if it killed `parent`.
///
/// # Errors
/// Standard input cannot be read, or the parent not be killed.
pub fn watch(parent: i32) -> io::Result<Option<Killed>> {
    let mut input = io::stdin();
    let mut silences = 0;
    loop {
        if heard(&mut input)? {
            silences = 0;
            let mut beats = [0; 64];
            if input.read(&mut beats)? == 0 {
                return Ok(None);
            }
            continue;
        }
        silences += 1;
        // a parent that is gone has another process as its heir
        if getppid().as_raw() != parent {
            return Ok(None);
        }
        let reason = if is_stopped(Path::new("/proc"), parent) {
            Killed::Frozen
        } else if silences >= SILENCES_MAX {
            Killed::Hung
        } else {
            continue;
        };
        kill(Pid::from_raw(parent), Signal::SIGKILL)?;
        return Ok(Some(reason));
    }
}

/// Whether there is something to read, the end included, before the silence is too long.
fn heard(input: &mut io::Stdin) -> io::Result<bool> {
    let timeout = PollTimeout::try_from(SILENCE_MAX).expect("a second fits");
    let mut set = [PollFd::new(input.as_fd(), PollFlags::POLLIN)];
    Ok(poll(&mut set, timeout)? > 0)
}

/// State `T` or `t` of proc(5). The name before it may hold blanks and parentheses.
fn is_stopped(proc: &Path, pid: i32) -> bool {
    let stat = std::fs::read_to_string(proc.join(pid.to_string()).join("stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").map(|(_, rest)| rest);
    state.is_some_and(|rest| rest.starts_with(['T', 't']))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A name with blanks and parentheses must not be taken for the state.
    #[test]
    fn the_state_stands_behind_the_name() {
        let proc = tempfile::tempdir().unwrap();
        let stat = |text: &str| {
            std::fs::create_dir_all(proc.path().join("7")).unwrap();
            std::fs::write(proc.path().join("7/stat"), text).unwrap();
            is_stopped(proc.path(), 7)
        };
        assert!(stat("7 (chamois) T 1 7 7"));
        assert!(stat("7 (a) S b) t 1 7 7"));
        assert!(!stat("7 (T) T) S 1 7 7"));
        assert!(!stat(""));
        assert!(!is_stopped(proc.path(), 8), "a process that is gone");
    }

    #[test]
    fn this_process_is_not_stopped() {
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(!is_stopped(Path::new("/proc"), own));
    }
}
