//! One member as a child process: a real one, so that SIGKILL means what it says.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};

use crate::error::CliError;

/// A member ends within this after SIGTERM, or is killed.
const STOP_MAX: Duration = Duration::from_secs(8);
/// Lines of a member's log that are shown when it ended by itself.
const LOG_TAIL_LINES: usize = 12;

/// A running (or killed) member. Dropping it kills the process.
#[derive(Debug)]
pub(crate) struct MemberProcess {
    id: u64,
    executable: PathBuf,
    dir: PathBuf,
    child: Option<Child>,
    frozen: bool,
}

impl MemberProcess {
    /// Starts `executable serve --config <dir>/chamois.toml`; its log goes to `<dir>/log`.
    pub(crate) fn start(executable: &Path, id: u64, dir: &Path) -> Result<Self, CliError> {
        let mut member = Self {
            id,
            executable: executable.to_owned(),
            dir: dir.to_owned(),
            child: None,
            frozen: false,
        };
        member.spawn()?;
        Ok(member)
    }

    /// Its id.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// Its process id, while it runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.as_ref().and_then(Child::id)
    }

    /// Kills it as a crash would: nothing is flushed, nobody is told.
    pub(crate) async fn kill(&mut self) -> Result<(), CliError> {
        if let Some(mut child) = self.child.take() {
            child
                .kill()
                .await
                .map_err(|e| CliError::other("cannot kill a member", e))?;
        }
        Ok(())
    }

    /// Stops it: every thread, at once, as a hypervisor that pauses a machine does.
    pub(crate) fn freeze(&mut self) -> Result<(), CliError> {
        self.frozen = true;
        self.signal(Signal::SIGSTOP)
    }

    /// Lets a frozen one go on.
    pub(crate) fn thaw(&mut self) -> Result<(), CliError> {
        self.frozen = false;
        self.signal(Signal::SIGCONT)
    }

    /// Waits until its watchdog has ended it; only a frozen holder of the service address has one that bites.
    pub(crate) async fn ended_while_frozen(&mut self, at_most: Duration) -> Result<(), CliError> {
        let Some(child) = &mut self.child else {
            return Ok(());
        };
        match tokio::time::timeout(at_most, child.wait()).await {
            Ok(Ok(_)) => {
                (self.child, self.frozen) = (None, false);
                Ok(())
            }
            Ok(Err(error)) => Err(CliError::other("cannot wait for a member", error)),
            Err(_) => Err(CliError::other(
                &format!("member {} holds the service address and is frozen", self.id),
                "its watchdog did not end it",
            )),
        }
    }

    fn signal(&self, signal: Signal) -> Result<(), CliError> {
        let pid = self.pid().ok_or_else(|| {
            CliError::other(
                &format!("cannot send {signal} to member {}", self.id),
                "it does not run",
            )
        })?;
        let pid = Pid::from_raw(i32::try_from(pid).expect("Linux process ids fit into an i32"));
        kill(pid, signal)
            .map_err(|e| CliError::other(&format!("cannot send {signal} to member {}", self.id), e))
    }

    /// Starts it again on the same data.
    pub(crate) fn restart(&mut self) -> Result<(), CliError> {
        debug_assert!(self.child.is_none(), "killed before it is restarted");
        self.spawn()
    }

    /// Asks it to end, and kills it if it does not in time.
    pub(crate) async fn stop(&mut self) -> Result<(), CliError> {
        let Some(pid) = self.pid() else { return Ok(()) };
        let pid = Pid::from_raw(i32::try_from(pid).expect("Linux process ids fit into an i32"));
        // ESRCH: it ended by itself, which is what was asked for
        let _ = kill(pid, Signal::SIGTERM);
        if let Some(child) = &mut self.child
            && tokio::time::timeout(STOP_MAX, child.wait()).await.is_ok()
        {
            self.child = None;
            return Ok(());
        }
        self.kill().await
    }

    /// An error with the end of its log, if it ended without being told to.
    pub(crate) fn check_running(&mut self) -> Result<(), CliError> {
        let Some(child) = &mut self.child else {
            return Ok(());
        };
        match child.try_wait() {
            Ok(None) => Ok(()),
            // its watchdog: `ended_while_frozen` takes note
            Ok(Some(_)) if self.frozen => Ok(()),
            Ok(Some(status)) => Err(self.ended(status)),
            Err(error) => Err(CliError::other("cannot ask after a member", error)),
        }
    }

    fn ended(&self, status: ExitStatus) -> CliError {
        let log = std::fs::read_to_string(self.log_path()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].join("\n  ");
        CliError::other(&format!("member {} ended by itself", self.id), status)
            .with_remedy(format!("The end of {}:\n  {tail}", self.log_path().display()))
    }

    fn log_path(&self) -> PathBuf {
        self.dir.join("log")
    }

    fn spawn(&mut self) -> Result<(), CliError> {
        let step = |error| CliError::other(&format!("cannot start member {}", self.id), error);
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log_path())
            .map_err(step)?;
        let child = Command::new(&self.executable)
            .arg("serve")
            .arg("--config")
            .arg(self.dir.join("chamois.toml"))
            .arg("--parent")
            .arg(std::process::id().to_string())
            .env_remove("CHAMOIS_TOKEN")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            // Ctrl-C goes to this process, which ends the members in order
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(step)?;
        self.child = Some(child);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// A stand-in for the executable: writes its pid, then sleeps or ends.
    fn script(dir: &Path, body: &str) -> PathBuf {
        let path = dir.join("member.sh");
        std::fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn is_alive(pid: u32) -> bool {
        // a zombie has an empty command line; kill(pid, 0) would call it alive
        std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty())
    }

    async fn until(what: &str, mut condition: impl FnMut() -> bool) {
        for _ in 0..500 {
            if condition() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("not within 5 s: {what}");
    }

    #[tokio::test]
    async fn a_dropped_member_is_dead() {
        let dir = tempfile::tempdir().unwrap();
        let executable = script(dir.path(), "exec sleep 60");
        let member = MemberProcess::start(&executable, 1, dir.path()).unwrap();
        let pid = member.pid().unwrap();
        until("the child runs", || is_alive(pid)).await;
        drop(member);
        until("the child is gone", || !is_alive(pid)).await;
    }

    #[tokio::test]
    async fn a_killed_member_runs_again_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let executable = script(dir.path(), "exec sleep 60");
        let mut member = MemberProcess::start(&executable, 1, dir.path()).unwrap();
        let first = member.pid().unwrap();
        member.kill().await.unwrap();
        assert!(!is_alive(first) && member.pid().is_none());
        member.restart().unwrap();
        assert_ne!(member.pid().unwrap(), first);
        member.stop().await.unwrap();
        assert!(member.pid().is_none());
    }

    /// The demo must wait for the watchdog, and not take its work for a member that ended by itself.
    #[tokio::test]
    async fn the_end_of_a_frozen_member_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let executable = script(dir.path(), "exec sleep 60");
        let mut member = MemberProcess::start(&executable, 1, dir.path()).unwrap();
        member.freeze().unwrap();
        let lives = member.ended_while_frozen(Duration::from_millis(50)).await;
        assert!(lives.unwrap_err().to_string().contains("watchdog"));
        member.signal(Signal::SIGKILL).unwrap();
        let pid = member.pid().unwrap();
        until("the child is gone", || !is_alive(pid)).await;
        member.check_running().unwrap();
        member.ended_while_frozen(Duration::from_secs(10)).await.unwrap();
        assert!(member.pid().is_none());
    }

    #[tokio::test]
    async fn a_thawed_member_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let mark = dir.path().join("mark");
        let executable = script(
            dir.path(),
            &format!("while :; do date +%N > {}; sleep 0.01; done", mark.display()),
        );
        let mut member = MemberProcess::start(&executable, 1, dir.path()).unwrap();
        until("the first mark", || mark.exists()).await;
        member.freeze().unwrap();
        std::fs::remove_file(&mark).unwrap_or_default();
        member.thaw().unwrap();
        until("another mark", || mark.exists()).await;
        member.kill().await.unwrap();
    }

    /// The reader of the message needs the log's last words, not a path to look up.
    #[tokio::test]
    async fn a_member_that_ends_by_itself_is_noticed_with_its_last_words() {
        let dir = tempfile::tempdir().unwrap();
        let executable = script(dir.path(), "echo the disk is full >&2; exit 1");
        let mut member = MemberProcess::start(&executable, 3, dir.path()).unwrap();
        until("its end is noticed", || member.check_running().is_err()).await;
        let text = member.check_running().unwrap_err().to_string();
        assert!(
            text.contains("member 3") && text.contains("the disk is full"),
            "{text}"
        );
    }
}
