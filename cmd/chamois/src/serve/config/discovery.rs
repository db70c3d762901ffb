//! `[discovery]`: work on BMCs.

use std::path::PathBuf;

use serde::Deserialize;

/// `[discovery]` of the configuration. Which BMCs this member works on is said by the role `discovery` of the networks and their
/// `bmc-subnets`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct DiscoveryConfig {
    /// Requests at once to all BMCs together; 1 to 4096. One BMC gets 5, or what a crawl asks for, 16 at most.
    pub requests_max: u32,
    /// Seconds between two looks at power and health of a BMC that sends no events; 5 to 3600.
    pub poll_s: u32,
    /// Whether a BMC that asks for an address by DHCP is crawled by itself, if rules or SMD say what it is.
    pub adopt_leases: bool,
    /// OpenSSH's client, for consoles: a name in `PATH`, or a path from the root on.
    pub ssh_program: PathBuf,
}

impl Default for DiscoveryConfig {
    fn default() -> Self {
        Self {
            requests_max: 512,
            poll_s: 30,
            adopt_leases: true,
            ssh_program: PathBuf::from("ssh"),
        }
    }
}
