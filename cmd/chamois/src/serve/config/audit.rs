//! `[audit]`: this member's journal of who did what, and of what was refused.

use ::audit::{JsonLinesTarget, SyslogTarget};
use serde::Deserialize;

use super::value;

/// `[audit]` of the configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct AuditConfig {
    /// Days after which lines are removed, a file at a time; 1 to 36500.
    pub keep_days: u32,
    /// MiB that the journal may take in `data-dir`, 16 to 1048576, and the log of denials as much as a quarter of it; the oldest files
    /// go first.
    pub size_mib_max: u64,
    /// Where each line is sent as a syslog message (RFC 5424), e.g. `unix:/dev/log`, `udp:10.0.0.5:514`, `tcp:10.0.0.5:601`; empty:
    /// nowhere.
    #[serde(deserialize_with = "value::syslog_target")]
    pub syslog: Option<SyslogTarget>,
    /// File at whose end each line is written as JSON; `-` is standard output; empty: none.
    #[serde(deserialize_with = "value::json_lines_target")]
    pub json_lines: Option<JsonLinesTarget>,
}

impl Default for AuditConfig {
    fn default() -> Self {
        Self {
            keep_days: 365,
            size_mib_max: 1024,
            syslog: None,
            json_lines: None,
        }
    }
}
