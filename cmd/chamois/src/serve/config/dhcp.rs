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
    /// bits) and `snponly-arm64.efi` (UEFI ARM64). They are read once at start, and are what TFTP serves and, for UEFI
    /// HTTP boot, the node port below `/loaders/`. Of the first two a missing one is a warning at start; nodes whose
    /// loader is missing get their address and no boot file.
    pub loaders_dir: PathBuf,
    /// Longest lease, in seconds, that a node gets from a member that hears no leader; 60 at least. Nodes keep booting then, but
    /// what SMD says of their addresses may have changed elsewhere.
    pub isolated_lease_s: u32,
}

impl Default for DhcpConfig {
    fn default() -> Self {
        Self {
            port: 67,
            loaders_dir: PathBuf::from("/usr/lib/ipxe"),
            isolated_lease_s: 300,
        }
    }
}
