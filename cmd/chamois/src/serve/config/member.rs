//! `[member]`: which member this is.

use serde::Deserialize;

/// `[member]` of the configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct MemberConfig {
    /// This member's id in the Raft group, from 1; one of the `[[member]]` ids of `cluster.toml`. An
    /// id is never used again for a member that lost its disk.
    pub id: u64,
}
