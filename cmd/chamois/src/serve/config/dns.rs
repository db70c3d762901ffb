//! `[dns]`: the DNS server.

use serde::Deserialize;

/// `[dns]` of the configuration. Where it answers is said by the role `dns` of the networks, for which names by the domains
/// of the replicated subnets (`chamois subnet put --domain`).
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct DnsConfig {
    /// UDP and TCP port; resolvers know only 53, unless they are told another one.
    pub port: u16,
}

impl Default for DnsConfig {
    fn default() -> Self {
        Self { port: 53 }
    }
}
