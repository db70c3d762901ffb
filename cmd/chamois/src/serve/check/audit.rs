//! Bounds of the audit journal, and where its lines are to go.

use std::path::Path;

use ::audit::{JsonLinesTarget, KEEP_DAYS_MAX, SIZE_MIB_MAX, SIZE_MIB_MIN};

use super::Problems;
use crate::serve::config::Config;

pub(super) fn check(config: &Config, problems: &mut Problems) {
    let audit = &config.audit;
    if !(1..=KEEP_DAYS_MAX).contains(&audit.keep_days) {
        let problem = format!(
            "{} is not accepted; name 1 to {KEEP_DAYS_MAX} days",
            audit.keep_days
        );
        problems.add("audit.keep-days", problem);
    }
    if !(SIZE_MIB_MIN..=SIZE_MIB_MAX).contains(&audit.size_mib_max) {
        let problem = format!(
            "{} is not accepted; name {SIZE_MIB_MIN} to {SIZE_MIB_MAX} MiB",
            audit.size_mib_max
        );
        problems.add("audit.size-mib-max", problem);
    }
    if let Some(JsonLinesTarget::File(path)) = &audit.json_lines
        && !(path.is_absolute() && path.parent().is_some_and(Path::is_dir))
    {
        let problem = format!(
            "{} is not a file in a directory that exists; name it from the root on, e.g. /var/log/chamois/audit.jsonl, or - for \
             standard output",
            path.display()
        );
        problems.add("audit.json-lines", problem);
    }
}
