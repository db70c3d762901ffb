//! What is wrong with an expression, and where.

use std::fmt;

/// Characters of the text that are shown before and behind the place.
const SHOWN_MAX: usize = 50;

/// Why a text is no expression, or what it means cannot be had. Shows the text with a caret under the place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeExpressionError {
    /// Where it is, as a byte of the text.
    pub at: usize,
    /// What is wrong there.
    pub problem: String,
    /// The text.
    pub text: String,
}

impl NodeExpressionError {
    pub(super) fn new(text: &str, at: usize, problem: String) -> Self {
        Self {
            at,
            problem,
            text: text.to_owned(),
        }
    }
}

impl fmt::Display for NodeExpressionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut at = self.at.min(self.text.len());
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        let (before, behind) = self.text.split_at(at);
        // a caret counts columns, and control characters have none
        let shown = |c: char| if c.is_control() { ' ' } else { c };
        let length = before.chars().count();
        let before: String = before
            .chars()
            .skip(length.saturating_sub(SHOWN_MAX))
            .map(shown)
            .collect();
        let behind: String = behind.chars().take(SHOWN_MAX).map(shown).collect();
        let column = before.chars().count();
        write!(f, "{}\n  {before}{behind}\n  {:column$}^", self.problem, "")
    }
}

impl std::error::Error for NodeExpressionError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caret_stands_under_the_place() {
        let error = NodeExpressionError::new("größe[3-1]", 8, "ends before it begins".to_owned());
        assert_eq!(
            error.to_string(),
            "ends before it begins\n  größe[3-1]\n        ^"
        );
        let end = NodeExpressionError::new("n[1", 3, "no ]".to_owned());
        assert_eq!(end.to_string(), "no ]\n  n[1\n     ^");
    }

    /// A text has up to 64 KiB, a terminal has not.
    #[test]
    fn of_a_long_text_the_place_is_shown() {
        let text = format!("{}]{}", "a,".repeat(5000), "b,".repeat(5000));
        let shown = NodeExpressionError::new(&text, 10_000, "x".to_owned()).to_string();
        let lines: Vec<&str> = shown.lines().collect();
        assert!(lines.iter().all(|line| line.len() < 110), "{shown}");
        assert_eq!(lines[1].find(']'), lines[2].find('^'));
    }

    #[test]
    fn control_characters_are_no_columns_and_reach_no_terminal() {
        let shown = NodeExpressionError::new("a\u{1b}[1m]", 5, "x".to_owned()).to_string();
        assert!(!shown.contains('\u{1b}'), "{shown:?}");
    }
}
