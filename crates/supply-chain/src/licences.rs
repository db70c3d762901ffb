//! SPDX licence expressions, as manifests have them.

use std::collections::BTreeSet;

/// An expression in today's form: manifests from before SPDX say `/` for `OR`.
#[must_use]
pub fn normalised(expression: &str) -> String {
    expression
        .split('/')
        .map(str::trim)
        .collect::<Vec<_>>()
        .join(" OR ")
}

/// Whether somebody who accepts only these licences may use what the expression covers.
///
/// # Errors
/// What does not parse, in words.
pub fn is_met(expression: &str, allowed: &BTreeSet<&str>) -> Result<bool, String> {
    let spaced = normalised(expression).replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut parser = Parser {
        words: &words,
        at: 0,
        allowed,
    };
    let met = parser.any()?;
    match parser.peek() {
        None => Ok(met),
        Some(word) => Err(format!("{expression}: {word} was not expected there")),
    }
}

/// `WITH` binds closer than `AND`, and `AND` closer than `OR`.
struct Parser<'a> {
    words: &'a [&'a str],
    at: usize,
    allowed: &'a BTreeSet<&'a str>,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&'a str> {
        self.words.get(self.at).copied()
    }

    fn takes(&mut self, word: &str) -> bool {
        let is_next = self.peek() == Some(word);
        self.at += usize::from(is_next);
        is_next
    }

    fn any(&mut self) -> Result<bool, String> {
        let mut met = self.all()?;
        while self.takes("OR") {
            met |= self.all()?;
        }
        Ok(met)
    }

    fn all(&mut self) -> Result<bool, String> {
        let mut met = self.one()?;
        while self.takes("AND") {
            met &= self.one()?;
        }
        Ok(met)
    }

    fn one(&mut self) -> Result<bool, String> {
        if self.takes("(") {
            let met = self.any()?;
            return if self.takes(")") {
                Ok(met)
            } else {
                Err("a ) is missing".to_owned())
            };
        }
        let name = self.licence()?;
        if !self.takes("WITH") {
            // `MPL-2.0+`: that version or a later one, so whoever accepts that version may use it
            return Ok(self.allowed.contains(name.trim_end_matches('+')));
        }
        let whole = format!("{name} WITH {}", self.licence()?);
        Ok(self.allowed.contains(whole.as_str()))
    }

    fn licence(&mut self) -> Result<&'a str, String> {
        match self.peek() {
            None => Err("the expression ends where a licence should be".to_owned()),
            Some(word @ ("OR" | "AND" | "WITH" | "(" | ")")) => Err(format!("{word} is no licence")),
            Some(name) => {
                self.at += 1;
                Ok(name)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn met(expression: &str, allowed: &[&str]) -> Result<bool, String> {
        is_met(expression, &allowed.iter().copied().collect())
    }

    #[test]
    fn one_of_several_is_enough_and_all_of_several_are_needed() {
        for (expression, allowed, expected) in [
            ("MIT", &["MIT"][..], true),
            ("MIT", &["Apache-2.0"], false),
            ("MIT OR GPL-3.0-only", &["MIT"], true),
            ("MIT/Apache-2.0", &["Apache-2.0"], true),
            ("Apache-2.0 / MIT", &["MIT"], true),
            ("MIT AND Unicode-3.0", &["MIT"], false),
            ("MIT AND Unicode-3.0", &["MIT", "Unicode-3.0"], true),
            (
                "(MIT OR Apache-2.0) AND Unicode-3.0",
                &["MIT", "Unicode-3.0"],
                true,
            ),
            (
                "(MIT OR Apache-2.0) AND Unicode-3.0",
                &["MIT", "Apache-2.0"],
                false,
            ),
            ("MIT OR Apache-2.0 AND ISC", &["Apache-2.0"], false),
            ("MIT OR Apache-2.0 AND ISC", &["MIT"], true),
            ("MPL-2.0+", &["MPL-2.0"], true),
        ] {
            assert_eq!(
                met(expression, allowed),
                Ok(expected),
                "{expression} with {allowed:?}"
            );
        }
    }

    /// An exception is part of the licence: what it allows more is not to be taken for granted.
    #[test]
    fn an_exception_is_accepted_by_its_own_name() {
        let expression = "Apache-2.0 WITH LLVM-exception";
        assert_eq!(met(expression, &["Apache-2.0"]), Ok(false));
        assert_eq!(met(expression, &["Apache-2.0 WITH LLVM-exception"]), Ok(true));
        assert_eq!(met("Apache-2.0 WITH LLVM-exception OR MIT", &["MIT"]), Ok(true));
    }

    #[test]
    fn what_is_no_expression_is_refused() {
        for text in [
            "",
            "MIT OR",
            "OR MIT",
            "(MIT",
            "MIT)",
            "MIT Apache-2.0",
            "MIT WITH",
            "()",
        ] {
            assert!(met(text, &["MIT"]).is_err(), "{text}");
        }
    }

    #[test]
    fn old_expressions_are_written_anew() {
        assert_eq!(normalised("MIT/Apache-2.0"), "MIT OR Apache-2.0");
        assert_eq!(normalised("Apache-2.0 / MIT"), "Apache-2.0 OR MIT");
        assert_eq!(normalised("ISC"), "ISC");
    }
}
