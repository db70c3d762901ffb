//! `[log]`: the form of this member's log.

use serde::Deserialize;

/// `[log]` of the configuration.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct LogConfig {
    /// Form of the log on standard error; `--log-format` and `CHAMOIS_LOG_FORMAT` go before it.
    pub format: LogFormat,
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line, with keys that do not change.
    Json,
}
