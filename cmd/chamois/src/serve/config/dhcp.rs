//! `[dhcp]`: the DHCP server.

use std::path::PathBuf;

use serde::Deserialize;

/// `[dhcp]` of the configuration. Where it answers is said by the role `dhcp` of the networks, what it
/// hands out by the replicated subnets (`chamois subnet put`).
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct DhcpConfig {
    /// UDP port; 67 unless the nodes come through relays that know another one.
    pub port: u16,
    /// Directory of the boot loaders: `undionly.kpxe` (BIOS), `snponly.efi` (UEFI x64), `snponly-i386.efi` (UEFI of 32
    /// bits), `snponly-arm64.efi`, `snponly-arm32.efi`, `snponly-riscv64.efi` and `snponly-loong64.efi`. They are read once at
    /// start, and are what TFTP serves and, for UEFI HTTP boot, the node port below `/loaders/`. Of the first two a missing one
    /// is a warning at start; nodes whose loader is missing get their address and no boot file.
    pub loaders_dir: PathBuf,
    /// Longest lease, in seconds, that a node gets from a member that hears no leader; 60 at least. Nodes keep booting then, but
    /// what SMD says of their addresses may have changed elsewhere.
    pub isolated_lease_s: u32,
    /// Packets of one client (its MAC; over IPv6, where nothing tells that, its DUID or address) that are looked at, a second, and …
    pub client_packets_per_s_max: u32,
    /// … at once after it has been quiet; 10 at least: firmware, loader and system ask in one boot. With
    /// `client-packets-per-s-max = 0` there is no limit.
    pub client_packets_burst_max: u32,
    /// Clients that SMD does not know and that have not asked lately: so many are looked at a second. 0: no limit.
    pub unknown_clients_per_s_max: u32,
    /// How long a new address of a pool is asked for on the network (ARP, or ping beyond a relay) before it is offered,
    /// milliseconds; 500 at most, 0: it is not.
    pub probe_ms: u64,
}

impl Default for DhcpConfig {
    fn default() -> Self {
        Self {
            port: 67,
            loaders_dir: PathBuf::from("/usr/lib/ipxe"),
            isolated_lease_s: 300,
            client_packets_per_s_max: 5,
            client_packets_burst_max: 20,
            unknown_clients_per_s_max: 4000,
            probe_ms: 300,
        }
    }
}
