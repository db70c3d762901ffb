//! One object for people: a line for each thing that is known of it.

use proto::http::v1::Change;

use crate::utc;

/// Name and value of each; empty ones are left out.
pub(crate) fn facts(all: &[(&str, String)]) -> String {
    let lines = all.iter().filter(|(_, value)| !value.is_empty());
    let lines: Vec<String> = lines.map(|(name, value)| format!("{name:<16} {value}")).collect();
    lines.join("\n")
}

/// When, by whom and at which revision; empty if it is not known.
pub(crate) fn change(change: Option<&Change>) -> String {
    change.map_or_else(String::new, |change| {
        let Change {
            revision,
            at_ms,
            principal,
        } = change;
        format!("{} by {principal} (revision {revision})", utc::timestamp(*at_ms))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_aligned_and_empty_ones_left_out() {
        let text = facts(&[
            ("id", "a".into()),
            ("role", String::new()),
            ("software status", "b".into()),
        ]);
        assert_eq!(text, "id               a\nsoftware status  b");
    }

    #[test]
    fn a_change_says_when_by_whom_and_at_which_revision() {
        let made = Change {
            revision: 7,
            at_ms: 1_764_054_000_000,
            principal: "user/admin".into(),
        };
        assert_eq!(
            change(Some(&made)),
            "2025-11-25T07:00:00Z by user/admin (revision 7)"
        );
        assert_eq!(change(None), "");
    }
}
