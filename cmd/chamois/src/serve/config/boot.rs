//! `[boot]`: the plain HTTP port for compute nodes.

use std::path::PathBuf;

use model::Ipv4Net;
use serde::Deserialize;

use super::value;

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
    /// Requests a second that one address may go on with for ever; what is more is answered with 503 and `Retry-After`, and
    /// counted (`chamois_gateway_events_total`, `requests_refused`). 0: no limit. A node that reads a disk over HTTP
    /// piece by piece (iPXE's `sanboot`) may want more than the default.
    pub requests_per_s_max: u32,
    /// Requests that one address may ask at once after it has been quiet. A boot has some 30; at least 50.
    pub requests_burst_max: u32,
    /// Networks (CIDR) whose addresses each stand for many nodes, e.g. behind NAT or a proxy: neither the limit of requests
    /// nor that of 64 connections holds there. Default: none, not even loopback: what asks from there as a node is
    /// no node, and only tests and benchmarks mean it.
    #[serde(deserialize_with = "value::networks")]
    pub shared_addresses: Vec<Ipv4Net>,
}

impl Default for BootConfig {
    fn default() -> Self {
        Self {
            http_port: 8081,
            files_dir: PathBuf::from("/var/lib/chamois/files"),
            files_bytes_max: 0,
            serve_unverified: false,
            requests_per_s_max: 100,
            requests_burst_max: 1000,
            shared_addresses: Vec::new(),
        }
    }
}
