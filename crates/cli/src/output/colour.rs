//! Colours of words that say how something is; only on a terminal that wants them (https://no-color.org).

/// What ends a colour.
pub(super) const END: &str = "\u{1b}[0m";

const GREEN: &str = "\u{1b}[32m";
const YELLOW: &str = "\u{1b}[33m";
const RED: &str = "\u{1b}[31m";

/// Columns whose words are coloured.
const COLUMNS: &[&str] = &[
    "STATE", "FLAG", "POWER", "HEALTH", "STAGE", "PHASE", "RESULT", "ENABLED",
];

/// The colour of a cell in a column of this title, if it has one. Words that are not known have none.
pub(super) fn of(title: &str, cell: &str) -> Option<&'static str> {
    if !COLUMNS.contains(&title) {
        return None;
    }
    match cell.to_lowercase().as_str() {
        "ready" | "on" | "ok" | "up" | "leads" | "done" | "succeeded" | "booted" | "bound" | "passed" => {
            Some(GREEN)
        }
        "warn" | "warning" | "standby" | "halt" | "running" | "waiting" | "unknown" | "not seen"
        | "false" => Some(YELLOW),
        "alert" | "down" | "failed" | "error" | "undefined" | "lost" | "refused" => Some(RED),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_state_have_colours_and_names_have_none() {
        assert_eq!(of("STATE", "Ready"), Some(GREEN));
        assert_eq!(of("FLAG", "Alert"), Some(RED));
        assert_eq!(of("POWER", "unknown"), Some(YELLOW));
        assert_eq!(of("STATE", "Populated"), None);
        assert_eq!(of("ID", "ready"), None, "a group may be named so");
    }
}
