//! `--real` without root: the same command again, as root of a user namespace of its own.

use std::convert::Infallible;
use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use lab::machine::require_tool;

use crate::error::CliError;

/// Where taps come from.
const TUN: &str = "/dev/net/tun";
/// `ip netns` keeps its names below /run, which only root may write; here it is the namespace's own.
const INSIDE: &str = "mount -t tmpfs chamois /run && exec \"$@\"";
const REMEDY: &str = "Run it as root: sudo chamois demo --real";

/// Becomes `chamois demo --real` in new user, network and mount namespaces: the same process, so that signals reach it.
///
/// # Errors
/// This host gives users no namespaces or no taps; else this does not return.
pub(super) fn run_again(state_dir: Option<&Path>) -> Result<Infallible, CliError> {
    require_tool("unshare")?;
    File::options()
        .read(true)
        .write(true)
        .open(TUN)
        .map_err(|error| {
            CliError::other(&format!("cannot open {TUN} for the guest's network card"), error)
                .with_remedy(REMEDY)
        })?;
    let new_namespaces = ["--user", "--map-root-user", "--net", "--mount"];
    let allowed = Command::new("unshare").args(new_namespaces).arg("true").output();
    let allowed = allowed.map_err(|error| CliError::other("cannot run unshare", error))?;
    if !allowed.status.success() {
        let said = String::from_utf8_lossy(&allowed.stderr).trim().to_owned();
        return Err(CliError::other("this host lets users make no namespaces", said).with_remedy(REMEDY));
    }
    let own = std::env::current_exe().map_err(|e| CliError::other("cannot find this executable", e))?;
    let mut inside = Command::new("unshare");
    inside
        .args(new_namespaces)
        .args(["sh", "-c", INSIDE, "sh"])
        .arg(own);
    inside.args(["demo", "--real"]);
    if let Some(dir) = state_dir {
        inside.arg("--state-dir").arg(dir);
    }
    Err(CliError::other("cannot run unshare", inside.exec()))
}
