//! Running the system's tools: what is missing is named with its package.

use std::path::PathBuf;
use std::process::{Command, Output};

use super::MachineError;

/// Debian's package of each program that real machines need.
const PACKAGES: &[(&str, &str)] = &[
    ("ip", "iproute2"),
    ("nsenter", "util-linux"),
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("tcpdump", "tcpdump"),
    ("nft", "nftables"),
    ("curl", "curl"),
    ("busybox", "busybox-static"),
    ("cpio", "cpio"),
    ("xz", "xz-utils"),
    ("udhcpc", "udhcpc"),
    ("dhclient", "isc-dhcp-client"),
    ("dhcpcd", "dhcpcd-base"),
    ("dhcrelay", "isc-dhcp-relay"),
];

/// Sees to it that the caller is root.
///
/// # Errors
/// [`MachineError::NotRoot`].
pub fn require_root() -> Result<(), MachineError> {
    if nix::unistd::geteuid().is_root() {
        Ok(())
    } else {
        Err(MachineError::NotRoot)
    }
}

/// Finds a program on the `PATH` or where root's programs are.
///
/// # Errors
/// [`MachineError::MissingTool`], with the package to install.
pub fn require_tool(tool: &str) -> Result<PathBuf, MachineError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .map(|folder| folder.join(tool))
        .find(|file| file.is_file())
        .ok_or_else(|| missing(tool))
}

/// Runs a command that must succeed, and gives its output.
///
/// # Errors
/// The tool is not installed, or it failed: then with what it said.
pub fn run(command: &mut Command) -> Result<Output, MachineError> {
    let output = command.output().map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => missing(&command.get_program().to_string_lossy()),
        _ => MachineError::io(format!("run {command:?}"))(source),
    })?;
    if output.status.success() {
        return Ok(output);
    }
    Err(MachineError::Command {
        command: format!("{command:?}"),
        stderr: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}

/// Runs `ip` with these arguments.
///
/// # Errors
/// As [`run`].
pub fn ip(arguments: &[&str]) -> Result<Output, MachineError> {
    run(Command::new("ip").args(arguments))
}

fn missing(tool: &str) -> MachineError {
    let package = PACKAGES.iter().find(|(name, _)| *name == tool);
    MachineError::MissingTool {
        tool: tool.to_owned(),
        package: package.map_or("(the package that brings it)", |(_, package)| package),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_tool_is_named_with_its_package() {
        let error = missing("qemu-system-x86_64").to_string();
        assert!(
            error.contains("apt-get install --no-install-recommends qemu-system-x86"),
            "{error}"
        );
    }

    #[test]
    fn a_command_that_is_not_there_is_a_missing_tool() {
        let error = run(&mut Command::new("no-such-tool-97")).unwrap_err();
        assert!(matches!(error, MachineError::MissingTool { .. }), "{error}");
        assert!(matches!(
            require_tool("no-such-tool-97"),
            Err(MachineError::MissingTool { .. })
        ));
    }

    #[test]
    fn a_failure_carries_what_the_tool_said() {
        let error = run(Command::new("sh").args(["-c", "echo no luck >&2; exit 3"])).unwrap_err();
        assert!(error.to_string().ends_with("failed: no luck"), "{error}");
    }
}
