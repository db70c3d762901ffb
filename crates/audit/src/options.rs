//! What a member's configuration says of its journals.

use std::path::PathBuf;

use crate::export::{JsonLinesTarget, SyslogTarget};

/// Days that lines may be kept.
pub const KEEP_DAYS_MAX: u32 = 36_500;
/// Less would keep a busy cluster's journal for minutes.
pub const SIZE_MIB_MIN: u64 = 16;
/// The largest journal.
pub const SIZE_MIB_MAX: u64 = 1 << 20;

/// What the journals are made of.
#[derive(Clone, Debug)]
pub struct Options {
    /// Folder of both journals; made if absent.
    pub folder: PathBuf,
    /// This member.
    pub member_id: u64,
    /// This host's name, for syslog; may be empty.
    pub host: String,
    /// Lines older than so many days are removed, a file at a time.
    pub keep_days: u32,
    /// MiB that the journal of the log may take, and the log of denials as much as a quarter of it; the oldest files go first.
    pub size_mib_max: u64,
    /// Where each line is sent as a syslog message.
    pub syslog: Option<SyslogTarget>,
    /// Where each line is written as JSON.
    pub json_lines: Option<JsonLinesTarget>,
}
