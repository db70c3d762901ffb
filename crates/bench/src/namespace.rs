//! A network namespace of one's own, for which nobody needs to be root: DHCP needs port 67 and addresses that belong to an
//! interface, and the host's must be left alone. It goes with the last process in it.

use std::env;
use std::io;
use std::net::Ipv4Addr;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use crate::BenchError;
use crate::tools::{IP, UNSHARE, find};

/// Set inside, so that this happens once.
const INSIDE: &str = "CHAMOIS_BENCH_NAMESPACE";

/// Whether [`enter`] has been here.
pub fn is_inside() -> bool {
    env::var_os(INSIDE).is_some()
}

/// Replaces this process by itself, with the same arguments, in a new network namespace; within a user namespace of its own
/// too, unless it is root, whose peers may then do what only root may. Returns only when that fails.
///
/// # Errors
/// `Missing` without unshare; what the system says when it allows no user namespaces.
pub fn enter() -> Result<std::convert::Infallible, BenchError> {
    let unshare = find(UNSHARE)?;
    let executable = env::current_exe().map_err(BenchError::step("cannot find this executable"))?;
    let mut command = Command::new(&unshare);
    command
        .args(options(needs_no_user_namespace(&unshare)))
        .arg("--")
        .arg(executable)
        .args(env::args_os().skip(1))
        .env(INSIDE, "1");
    Err(BenchError::step("cannot make a network namespace")(
        command.exec(),
    ))
}

/// Root of a container may not be allowed to do what root may: it is tried.
fn needs_no_user_namespace(unshare: &Path) -> bool {
    let tried = || Command::new(unshare).args(options(true)).arg("true").output();
    nix::unistd::geteuid().is_root() && tried().is_ok_and(|output| output.status.success())
}

fn options(as_root: bool) -> &'static [&'static str] {
    match as_root {
        true => &["--net"],
        false => &["--map-root-user", "--net"],
    }
}

/// Brings the loopback interface up and gives it `addresses`.
///
/// # Errors
/// `Missing` without `ip`; what it says when it refuses.
pub fn prepare(addresses: &[Ipv4Addr]) -> Result<(), BenchError> {
    let ip = find(IP)?;
    let run = |arguments: &[&str]| {
        let output = Command::new(&ip).args(arguments).output();
        let output = output.map_err(BenchError::step("cannot run ip"))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(BenchError::step(format!("ip {}", arguments.join(" ")))(
            io::Error::other(said),
        ))
    };
    run(&["link", "set", "lo", "up"])?;
    for address in addresses {
        run(&["address", "add", &format!("{address}/32"), "dev", "lo"])?;
    }
    Ok(())
}
