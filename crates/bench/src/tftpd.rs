//! tftp-hpa's server as Debian has it: the peer of our TFTP. It begins a process for each transfer.

use std::net::SocketAddrV4;
use std::path::Path;

use tokio::process::Command;

use crate::tools::{TFTPD, find};
use crate::udp_port::bound;
use crate::{BenchError, Child};

/// A running server. Dropping it kills it.
#[derive(Debug)]
pub struct Tftpd {
    child: Child,
    version: String,
}

impl Tftpd {
    /// Whether it can serve here: for each transfer it gives its groups up, which a user namespace without root forbids.
    pub fn is_possible() -> bool {
        !std::fs::read_to_string("/proc/self/setgroups").is_ok_and(|text| text.trim() == "deny")
    }

    /// Starts it on `address` for what lies in `folder`, and waits until it listens. Its log goes below `dir`.
    ///
    /// # Errors
    /// `Missing` without it on this host; `Ended` if it refuses its arguments.
    pub async fn start(address: SocketAddrV4, folder: &Path, dir: &Path) -> Result<Tftpd, BenchError> {
        let program = find(TFTPD)?;
        let version = version_of(&program).await?;
        let mut command = Command::new(&program);
        command.args(["-4", "-L", "-a", &address.to_string()]);
        // as root and without its own check of permissions: the folder is this run's alone
        command.args(["-u", "root", "-p", "--secure"]).arg(folder);
        let mut child = Child::start("in.tftpd", command, dir.join("tftpd.log"))?;
        bound(&mut child, "in.tftpd", address.port()).await?;
        Ok(Tftpd { child, version })
    }

    /// `tftp-hpa 5.2`.
    pub fn name(&self) -> &str {
        &self.version
    }

    /// Ends it.
    pub async fn stop(self) {
        self.child.stop().await;
    }
}

async fn version_of(program: &Path) -> Result<String, BenchError> {
    let output = Command::new(program).arg("-V").output().await;
    let output = output.map_err(BenchError::step("cannot run in.tftpd"))?;
    Ok(version_in(&String::from_utf8_lossy(&output.stdout)).to_owned())
}

/// `tftp-hpa 5.2, with remap, with tcpwrappers`
fn version_in(text: &str) -> &str {
    let line = text.lines().next().unwrap_or_default();
    line.split(',').next().unwrap_or(line).trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_what_stands_before_the_features() {
        assert_eq!(
            version_in("tftp-hpa 5.2, with remap, with tcpwrappers\n"),
            "tftp-hpa 5.2"
        );
        assert_eq!(version_in("tftp-hpa 5.3\n"), "tftp-hpa 5.3");
    }
}
