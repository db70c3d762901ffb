//! `[boot]`: the plain HTTP port for compute nodes, their files, and when one of them is stuck.

use std::path::PathBuf;

use bss::PhaseDeadlines;
use model::IpNet;
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
    /// Seconds from the offer of an address to its acknowledgement, after which a node counts as stuck
    /// (`chamois boot status`). All deadlines are 1 to 86400, the same on all members.
    pub dhcp_deadline_s: u32,
    /// Seconds from there to the boot script.
    pub loader_deadline_s: u32,
    /// Seconds from the script to the kernel, and from there to the initrd.
    pub kernel_deadline_s: u32,
    /// Seconds from the initrd to cloud-init's first document.
    pub system_deadline_s: u32,
    /// Seconds from cloud-init's first documents to its user-data.
    pub cloud_init_deadline_s: u32,
    /// Seconds from there to the phone-home.
    pub phone_home_deadline_s: u32,
    /// `true`: answer nodes before this member has heard from a leader since it started. For a black
    /// start without a majority only: the data may be old, and the log says so.
    pub serve_unverified: bool,
    /// Requests a second that one address may go on with for ever; what is more is answered with 503 and `Retry-After`, and
    /// counted (`chamois_gateway_events_total`, `requests_refused`). 0: no limit. A node that reads a disk over HTTP
    /// piece by piece (iPXE's `sanboot`) may want more than the default.
    pub requests_per_s_max: u32,
    /// Requests that one address may ask at once after it has been quiet. A boot has some 30; at least 50.
    pub requests_burst_max: u32,
    /// Networks (CIDR, IPv4 and IPv6) whose addresses each stand for many nodes, e.g. behind NAT: neither the limit of requests
    /// nor that of 64 connections of the nodes' port holds there. Default: none, not even loopback: what asks from there as a node is
    /// no node, and only tests and benchmarks mean it.
    #[serde(deserialize_with = "value::ip_networks")]
    pub shared_addresses: Vec<IpNet>,
    /// Networks (CIDR, IPv4 and IPv6) of proxies of the node port: the last address of their `X-Forwarded-For` that is no proxy's is the node that
    /// asks, and is given what is secret of that node. A proxy must add the address of its client itself. Connections of
    /// proxies are not counted by address, and the limit of requests holds for the node that they name. Default: none; from
    /// everybody else, no header counts.
    #[serde(deserialize_with = "value::ip_networks")]
    pub trusted_proxies: Vec<IpNet>,
}

impl BootConfig {
    /// Of all phases.
    pub fn deadlines(&self) -> PhaseDeadlines {
        PhaseDeadlines {
            dhcp_s: self.dhcp_deadline_s,
            loader_s: self.loader_deadline_s,
            kernel_s: self.kernel_deadline_s,
            system_s: self.system_deadline_s,
            cloud_init_s: self.cloud_init_deadline_s,
            phone_home_s: self.phone_home_deadline_s,
        }
    }
}

impl Default for BootConfig {
    fn default() -> Self {
        let deadlines = PhaseDeadlines::default();
        Self {
            http_port: 8081,
            files_dir: PathBuf::from("/var/lib/chamois/files"),
            files_bytes_max: 0,
            dhcp_deadline_s: deadlines.dhcp_s,
            loader_deadline_s: deadlines.loader_s,
            kernel_deadline_s: deadlines.kernel_s,
            system_deadline_s: deadlines.system_s,
            cloud_init_deadline_s: deadlines.cloud_init_s,
            phone_home_deadline_s: deadlines.phone_home_s,
            serve_unverified: false,
            requests_per_s_max: 100,
            requests_burst_max: 1000,
            shared_addresses: Vec::new(),
            trusted_proxies: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_of_either_version_may_be_listed() {
        let lists =
            "shared-addresses = [\"10.0.0.0/8\", \"fd00:97::/64\"]\ntrusted-proxies = [\"fd00::1/128\"]\n";
        let boot: BootConfig = toml::from_str(lists).unwrap();
        let shown: Vec<String> = boot.shared_addresses.iter().map(IpNet::to_string).collect();
        assert_eq!(shown, ["10.0.0.0/8", "fd00:97::/64"]);
        assert!(boot.trusted_proxies[0].contains("fd00::1".parse().unwrap()));
        let wrong = toml::from_str::<BootConfig>("trusted-proxies = [\"fd00::1/64\"]\n").unwrap_err();
        assert!(wrong.to_string().contains("fd00::/64"), "{wrong}");
    }
}
