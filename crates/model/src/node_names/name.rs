//! One name, cut into text and numbers once.

use super::Index;
use super::index::DIGITS_MAX;

/// What stands in a pattern where a name has a number.
const NUMBER: &str = "%s";

/// A name with what it is sorted and folded by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name {
    /// The name with `%s` for each number and `%%` for a per cent sign, a zero byte, then the numbers.
    key: Box<[u8]>,
    text: Box<str>,
    numbers: usize,
}

impl Name {
    pub(super) fn new(text: &str) -> Name {
        let mut key = Vec::with_capacity(text.len() + 16);
        let mut found = Vec::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let is_digit = first.is_ascii_digit();
            let end = rest.find(|c: char| c.is_ascii_digit() != is_digit || (!is_digit && c == '%'));
            let end = match first {
                '%' => 1,
                _ => end.unwrap_or(rest.len()),
            };
            let (piece, after) = rest.split_at(end);
            match (first, Index::of(piece)) {
                ('%', _) => key.extend_from_slice(b"%%"),
                (_, Some(number)) => {
                    key.extend_from_slice(NUMBER.as_bytes());
                    found.push(number);
                }
                (_, None) => key.extend_from_slice(piece.as_bytes()),
            }
            rest = after;
        }
        key.push(0);
        for number in &found {
            key.extend_from_slice(&number.to_bytes());
        }
        Name {
            key: key.into_boxed_slice(),
            text: text.into(),
            numbers: found.len(),
        }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// What names have in common that differ by numbers only.
    pub(super) fn pattern(&self) -> &[u8] {
        &self.key[..self.numbers_from().saturating_sub(1)]
    }

    /// Its numbers, from left to right.
    pub(super) fn numbers(&self) -> impl Iterator<Item = Index> {
        let bytes = &self.key[self.numbers_from()..];
        let (numbers, _) = bytes.as_chunks::<{ Index::BYTES }>();
        numbers.iter().copied().map(Index::from_bytes)
    }

    fn numbers_from(&self) -> usize {
        self.key.len() - self.numbers * Index::BYTES
    }

    /// This name with other texts for its numbers.
    pub(super) fn with(&self, numbers: &[String]) -> String {
        let mut shown = String::with_capacity(self.text.len() + 16);
        let (mut rest, mut numbers) = (&*self.text, numbers.iter());
        while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
            let (before, behind) = rest.split_at(start);
            let digits = behind.bytes().take_while(u8::is_ascii_digit).count();
            let (digits, after) = behind.split_at(digits);
            shown.push_str(before);
            shown.push_str(match digits.len() <= DIGITS_MAX {
                true => numbers.next().map_or(digits, String::as_str),
                false => digits,
            });
            rest = after;
        }
        shown.push_str(rest);
        shown
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pattern(text: &str) -> String {
        String::from_utf8(Name::new(text).pattern().to_vec()).unwrap()
    }

    #[test]
    fn names_that_differ_by_numbers_have_one_pattern() {
        assert_eq!(pattern("x1000c0s0b0n0"), "x%sc%ss%sb%sn%s");
        assert_eq!(pattern("node01-ib"), "node%s-ib");
        assert_eq!(pattern("42"), "%s");
        assert_eq!(pattern("login"), "login");
        assert_eq!(pattern("5%s1"), "%s%%s%s");
        assert_eq!(pattern("a1234567890123456789"), "a1234567890123456789");
        assert_eq!(pattern("größe7ä"), "größe%sä");
        assert_eq!(pattern(""), "");
    }

    #[test]
    fn other_numbers_stand_where_the_own_ones_did() {
        let name = Name::new("x1c02-1234567890123456789-s3%");
        let numbers = ["[1-2]".to_owned(), "a".to_owned(), "9".to_owned()];
        assert_eq!(name.with(&numbers), "x[1-2]ca-1234567890123456789-s9%");
    }

    proptest! {
        #[test]
        fn a_name_is_its_pattern_with_its_numbers(text in "[a-c0-9%\\-]{0,20}|\\PC{0,20}") {
            let name = Name::new(&text);
            let numbers: Vec<String> = name.numbers().map(|number| number.to_string()).collect();
            prop_assert_eq!(name.with(&numbers), text);
        }
    }
}
