//! Commands of this executable, as somebody types them.

use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt as _;
use tokio::process::Command;

use super::failed;
use crate::bench::servers::Servers;
use crate::demo::ca_of;
use crate::error::CliError;

/// A command that ends itself in less.
const ENDS_IN: Duration = Duration::from_secs(30);

/// How long a command took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown {
    /// Until the first byte of its answer.
    pub(super) first_byte: Duration,
    /// Until its end.
    pub(super) whole: Duration,
}

/// This executable as a client of the members.
pub(super) fn client(servers: &Servers, args: &[&str]) -> Result<Command, CliError> {
    let executable = std::env::current_exe().map_err(|error| failed("cannot find this executable", error))?;
    let target = servers.cluster.target();
    let mut command = Command::new(executable);
    command
        .args(args)
        .env("CHAMOIS_ENDPOINTS", target.endpoints.join(","))
        .env("CHAMOIS_CA", ca_of(servers.cluster.layout()))
        .env("CHAMOIS_TOKEN", target.token().unwrap_or_default())
        .env_remove("CHAMOIS_TOKEN_FILE")
        .env_remove("CHAMOIS_CLIENT_CERTIFICATE")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    Ok(command)
}

impl Shown {
    /// Runs the command to its end.
    pub(super) async fn by(servers: &Servers, args: &[&str]) -> Result<Shown, CliError> {
        let run = Self::run(client(servers, args)?);
        let shown = tokio::time::timeout(ENDS_IN, run).await;
        let what = format!("`{}`", args.join(" "));
        shown
            .map_err(|_| failed(&what, "it does not end"))?
            .map_err(|error| failed(&what, error))
    }

    async fn run(mut command: Command) -> Result<Shown, String> {
        let began = Instant::now();
        let mut child = command.spawn().map_err(|error| error.to_string())?;
        let mut out = child.stdout.take().ok_or("it has no output")?;
        let mut buffer = vec![0; 64 << 10];
        let mut first_byte = None;
        while out.read(&mut buffer).await.map_err(|error| error.to_string())? > 0 {
            first_byte.get_or_insert_with(|| began.elapsed());
        }
        let status = child.wait().await.map_err(|error| error.to_string())?;
        let whole = began.elapsed();
        match (status.success(), first_byte) {
            (true, Some(first_byte)) => Ok(Shown { first_byte, whole }),
            _ => Err(format!("it failed, {status}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]).stdout(Stdio::piped());
        command
    }

    #[tokio::test]
    async fn the_first_byte_comes_before_the_end() {
        let shown = Shown::run(shell("echo a; sleep 0.05; echo b")).await.unwrap();
        assert!(shown.first_byte < shown.whole, "{shown:?}");
        assert!(Shown::run(shell("echo a; exit 3")).await.is_err());
        assert!(Shown::run(shell("true")).await.is_err(), "it showed nothing");
    }
}
