//! The programs of others that a benchmark runs: where they are, or which package has them.

use std::env;
use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::BenchError;

/// Daemons are not on the PATH of every account.
const ALSO_IN: [&str; 3] = ["/usr/sbin", "/sbin", "/usr/local/sbin"];

/// A program and Debian's package that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tool {
    /// Name of the executable.
    pub(crate) program: &'static str,
    /// Name of the package.
    pub(crate) package: &'static str,
}

impl Tool {
    const fn new(program: &'static str, package: &'static str) -> Tool {
        Tool { program, package }
    }
}

/// The peer of `write`.
pub(crate) const ETCD: Tool = Tool::new("etcd", "etcd-server");
/// The peer of `dhcp`.
pub(crate) const KEA: Tool = Tool::new("kea-dhcp4", "kea-dhcp4-server");
/// The peer of `image`.
pub(crate) const NGINX: Tool = Tool::new("nginx", "nginx-light");
/// The load of `dhcp`.
pub(crate) const PERFDHCP: Tool = Tool::new("perfdhcp", "kea-admin");
/// The client of `dhcp`'s transfers.
pub(crate) const CURL: Tool = Tool::new("curl", "curl");
/// The peer of those.
pub(crate) const TFTPD: Tool = Tool::new("in.tftpd", "tftpd-hpa");
/// Makes the network namespace of `dhcp`.
pub(crate) const UNSHARE: Tool = Tool::new("unshare", "util-linux");
/// Gives that namespace its addresses.
pub(crate) const IP: Tool = Tool::new("ip", "iproute2");

/// Where `tool` is.
///
/// # Errors
/// `Missing` with the package to install.
pub(crate) fn find(tool: Tool) -> Result<PathBuf, BenchError> {
    let path = env::var_os("PATH").unwrap_or_default();
    find_in(tool, &path)
}

fn find_in(tool: Tool, path: &OsStr) -> Result<PathBuf, BenchError> {
    let folders = env::split_paths(path).chain(ALSO_IN.iter().map(PathBuf::from));
    folders
        .map(|folder| folder.join(tool.program))
        .find(|file| is_executable(file))
        .ok_or(BenchError::Missing {
            program: tool.program,
            package: tool.package,
        })
}

fn is_executable(file: &Path) -> bool {
    file.metadata()
        .is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOOL: Tool = Tool {
        program: "no-such-program-of-chamois",
        package: "its-package",
    };

    /// Whoever lacks a peer learns which package has it.
    #[test]
    fn a_missing_program_is_named_with_its_package() {
        let text = find_in(TOOL, OsStr::new("/nonexistent")).unwrap_err().to_string();
        assert!(
            text.contains(TOOL.program) && text.contains("apt-get install its-package"),
            "{text}"
        );
    }

    #[test]
    fn only_an_executable_file_is_a_program() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(TOOL.program);
        std::fs::write(&file, "").unwrap();
        assert!(find_in(TOOL, dir.path().as_os_str()).is_err(), "not executable");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(find_in(TOOL, dir.path().as_os_str()).unwrap(), file);
    }
}
