//! A server of others as a child of this process: its log in a file, its end with its handle.

use std::fs::File;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::Command;

use crate::BenchError;

/// A child ends within this after SIGTERM, or is killed.
const STOP_MAX: Duration = Duration::from_secs(5);
/// Lines of a log that an error shows.
const LOG_TAIL_LINES: usize = 12;

/// A running process. Dropping it kills it.
#[derive(Debug)]
pub struct Child {
    name: String,
    log: PathBuf,
    process: tokio::process::Child,
}

impl Child {
    /// Starts `command`; standard output and error go to the file `log`.
    ///
    /// # Errors
    /// If the log cannot be written or the program not be run.
    pub fn start(name: &str, mut command: Command, log: PathBuf) -> Result<Child, BenchError> {
        let step = || BenchError::step(format!("cannot start {name}"));
        let out = File::create(&log).map_err(step())?;
        let err = out.try_clone().map_err(step())?;
        let process = command
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            // Ctrl-C goes to this process, which ends its children itself
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(step())?;
        Ok(Child {
            name: name.to_owned(),
            log,
            process,
        })
    }

    /// Its process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.process.id()
    }

    /// Its process id.
    ///
    /// # Errors
    /// `Ended` if it runs no more.
    pub fn running_pid(&mut self) -> Result<u32, BenchError> {
        self.check_running()?;
        self.pid().ok_or_else(|| self.ended())
    }

    /// An error with the end of its log, if it ended without being told to.
    ///
    /// # Errors
    /// `Ended`.
    pub fn check_running(&mut self) -> Result<(), BenchError> {
        match self.process.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(_)) | Err(_) => Err(self.ended()),
        }
    }

    fn ended(&self) -> BenchError {
        BenchError::Ended {
            name: self.name.clone(),
            log: self.log_tail(),
        }
    }

    /// SIGTERM, and SIGKILL if that does not end it.
    pub async fn stop(mut self) {
        if let Some(pid) = self.pid().and_then(|pid| i32::try_from(pid).ok()) {
            // ESRCH: it ended by itself, which is what is wanted
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        if tokio::time::timeout(STOP_MAX, self.process.wait()).await.is_err() {
            // an error means that it is gone
            let _ = self.process.kill().await;
        }
    }

    /// SIGKILL, as a crash: nothing is flushed, nobody is told.
    pub async fn kill(mut self) {
        // an error means that it is gone
        let _ = self.process.kill().await;
    }

    fn log_tail(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    async fn until_ended(child: &mut Child) -> BenchError {
        for _ in 0..500 {
            if let Err(error) = child.check_running() {
                return error;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it still runs after 5 s");
    }

    /// The reader of the message needs the log's last words, not a path to look up.
    #[tokio::test]
    async fn a_child_that_ends_by_itself_is_noticed_with_its_last_words() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let mut child = Child::start("etcd 2", shell("echo the port is taken >&2; exit 1"), log).unwrap();
        let text = until_ended(&mut child).await.to_string();
        assert!(
            text.contains("etcd 2") && text.contains("the port is taken"),
            "{text}"
        );
        assert!(child.running_pid().is_err(), "its id may be another's by now");
    }

    #[tokio::test]
    async fn a_stopped_child_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let child = Child::start("sleeper", shell("exec sleep 60"), dir.path().join("log")).unwrap();
        let pid = child.pid().unwrap();
        child.stop().await;
        assert!(
            !std::fs::exists(format!("/proc/{pid}")).unwrap(),
            "it was waited for"
        );
    }
}
