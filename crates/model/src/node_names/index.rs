//! A number in a name, with its leading zeros.

use std::fmt;

/// Most digits that count as a number: those that every `u64` of so many digits has room for. More are text.
pub(crate) const DIGITS_MAX: usize = 18;

/// A number with the digits it is written with: `7` and `07` are two. Shorter ones stand first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Index {
    width: u8,
    value: u64,
}

impl Index {
    /// `digits`: 1 to [`DIGITS_MAX`] of them, and nothing else.
    pub(crate) fn of(digits: &str) -> Option<Index> {
        let is_number =
            (1..=DIGITS_MAX).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        let value = is_number.then(|| digits.parse().ok()).flatten()?;
        let width = u8::try_from(digits.len()).ok()?;
        Some(Index { width, value })
    }

    /// `value` in at least so many digits.
    pub(crate) fn padded(value: u64, width: u8) -> Index {
        let digits = value.checked_ilog10().unwrap_or(0) + 1;
        let width = u8::try_from(digits).unwrap_or(u8::MAX).max(width);
        Index { width, value }
    }

    pub(crate) fn value(self) -> u64 {
        self.value
    }

    pub(crate) fn width(self) -> u8 {
        self.width
    }

    /// Whether it begins with a zero that is not all of it.
    pub(crate) fn is_padded(self) -> bool {
        self.width > 1 && self.value < 10_u64.pow(u32::from(self.width) - 1)
    }

    /// What orders numbers as their texts: `10` before `9`.
    pub(crate) fn text_order(self) -> (u64, u8) {
        let missing = u32::try_from(DIGITS_MAX).map_or(0, |max| max.saturating_sub(u32::from(self.width)));
        (self.value.saturating_mul(10_u64.pow(missing)), self.width)
    }

    /// As bytes that stand in its order.
    pub(crate) fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [self.width; Self::BYTES];
        bytes[1..].copy_from_slice(&self.value.to_be_bytes());
        bytes
    }

    /// What [`to_bytes`](Self::to_bytes) wrote.
    pub(crate) fn from_bytes(bytes: [u8; Self::BYTES]) -> Index {
        let [width, value @ ..] = bytes;
        Index {
            width,
            value: u64::from_be_bytes(value),
        }
    }

    /// Bytes of [`to_bytes`](Self::to_bytes).
    pub(crate) const BYTES: usize = 9;
}

impl fmt::Display for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0width$}", self.value, width = usize::from(self.width))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn zeros_before_a_number_are_part_of_it() {
        let padded = |text: &str| Index::of(text).unwrap().is_padded();
        assert!(padded("01") && padded("00") && padded("0010"));
        assert!(!padded("0") && !padded("10") && !padded("999999999999999999"));
    }

    #[test]
    fn what_has_no_room_is_no_number() {
        for text in ["", "-1", "1a", "1234567890123456789", "١"] {
            assert_eq!(Index::of(text), None, "{text:?}");
        }
        assert_eq!(Index::padded(7, 3), Index::of("007").unwrap());
        assert_eq!(Index::padded(1234, 3), Index::of("1234").unwrap());
        assert_eq!(Index::padded(0, 0), Index::of("0").unwrap());
    }

    proptest! {
        #[test]
        fn a_number_is_shown_ordered_and_kept_as_it_was_written(a in "[0-9]{1,18}", b in "[0-9]{1,18}") {
            let (one, other) = (Index::of(&a).unwrap(), Index::of(&b).unwrap());
            prop_assert_eq!(&one.to_string(), &a);
            prop_assert_eq!(Index::from_bytes(one.to_bytes()), one);
            prop_assert_eq!(one.cmp(&other), (a.len(), &a).cmp(&(b.len(), &b)));
            prop_assert_eq!(one.cmp(&other), one.to_bytes().cmp(&other.to_bytes()));
            prop_assert_eq!(one.text_order().cmp(&other.text_order()), a.cmp(&b));
        }
    }
}
