//! A disk that fails, or does not keep its promises, under a program that is preloaded with it; faults are switched on
//! and off while the program runs.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)] // for tests only

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::recorder::compile;

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/recorder/broken_disk.c");

/// What a disk can do wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskFault {
    /// A sync answers "done" and does nothing.
    NoSync,
    /// A sync takes 150 ms more.
    SlowSync,
    /// A sync fails with EIO.
    SyncEio,
    /// A write fails with EIO.
    WriteEio,
    /// A write fails with ENOSPC.
    Full,
}

impl DiskFault {
    fn file_name(self) -> &'static str {
        match self {
            DiskFault::NoSync => "no-sync",
            DiskFault::SlowSync => "slow-sync",
            DiskFault::SyncEio => "sync-eio",
            DiskFault::WriteEio => "write-eio",
            DiskFault::Full => "full",
        }
    }
}

/// The compiled library and its switches.
#[derive(Debug)]
pub struct BrokenDisk {
    library: PathBuf,
    switches: PathBuf,
    below: PathBuf,
}

impl BrokenDisk {
    /// Compiles the library into `dir`; its faults are about files whose path begins with `below`. All are off.
    pub fn compile(dir: &Path, below: &Path) -> BrokenDisk {
        let switches = dir.to_owned();
        let library = dir.join("libbroken_disk.so");
        compile(SOURCE, &library).unwrap();
        BrokenDisk {
            library,
            switches,
            below: below.to_owned(),
        }
    }

    /// The environment of members that get this disk, `{id}` standing for each one's own.
    pub fn environment(&self) -> BTreeMap<String, String> {
        let pair = |name: &str, path: &Path| (name.to_owned(), path.display().to_string());
        BTreeMap::from([
            pair("LD_PRELOAD", &self.library),
            pair("BROKEN_DISK", &self.switches_of("{id}")),
            pair("BROKEN_DISK_BELOW", &self.below),
        ])
    }

    /// From now on this goes wrong on the disk of member `id`.
    pub fn switch_on(&self, id: u64, fault: DiskFault) {
        let switches = self.switches_of(&id.to_string());
        fs::create_dir_all(&switches).unwrap();
        fs::write(switches.join(fault.file_name()), "").unwrap();
    }

    /// And from now on it does not.
    pub fn switch_off(&self, id: u64, fault: DiskFault) {
        fs::remove_file(self.switches_of(&id.to_string()).join(fault.file_name())).unwrap();
    }

    fn switches_of(&self, id: &str) -> PathBuf {
        self.switches.join(format!("switches-{id}"))
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// What dd writes, and whether it could; `conv=fdatasync` syncs at the end.
    fn dd(disk: &BrokenDisk, id: u64, to: &Path) -> Result<(), String> {
        let environment = disk.environment().into_iter();
        let output = Command::new("dd")
            .args(["if=/dev/zero", "bs=16", "count=1", "conv=fdatasync"])
            .arg(format!("of={}", to.display()))
            .env("LC_ALL", "C")
            .envs(environment.map(|(name, value)| (name, value.replace("{id}", &id.to_string()))))
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() {
            Ok(())
        } else {
            Err(text)
        }
    }

    #[test]
    fn a_fault_is_one_members_and_below_its_directory_and_until_it_is_off() {
        let dir = tempfile::tempdir().unwrap();
        let below = dir.path().join("below");
        fs::create_dir(&below).unwrap();
        let disk = BrokenDisk::compile(dir.path(), &below);
        for (fault, word) in [
            (DiskFault::Full, "No space left"),
            (DiskFault::WriteEio, "Input/output error"),
            (DiskFault::SyncEio, "Input/output error"),
        ] {
            assert_eq!(dd(&disk, 1, &below.join("file")), Ok(()));
            disk.switch_on(1, fault);
            let failed = dd(&disk, 1, &below.join("file")).unwrap_err();
            assert!(failed.contains(word), "{fault:?}: {failed}");
            assert_eq!(dd(&disk, 2, &below.join("file")), Ok(()), "{fault:?}");
            assert_eq!(dd(&disk, 1, &dir.path().join("other")), Ok(()), "{fault:?}");
            disk.switch_off(1, fault);
        }
    }
}
