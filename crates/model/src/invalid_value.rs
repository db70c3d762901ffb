//! The error of every `FromStr` in this crate: what was given and what is accepted.

/// Longest part of the given text that an error repeats, in characters.
const GIVEN_CHARS_MAX: usize = 64;

/// A text that is not what its type expects. The message repeats the text (escaped and shortened, so that it
/// may go to a log or a terminal) and says what is accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not {expected}: {accepted}")]
pub struct InvalidValue {
    expected: &'static str,
    given: String,
    accepted: String,
}

impl InvalidValue {
    /// `expected` names the type with its article ("an xname"), `accepted` says what to write instead.
    pub fn new(expected: &'static str, given: &str, accepted: impl Into<String>) -> Self {
        let mut shown: String = given
            .chars()
            .take(GIVEN_CHARS_MAX)
            .flat_map(char::escape_debug)
            .collect();
        if given.chars().nth(GIVEN_CHARS_MAX).is_some() {
            shown.push('…');
        }
        Self {
            expected,
            given: shown,
            accepted: accepted.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_names_what_was_given_and_what_is_accepted() {
        let error = InvalidValue::new("a MAC address", "02:zz", "write six pairs of hex digits");
        assert_eq!(
            error.to_string(),
            "`02:zz` is not a MAC address: write six pairs of hex digits"
        );
    }

    /// A stranger's text must not forge log lines or fill them.
    #[test]
    fn given_text_is_escaped_and_shortened() {
        let hostile = format!("a\nb\u{1b}[2J{}", "x".repeat(10_000));
        let text = InvalidValue::new("an xname", &hostile, "no").to_string();
        assert!(text.starts_with("`a\\nb\\u{1b}[2J"), "{text}");
        assert!(text.contains('…') && text.len() < 200, "{text}");
    }
}
