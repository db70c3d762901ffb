//! Tests that need root: they run when they are asked for, and say loudly when they do not.

use std::io::Write as _;

/// Asks for the privileged tests.
pub const SWITCH: &str = "CHAMOIS_E2E";

/// Whether the privileged test `name` is to run. Without the switch it prints that it did not; with
/// it a missing tool or privilege is the test's failure.
pub fn is_wanted(name: &str) -> bool {
    let wanted = std::env::var_os(SWITCH).is_some_and(|value| value == "1");
    if !wanted {
        // past the test runner, which keeps the output of a passing test to itself
        let text = format!("\n*** NOT RUN: {name} needs root; set {SWITCH}=1 to run it ***\n\n");
        let _ = std::io::stderr().write_all(text.as_bytes());
    }
    wanted
}

/// A number from the environment, for the long tier, or `default`.
pub fn count_from(variable: &str, default: u32) -> u32 {
    let given = std::env::var(variable).ok();
    given.map_or(default, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} must be a number, not {text:?}"))
    })
}
