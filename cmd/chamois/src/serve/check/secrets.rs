//! Where the keys of sealed secrets come from can be one place only, and must be named so that it is found.

use std::path::Path;

use super::Problems;
use crate::serve::config::Config;

/// Seconds that the command may run: other members wait for its keys during a rotation.
const TIMEOUT_S: std::ops::RangeInclusive<u64> = 1..=15;

pub(super) fn check(config: &Config, problems: &mut Problems) {
    let secrets = &config.secrets;
    let name = &secrets.kek_credential;
    if !name.is_empty() && !secrets.kek_command.is_empty() {
        problems.add(
            "secrets.kek-credential",
            "`secrets.kek-command` is given, too; keys come from one place: remove one of both",
        );
    }
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if !name.chars().all(is_name) || name.starts_with('.') {
        problems.add(
            "secrets.kek-credential",
            format_args!("`{name}` is not the name of a credential; write letters, digits, `-`, `_` and inner `.`, e.g. `chamois-kek`"),
        );
    }
    if let Some(program) = secrets.kek_command.first()
        && !Path::new(program).is_absolute()
    {
        problems.add(
            "secrets.kek-command",
            format_args!(
                "`{program}` is not an absolute path; no shell looks for it: write e.g. `/usr/bin/{program}`"
            ),
        );
    }
    if !TIMEOUT_S.contains(&secrets.kek_command_timeout_s) {
        problems.add(
            "secrets.kek-command-timeout-s",
            format_args!(
                "{} is not within {} to {} seconds",
                secrets.kek_command_timeout_s,
                TIMEOUT_S.start(),
                TIMEOUT_S.end()
            ),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::secrets::PEER_ANSWERS_AT_MOST;

    /// A member whose command may run for longer than that would count as away in every rotation.
    #[test]
    fn members_wait_for_as_long_as_a_command_may_run() {
        assert!(TIMEOUT_S.end() + 3 < PEER_ANSWERS_AT_MOST.as_secs());
    }
}
