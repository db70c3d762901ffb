//! The audit journal of a member: from what it applies and refuses to the files below `data-dir`.

use std::fs;

use audit::{Audit, Options};
use raft::Store;

use super::ServeError;
use super::config::Config;

/// Folder in `data-dir`.
const FOLDER: &str = "audit";
/// This host's name; the service's unit hides the kernel's own file of it.
const HOST_NAME: &str = "/etc/hostname";

/// Goes on with the journal. To be stopped after Raft: the last checkpoint waits for it.
///
/// # Errors
/// A folder that cannot be written.
pub(super) fn start(config: &Config, store: &Store) -> Result<Audit, ServeError> {
    let options = Options {
        folder: config.data_dir.join(FOLDER),
        member_id: config.member.id,
        host: fs::read_to_string(HOST_NAME)
            .unwrap_or_default()
            .trim()
            .to_owned(),
        keep_days: config.audit.keep_days,
        size_mib_max: config.audit.size_mib_max,
        syslog: config.audit.syslog.clone(),
        json_lines: config.audit.json_lines.clone(),
    };
    let not_recorded = || ServeError::setup("the audit journal")("this store records nothing for one");
    let ledger = store.ledger().ok_or_else(not_recorded)?;
    let clock = store.clone();
    Audit::start(&options, ledger, move || clock.cluster_time_ms())
        .map_err(ServeError::setup("the audit journal in `data-dir`"))
}
