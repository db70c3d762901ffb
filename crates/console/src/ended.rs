//! Why a console ended, for a person: what OpenSSH's client said, and what to do about it.

use std::path::Path;
use std::process::ExitStatus;

/// What ssh ends with when it could not connect, or lost the connection (ssh(1), "EXIT STATUS").
const SSH_FAILED: i32 = 255;

/// What is told when the client ended with `status` after it said `said`. `known_hosts` is where host keys are kept.
pub(crate) fn why(said: &[u8], status: Option<ExitStatus>, known_hosts: &Path) -> String {
    let said = String::from_utf8_lossy(said);
    if said.contains("HOST IDENTIFICATION HAS CHANGED") || said.contains("Host key verification failed") {
        return format!(
            "the BMC shows another SSH host key than the first time, and nothing was sent to it: if it was replaced, remove its line \
             from {} on this member; else somebody is in between",
            known_hosts.display()
        );
    }
    let last = said.lines().map(str::trim).rfind(|line| !line.is_empty());
    let last: String = last
        .unwrap_or_default()
        .chars()
        .filter(|c| !c.is_control())
        .collect();
    if last.contains("Permission denied") {
        return "the BMC refuses user and password for SSH: set the right ones with `chamois bmc credential put`, or give the \
                account the right to log in there"
            .to_owned();
    }
    match (status.and_then(|status| status.code()), last.as_str()) {
        (Some(SSH_FAILED) | None, "") => {
            "the connection to the BMC's SSH server ended without a reason; connect again, and see whether SSH is on there"
                .to_owned()
        }
        (Some(SSH_FAILED) | None, last) => format!(
            "the BMC's SSH server could not be used (is SSH on there, and its port within reach of this member?): {last}"
        ),
        (Some(_), "") => "the BMC has ended the console".to_owned(),
        (Some(_), last) => format!("the BMC has ended the console: {last}"),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    fn told(said: &str, code: i32) -> String {
        let status = ExitStatus::from_raw(code << 8);
        why(said.as_bytes(), Some(status), Path::new("/d/bmc-known-hosts"))
    }

    /// Texts of OpenSSH 9.2.
    #[test]
    fn a_reason_says_what_to_do() {
        let changed = "@@@@\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\nHost key verification failed.\r\n";
        let changed = told(changed, 255);
        assert!(
            changed.contains("/d/bmc-known-hosts") && changed.contains("another SSH host key"),
            "{changed}"
        );
        let refused = told("root@10.1.0.7: Permission denied (publickey,password).\r\n", 255);
        assert!(refused.contains("chamois bmc credential put"), "{refused}");
        let unreachable = told(
            "ssh: connect to host 10.1.0.7 port 22: Connection refused\r\n",
            255,
        );
        assert!(
            unreachable.ends_with("port 22: Connection refused"),
            "{unreachable}"
        );
    }

    #[test]
    fn an_end_without_words_is_told_as_one() {
        assert_eq!(told("", 0), "the BMC has ended the console");
        assert!(told("", 255).contains("without a reason"));
        assert!(why(b"", None, Path::new("/k")).contains("without a reason"));
        assert_eq!(told("bye\n", 1), "the BMC has ended the console: bye");
    }

    /// What a BMC's banner says may hold anything.
    #[test]
    fn control_characters_do_not_reach_a_terminal() {
        assert_eq!(told("\x1b[2Jgone\n", 1), "the BMC has ended the console: [2Jgone");
        assert!(told("\u{fffd}\n", 1).ends_with('\u{fffd}'));
    }
}
