//! `[tftp]`: the TFTP server.

use serde::Deserialize;

/// `[tftp]` of the configuration. It serves `dhcp.loaders-dir`, read-only, on networks with the role
/// `tftp`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct TftpConfig {
    /// UDP port; firmware knows only 69.
    pub port: u16,
}

impl Default for TftpConfig {
    fn default() -> Self {
        Self { port: 69 }
    }
}
