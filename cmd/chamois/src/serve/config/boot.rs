//! `[boot]`: the plain HTTP port for compute nodes.

use std::path::PathBuf;

use serde::Deserialize;

/// `[boot]` of the configuration. Where the port is open is said by the role `boot` of the networks.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct BootConfig {
    /// TCP port for boot scripts, cloud-init data and boot files.
    pub http_port: u16,
    /// Directory of the boot files (kernels, initial RAM disks), served under `/files/`: what was put into the
    /// cluster, and what lies there by hand. Must exist and be writable; readable by everyone on the boot network.
    pub files_dir: PathBuf,
    /// Bytes that the boot files of the cluster may take in `files-dir`; 0: as many as leave 1 GiB of its disk free. An
    /// upload that does not fit is refused before it begins, and so it should be the same on every member. Files that lie
    /// there by hand do not count.
    pub files_bytes_max: u64,
    /// `true`: answer nodes before this member has heard from a leader since it started. For a black
    /// start without a majority only: the data may be old, and the log says so.
    pub serve_unverified: bool,
}

impl Default for BootConfig {
    fn default() -> Self {
        Self {
            http_port: 8081,
            files_dir: PathBuf::from("/var/lib/chamois/files"),
            files_bytes_max: 0,
            serve_unverified: false,
        }
    }
}
