//! A node's number.

use std::fmt;
use std::str::FromStr;

use crate::InvalidValue;

/// SMD's node id: a number that is unique in the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nid(pub u64);

impl FromStr for Nid {
    type Err = InvalidValue;

    /// Decimal digits only: no sign, no blank.
    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        digits
            .then(|| text.parse().ok())
            .flatten()
            .map(Nid)
            .ok_or_else(|| {
                InvalidValue::new(
                    "a NID",
                    text,
                    "write a decimal number between 0 and 18446744073709551615, e.g. 42",
                )
            })
    }
}

impl fmt::Display for Nid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_a_nid_and_nothing_else_is() {
        assert_eq!("0042".parse(), Ok(Nid(42)));
        assert_eq!(Nid(u64::MAX).to_string().parse(), Ok(Nid(u64::MAX)));
        for wrong in ["", "-1", "+1", " 1", "1e3", "0x10", "18446744073709551616", "１"] {
            assert!(wrong.parse::<Nid>().is_err(), "{wrong:?}");
        }
    }
}
