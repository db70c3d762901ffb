//! One run of OpenSSH's client: its input, its output, and what it says about its end.

use std::io::{Error, Result};
use std::process::ExitStatus;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout};
use tokio::task::JoinHandle;

use crate::ended;
use crate::limits::{END_AT_MOST, SAID_BYTES_MAX, SHOWN_BYTES_MAX};
use crate::password::HandedPassword;
use crate::ssh::{Line, SshProgram};

/// A console that is open. It ends with this value.
#[derive(Debug)]
pub struct Session {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
    said: JoinHandle<Vec<u8>>,
    program: SshProgram,
    _password: HandedPassword,
}

impl Session {
    /// Starts the client. Whether it gets through is known by its output, or by its end.
    ///
    /// # Errors
    /// `InvalidInput` for a password that no line can hold, else what the system said of the program; the text names it.
    pub fn start(program: &SshProgram, line: &Line) -> Result<Session> {
        let password = program.hand(&line.login.password)?;
        let mut command = program.command(line, &password);
        let mut child = command.spawn().map_err(|error| {
            let name = command.as_std().get_program().to_string_lossy().into_owned();
            Error::new(error.kind(), format!("cannot start {name}: {error}"))
        })?;
        let piped = "every stream of the command is a pipe";
        let said = tokio::spawn(last_said(child.stderr.take().expect(piped)));
        Ok(Session {
            input: child.stdin.take().expect(piped),
            output: child.stdout.take().expect(piped),
            child,
            said,
            program: program.clone(),
            _password: password,
        })
    }

    /// What is to be shown next, or what of `typed` could be passed on; whichever comes first. Nothing is lost when this is dropped
    /// before.
    ///
    /// # Errors
    /// When the client takes nothing any more; its output may have an end still.
    pub async fn step(&mut self, typed: &[u8], shows: bool) -> Result<Step> {
        let mut shown = vec![0; SHOWN_BYTES_MAX];
        tokio::select! {
            count = self.output.read(&mut shown), if shows => {
                shown.truncate(count?);
                Ok(if shown.is_empty() { Step::Ended } else { Step::Shown(shown) })
            }
            count = self.input.write(typed), if !typed.is_empty() => Ok(Step::Typed(count?)),
            else => std::future::pending().await,
        }
    }

    /// Ends the client, and says why it ended if it did by itself.
    pub async fn end(mut self) -> String {
        let status: Option<ExitStatus> = match tokio::time::timeout(END_AT_MOST, self.child.wait()).await {
            Ok(status) => status.ok(),
            Err(_) => {
                // it ends with its handle, too: this only says so early
                let _ = self.child.start_kill();
                None
            }
        };
        let said = tokio::time::timeout(END_AT_MOST, &mut self.said).await;
        let said = said.ok().and_then(|said| said.ok()).unwrap_or_default();
        ended::why(&said, status, &self.program.known_hosts())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.said.abort();
    }
}

/// What a session did.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Bytes of the console.
    Shown(Vec<u8>),
    /// So many bytes of what is typed were passed on.
    Typed(usize),
    /// There is no more to show.
    Ended,
}

/// The last that the client says; it must be read, or the client waits.
async fn last_said(mut from: ChildStderr) -> Vec<u8> {
    let (mut said, mut piece) = (Vec::new(), [0; 1024]);
    while let Ok(count @ 1..) = from.read(&mut piece).await {
        said.extend_from_slice(&piece[..count]);
        let too_much = said.len().saturating_sub(SAID_BYTES_MAX);
        said.drain(..too_much);
    }
    said
}

#[cfg(test)]
pub(crate) mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;
    use std::time::Duration;

    use redfish::{Login, Password};

    use super::*;

    /// A program that stands for ssh: a shell script in `dir`.
    pub(crate) fn ssh_that(dir: &Path, script: &str) -> SshProgram {
        let path = dir.join("ssh");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        SshProgram::new(path, dir).unwrap()
    }

    pub(crate) fn line() -> Line {
        Line {
            host: "192.0.2.1".into(),
            known_as: None,
            port: 22,
            login: Login {
                user: "root".into(),
                password: Password::new("c4n4ry"),
            },
        }
    }

    async fn all_shown(session: &mut Session) -> String {
        let mut shown = Vec::new();
        loop {
            let step = tokio::time::timeout(Duration::from_secs(10), session.step(&[], true));
            match step.await.expect("a step in time").unwrap() {
                Step::Shown(bytes) => shown.extend(bytes),
                Step::Typed(_) => panic!("nothing was typed"),
                Step::Ended => return String::from_utf8(shown).unwrap(),
            }
        }
    }

    /// What the shell script reads is what ssh's askpass would read.
    #[tokio::test]
    async fn the_client_gets_the_password_through_its_pipe() {
        let dir = tempfile::tempdir().unwrap();
        let script =
            "IFS= read -r line < \"$CHAMOIS_SSH_PASSWORD_PIPE\"; echo \"got $line\"; echo \"$@\"; env";
        let mut session = Session::start(&ssh_that(dir.path(), script), &line()).unwrap();
        let shown = all_shown(&mut session).await;
        assert!(shown.starts_with("got c4n4ry\n"), "{shown}");
        assert_eq!(
            shown.matches("c4n4ry").count(),
            1,
            "neither arguments nor environment have it: {shown}"
        );
        assert_eq!(session.end().await, "the BMC has ended the console");
    }

    #[tokio::test]
    async fn what_is_typed_comes_back() {
        let dir = tempfile::tempdir().unwrap();
        let mut session = Session::start(&ssh_that(dir.path(), "exec cat"), &line()).unwrap();
        assert_eq!(session.step(b"hello", false).await.unwrap(), Step::Typed(5));
        assert_eq!(
            session.step(&[], true).await.unwrap(),
            Step::Shown(b"hello".to_vec())
        );
    }

    #[tokio::test]
    async fn a_failure_is_told_with_what_the_client_said_last() {
        let dir = tempfile::tempdir().unwrap();
        let script = "i=0; while [ $i -lt 2000 ]; do echo noise >&2; i=$((i+1)); done; \
                      echo 'ssh: connect to host 192.0.2.1 port 22: No route to host' >&2; exit 255";
        let mut session = Session::start(&ssh_that(dir.path(), script), &line()).unwrap();
        assert_eq!(all_shown(&mut session).await, "");
        let why = session.end().await;
        assert!(why.ends_with("No route to host"), "{why}");
    }

    /// The process must not outlive its console.
    #[tokio::test]
    async fn the_client_ends_with_its_session() {
        let dir = tempfile::tempdir().unwrap();
        let mut session = Session::start(&ssh_that(dir.path(), "echo up; exec sleep 600"), &line()).unwrap();
        assert_eq!(
            session.step(&[], true).await.unwrap(),
            Step::Shown(b"up\n".to_vec())
        );
        let pid = session.child.id().unwrap();
        drop(session);
        let process = format!("/proc/{pid}/stat");
        let is_gone = || std::fs::read_to_string(&process).map_or(true, |stat| stat.contains(") Z "));
        for _ in 0..100 {
            if is_gone() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("process {pid} runs still");
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let program = SshProgram::new("/none/ssh", dir.path()).unwrap();
        let error = Session::start(&program, &line()).unwrap_err().to_string();
        assert!(error.contains("/none/ssh"), "{error}");
    }
}
