//! What a group, a tag or an exclusive group may be called.

use std::fmt;
use std::str::FromStr;

use crate::InvalidValue;

/// Longest label accepted, in bytes. Source: SMD's column `component_groups.name varchar(255)`.
pub const GROUP_LABEL_LENGTH_MAX: usize = 255;

/// The label of a group, always lower case: letters, digits, `-`, `:`, `.` and `_`. SMD's tags and exclusive groups
/// are made of the same characters.
///
/// Source: SMD `sm.NormalizeGroupField` and `VerifyGroupField`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupLabel(String);

impl GroupLabel {
    /// The normalised text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for GroupLabel {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let lower = text.to_lowercase();
        let accepted = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-:._".contains(c);
        if lower.is_empty() || lower.len() > GROUP_LABEL_LENGTH_MAX || !lower.chars().all(accepted) {
            let accepted =
                format!("write 1 to {GROUP_LABEL_LENGTH_MAX} letters, digits and -:._ without blanks");
            return Err(InvalidValue::new("a group label or tag", text, accepted));
        }
        Ok(Self(lower))
    }
}

impl fmt::Display for GroupLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<GroupLabel> for String {
    fn from(label: GroupLabel) -> String {
        label.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<String, String> {
        let parsed: Result<GroupLabel, _> = text.parse();
        parsed.map(String::from).map_err(|error| error.to_string())
    }

    #[test]
    fn labels_are_lower_case_and_keep_smds_characters() {
        assert_eq!(parse("ABC").as_deref(), Ok("abc"));
        assert_eq!(parse("az09-:._").as_deref(), Ok("az09-:._"));
        let longest = "a".repeat(GROUP_LABEL_LENGTH_MAX);
        assert_eq!(parse(&longest).as_deref(), Ok(longest.as_str()));
    }

    #[test]
    fn other_characters_are_refused_with_what_is_accepted() {
        let long = "a".repeat(GROUP_LABEL_LENGTH_MAX + 1);
        for wrong in [
            "", " ", "a b", "a/b", "foobar!", "ä", "a,b", "a\"b", "a\n", "!a", &long,
        ] {
            let error = parse(wrong).unwrap_err();
            assert!(error.contains("letters, digits and -:._"), "{wrong:?}: {error}");
        }
    }

    /// `İ` becomes two characters, one of them a combining dot, in lower case.
    #[test]
    fn what_lower_case_makes_is_checked_too() {
        assert!(parse("İ").is_err());
        assert_eq!(
            parse("\u{212a}8s").as_deref(),
            Ok("k8s"),
            "the Kelvin sign is a k, as in Go"
        );
    }
}
