//! Files in a folder, and programs that are there or are named with the package that has them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use configurator::{Check, File};
use tempfile::TempDir;

/// Programs, and Debian's packages that have them.
const PACKAGES: &[(&str, &str)] = &[
    ("ansible-inventory", "ansible-core"),
    ("chronyd", "chrony"),
    ("conman", "conman"),
    ("conmand", "conman"),
    ("dnsmasq", "dnsmasq-base"),
    ("getent", "libc-bin"),
    ("kea-dhcp4", "kea-dhcp4-server"),
    ("named-checkzone", "bind9-utils"),
    ("nodeset", "clustershell"),
    ("powermand", "powerman"),
    ("promtool", "prometheus"),
    ("rsyslogd", "rsyslog"),
    ("slurmctld", "slurmctld"),
    ("slurmd", "slurmd"),
    ("ssh-keygen", "openssh-client"),
    ("unshare", "util-linux"),
];

/// Whether these tests were asked for; says so if they were not.
pub(crate) fn is_wanted(test: &str) -> bool {
    let wanted = std::env::var("CHAMOIS_E2E").is_ok_and(|value| value == "1");
    if !wanted {
        eprintln!("*** NOT RUN: {test} starts real programs; set CHAMOIS_E2E=1 to run it ***");
    }
    wanted
}

/// Files as they are staged before they go where they belong.
pub(crate) struct Stage {
    dir: TempDir,
}

impl Stage {
    pub(crate) fn of(files: &[File]) -> Stage {
        let dir = tempfile::tempdir().unwrap();
        let stage = Stage { dir };
        for file in files {
            stage.write(&file.path, &file.text(crate::inventory::REVISION));
        }
        stage
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// What the program of a check says to a file.
    pub(crate) fn check(&self, check: &Check, path: &str) -> Output {
        let fill = |arg: &&str| {
            let file = self.path(path);
            let arg = arg.replace("{file}", file.to_str().unwrap());
            arg.replace("{dir}", self.dir().to_str().unwrap())
        };
        let args: Vec<String> = check.args.iter().map(fill).collect();
        there(check.needs());
        let mut command = Command::new(check.program);
        command.args(args).current_dir(self.dir()).stdin(Stdio::null());
        command
            .output()
            .unwrap_or_else(|error| panic!("{}: {error}", check.program))
    }
}

/// The program, which must be there.
pub(crate) fn there(program: &str) -> &str {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    if !is_there {
        let package = PACKAGES.iter().find(|(name, _)| *name == program);
        let (_, package) = package.unwrap_or_else(|| panic!("{program}: name its package in this file"));
        panic!("{program} is not there: apt-get install --no-install-recommends {package}");
    }
    program
}

/// Runs a program to its end.
pub(crate) fn run(program: &str, args: &[&str]) -> Output {
    let mut command = Command::new(there(program));
    command.args(args).stdin(Stdio::null()).output().unwrap()
}

/// What it said, for an assertion.
pub(crate) fn said(output: &Output) -> String {
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    format!("{}\n{out}{err}", output.status)
}
