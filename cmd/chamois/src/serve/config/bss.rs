//! `[bss]`: boot scripts.

use serde::Deserialize;

/// `[bss]` of the configuration.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct BssConfig {
    /// Seconds that a node sleeps before it asks for its script again. 0: 1, 2, 4 … 10 by number of
    /// tries; 30: the text that OpenCHAMI's BSS sends. At most 3600.
    pub retry_delay_s: u32,
}
