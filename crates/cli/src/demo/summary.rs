//! What the demo found out: a table for people, one line of JSON for programs.

use serde::Serialize;

use crate::output;

/// The result. Names and order of the keys are a contract with tools outside the repository.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Summary {
    /// Nodes that phoned home.
    pub(crate) booted: usize,
    /// Nodes that did not.
    pub(crate) failed: usize,
    /// From the first node's power-on to the last one's end.
    pub(crate) seconds: f64,
    /// Per node, the sum from a first failed request to the next answer; the longest of them.
    pub(crate) extra_boot_seconds_max: f64,
    /// Median time of a boot script request that was answered.
    pub(crate) script_p50_ms: f64,
    /// 99th percentile of the same.
    pub(crate) script_p99_ms: f64,
    /// The worst time from a kill to the acknowledgement of a write that began after it.
    pub(crate) leaderless_ms: u64,
    /// Writes that were acknowledged while nodes booted and members died.
    pub(crate) acked_writes: usize,
    /// Of these, the ones that some member did not have at the end.
    pub(crate) lost_writes: usize,
    /// Members that were frozen; only with `--freeze`.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) frozen: usize,
    /// The worst time from a freeze to the acknowledgement of a write that began after it; only with `--freeze`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) frozen_leaderless_ms: Option<u64>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl Summary {
    /// Whether the demo may say that it worked.
    pub(crate) fn is_success(&self) -> bool {
        self.failed == 0 && self.lost_writes == 0
    }

    /// The contract's one line.
    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("numbers always serialize")
    }

    /// For people.
    pub(crate) fn to_table(&self, open_writes: usize) -> String {
        let mut table = output::table(["RESULT", if self.is_success() { "PASS" } else { "FAIL" }]);
        for (name, value) in [
            ("nodes booted", self.booted.to_string()),
            ("nodes failed", self.failed.to_string()),
            ("seconds", format!("{:.1}", self.seconds)),
            (
                "most extra seconds any node needed",
                format!("{:.2}", self.extra_boot_seconds_max),
            ),
            ("boot script, median", format!("{:.1} ms", self.script_p50_ms)),
            (
                "boot script, 99th percentile",
                format!("{:.1} ms", self.script_p99_ms),
            ),
            (
                "worst kill to first acknowledged write",
                format!("{} ms", self.leaderless_ms),
            ),
            ("writes acknowledged", self.acked_writes.to_string()),
            ("writes with an open outcome", open_writes.to_string()),
            ("writes lost", self.lost_writes.to_string()),
        ] {
            table.add_row([name.to_owned(), value]);
        }
        if self.frozen > 0 {
            table.add_row(["members frozen".to_owned(), self.frozen.to_string()]);
        }
        if let Some(worst) = self.frozen_leaderless_ms {
            table.add_row([
                "worst freeze to first acknowledged write".to_owned(),
                format!("{worst} ms"),
            ]);
        }
        table.to_string()
    }
}

/// Rounds for output; more digits than the clock deserves only blur.
pub(crate) fn rounded(value: f64, digits: i32) -> f64 {
    let scale = 10_f64.powi(digits);
    (value * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary() -> Summary {
        Summary {
            booted: 1000,
            seconds: 21.5,
            acked_writes: 1234,
            ..Summary::default()
        }
    }

    /// Tools outside the repository read exactly this line.
    #[test]
    fn the_json_line_has_the_contracts_keys_in_its_order() {
        assert_eq!(
            summary().to_json(),
            "{\"booted\":1000,\"failed\":0,\"seconds\":21.5,\"extra_boot_seconds_max\":0.0,\"script_p50_ms\":0.0,\
             \"script_p99_ms\":0.0,\"leaderless_ms\":0,\"acked_writes\":1234,\"lost_writes\":0}"
        );
    }

    /// Added keys come last, and only where they mean something.
    #[test]
    fn frozen_members_are_counted_where_there_are_any() {
        let frozen = Summary {
            frozen: 2,
            ..summary()
        };
        assert!(frozen.to_json().ends_with("\"lost_writes\":0,\"frozen\":2}"));
        assert!(frozen.to_table(0).contains("members frozen"));
        assert!(!summary().to_table(0).contains("frozen"));
    }

    #[test]
    fn a_failed_node_or_a_lost_write_is_a_failure() {
        assert!(summary().is_success());
        assert!(
            !Summary {
                failed: 1,
                ..summary()
            }
            .is_success()
        );
        assert!(
            !Summary {
                lost_writes: 1,
                ..summary()
            }
            .is_success()
        );
    }

    #[test]
    fn the_table_says_pass_or_fail() {
        assert!(summary().to_table(3).contains("PASS"));
        assert!(
            Summary {
                failed: 1,
                ..summary()
            }
            .to_table(0)
            .contains("FAIL")
        );
    }

    #[test]
    fn rounding_keeps_the_asked_digits() {
        assert_eq!(rounded(1.23456, 2).to_string(), "1.23");
    }
}
