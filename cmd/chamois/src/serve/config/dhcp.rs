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
    /// Directory of `undionly.kpxe` and `snponly.efi`, also the root of the TFTP server. A missing
    /// loader is a warning at start: nodes that need it get no boot file.
    pub loaders_dir: PathBuf,
}

impl Default for DhcpConfig {
    fn default() -> Self {
        Self {
            port: 67,
            loaders_dir: PathBuf::from("/usr/lib/ipxe"),
        }
    }
}
