//! Whether the clocks of the members and of this host agree, and whether this host's is kept by somebody.

use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use super::around::{Around, Clock};
use super::finding::Finding;

/// What tokens and certificates of a minute tolerate.
const DIFFERENCE_MAX_MS: u64 = 2_000;
/// What they surely do not.
const DIFFERENCE_BROKEN_MS: u64 = 60_000;
const ASKED_FOR: Duration = Duration::from_secs(3);

pub(super) async fn check(around: &Around) -> Vec<Finding> {
    let mut found = vec![kept(synchronized().await)];
    found.extend(around.members.iter().filter_map(|member| {
        let clock = member.clock?;
        Some(judge(&member.endpoint, clock))
    }));
    found
}

/// Whether the kernel's clock is disciplined, as systemd says it of any NTP program; `None`: it cannot be told.
async fn synchronized() -> Option<bool> {
    let mut asking = Command::new("timedatectl");
    asking.args(["show", "--property=NTPSynchronized", "--value"]);
    asking
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(ASKED_FOR, asking.output())
        .await
        .ok()?
        .ok()?;
    read(&String::from_utf8_lossy(&output.stdout))
}

fn read(said: &str) -> Option<bool> {
    match said.trim() {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

fn kept(synchronized: Option<bool>) -> Finding {
    let about = "this host's clock";
    match synchronized {
        Some(true) => Finding::ok(about, "is synchronized"),
        Some(false) => Finding::warning(
            about,
            "is not synchronized by NTP",
            "Run chrony or systemd-timesyncd on every member's host, from the same servers (`chamois configure render chrony`).",
        ),
        None => Finding::note(
            about,
            "cannot be told here to be synchronized or not (`timedatectl` says nothing)",
        ),
    }
}

/// How far a clock is off at least: it says whole seconds, and the answer was under way.
fn off_by_ms(clock: Clock) -> i64 {
    let took = i64::try_from(clock.took.as_millis()).unwrap_or(i64::MAX);
    let signed = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
    // its clock was in [says, says + 1000) at some moment in [sent, sent + took]
    let earliest = signed(clock.says_ms) - signed(clock.sent_ms).saturating_add(took);
    let latest = signed(clock.says_ms) + 1000 - signed(clock.sent_ms);
    match (earliest, latest) {
        (earliest, _) if earliest > 0 => earliest,
        (_, latest) if latest < 0 => latest,
        _ => 0,
    }
}

fn judge(endpoint: &str, clock: Clock) -> Finding {
    let off = off_by_ms(clock);
    let direction = if off < 0 { "behind" } else { "ahead of" };
    let what = format!(
        "its clock is {}.{:01} s {direction} this host's",
        off.abs() / 1000,
        off.abs() % 1000 / 100
    );
    let remedy = "Look at NTP on both hosts (`chronyc tracking`, `timedatectl`): tokens and certificates begin and end by these clocks.";
    match off.unsigned_abs() {
        off if off >= DIFFERENCE_BROKEN_MS => Finding::error(endpoint, what, remedy),
        off if off >= DIFFERENCE_MAX_MS => Finding::warning(endpoint, what, remedy),
        _ => Finding::ok(endpoint, "its clock agrees with this host's"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Severity;
    use super::*;

    fn clock(says_ms: u64) -> Clock {
        Clock {
            says_ms,
            sent_ms: 1_000_000,
            took: Duration::from_millis(20),
        }
    }

    #[test]
    fn whole_seconds_and_the_way_are_no_difference() {
        for says in [999_000, 999_500, 1_000_000, 1_000_020] {
            assert_eq!(off_by_ms(clock(says)), 0, "{says}");
        }
        assert_eq!(off_by_ms(clock(1_003_020)), 3_000);
        assert_eq!(off_by_ms(clock(996_000)), -3_000);
    }

    #[test]
    fn a_clock_that_is_off_is_a_warning_and_one_that_breaks_tokens_an_error() {
        assert_eq!(judge("a", clock(1_000_000)).severity, Severity::Ok);
        let ahead = judge("a", clock(1_005_020));
        assert_eq!(ahead.severity, Severity::Warning);
        assert!(ahead.what.contains("5.0 s ahead"), "{ahead:?}");
        let behind = judge("a", clock(900_000));
        assert_eq!(behind.severity, Severity::Error);
        assert!(behind.what.contains("behind"), "{behind:?}");
    }

    #[test]
    fn a_clock_that_nobody_keeps_is_a_warning() {
        assert_eq!(kept(read("no\n")).severity, Severity::Warning);
        assert_eq!(kept(read("yes\n")).severity, Severity::Ok);
        assert_eq!(kept(read("Failed to connect to bus")).severity, Severity::Note);
    }
}
