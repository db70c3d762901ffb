//! Debian's curl as the client of TFTP servers: a real one, with blocks as large as UEFI and iPXE ask for.

use std::io;
use std::net::SocketAddrV4;
use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::BenchError;
use crate::tools::{CURL, find};

/// The block size of UEFI: the largest that fits an Ethernet frame.
const BLKSIZE: &str = "1468";
/// A transfer that takes longer failed, seconds.
const TRANSFER_MAX_S: &str = "10";
/// What curl prints of each transfer: its seconds, and the bytes that came.
const TOLD: &str = "%{time_total} %{size_download}\n";

/// A client, found on this host.
#[derive(Clone, Debug)]
pub struct TftpClient {
    program: PathBuf,
}

impl TftpClient {
    /// Finds it.
    ///
    /// # Errors
    /// `Missing` without curl on this host.
    pub fn new() -> Result<TftpClient, BenchError> {
        let program = find(CURL)?;
        Ok(TftpClient { program })
    }

    /// Reads the file `name` of `server` into the file `to`.
    ///
    /// # Errors
    /// What curl says when it does not get it.
    pub async fn fetch(&self, server: SocketAddrV4, name: &str, to: &Path) -> Result<(), BenchError> {
        self.run(server, name, to, 1).await.map(drop)
    }

    /// Reads it so often, one transfer after the other, and discards it; the seconds of each as curl itself measures them,
    /// without its start.
    ///
    /// # Errors
    /// As [`TftpClient::fetch`]; `Output` if a transfer is not `bytes` long.
    pub async fn seconds_of(
        &self,
        server: SocketAddrV4,
        name: &str,
        bytes: u64,
        transfers: usize,
    ) -> Result<Vec<f64>, BenchError> {
        let told = self.run(server, name, Path::new("/dev/null"), transfers).await?;
        seconds_in(&told, bytes, transfers)
    }

    async fn run(
        &self,
        server: SocketAddrV4,
        name: &str,
        to: &Path,
        transfers: usize,
    ) -> Result<String, BenchError> {
        let url = format!("tftp://{server}/{name}");
        let mut command = Command::new(&self.program);
        // whoever runs this may have a ~/.curlrc, or a proxy
        command.args([
            "--disable",
            "--noproxy",
            "*",
            "--silent",
            "--show-error",
            "--fail-early",
        ]);
        command.args(["--tftp-blksize", BLKSIZE, "--max-time", TRANSFER_MAX_S]);
        command.args(["--write-out", TOLD]);
        for _ in 0..transfers {
            command.arg("--output").arg(to).arg(&url);
        }
        let output = command.kill_on_drop(true).output().await;
        let output = output.map_err(BenchError::step("cannot run curl"))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(BenchError::step(format!("cannot read {url}"))(io::Error::other(
            said,
        )))
    }
}

/// A fast half of a file is no transfer.
fn seconds_in(told: &str, bytes: u64, transfers: usize) -> Result<Vec<f64>, BenchError> {
    let whole: Vec<f64> = told
        .lines()
        .filter_map(|line| seconds_of_whole(line, bytes))
        .collect();
    if whole.len() == transfers {
        return Ok(whole);
    }
    Err(BenchError::Output {
        program: "curl",
        problem: format!("{transfers} transfers of {bytes} bytes were asked for, it tells of {told:?}"),
    })
}

fn seconds_of_whole(line: &str, bytes: u64) -> Option<f64> {
    let (seconds, came) = line.split_once(' ')?;
    let came: u64 = came.parse().ok()?;
    let seconds: f64 = seconds.parse().ok()?;
    (came == bytes).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_transfer_has_its_time() {
        let told = "0.007821 1048576\n0.074619 1048576\n";
        assert_eq!(seconds_in(told, 1 << 20, 2).unwrap(), [0.007_821, 0.074_619]);
    }

    #[test]
    fn what_is_no_whole_file_is_an_error() {
        for told in [
            "0.007821 1048576\n",
            "0.007821 1048576\n0.001 1468\n",
            "0.007821 1048576\nfast 1048576\n",
            "",
        ] {
            let error = seconds_in(told, 1 << 20, 2).unwrap_err().to_string();
            assert!(error.contains("2 transfers of 1048576 bytes"), "{error}");
        }
    }

    /// What went wrong is said by curl, and must reach whoever reads the error.
    #[tokio::test]
    async fn a_transfer_that_fails_says_why() {
        let client = TftpClient {
            program: PathBuf::from("/bin/sh"),
        };
        let server = "127.0.0.1:9".parse().unwrap();
        let error = client.seconds_of(server, "file", 1, 1).await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains("cannot read tftp://127.0.0.1:9/file: "), "{text}");
        let (_, why) = text.split_once("/file: ").unwrap();
        assert!(!why.is_empty(), "{text}");
    }
}
