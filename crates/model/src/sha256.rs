//! The SHA-256 of a content, as text and bytes. Pure: whoever has the bytes computes it.

use std::fmt;
use std::str::FromStr;

use crate::InvalidValue;

/// Bytes of a SHA-256.
const BYTES: usize = 32;

/// A SHA-256; written as 64 lower case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256(pub [u8; BYTES]);

impl FromStr for Sha256 {
    type Err = InvalidValue;

    /// Hex digits of either case.
    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let refused = || {
            InvalidValue::new(
                "a SHA-256",
                text,
                "write 64 hex digits, as `sha256sum` prints them",
            )
        };
        let digits = text.as_bytes();
        if digits.len() != 2 * BYTES {
            return Err(refused());
        }
        let mut bytes = [0; BYTES];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let value = |digit: u8| char::from(digit).to_digit(16).ok_or_else(refused);
            let both = value(pair[0])? * 16 + value(pair[1])?;
            *byte = u8::try_from(both).map_err(|_| refused())?;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_goes_in_and_comes_out_in_lower_case() {
        let text = "00FF10e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b78";
        let sha: Sha256 = text.parse().unwrap();
        assert_eq!(sha.0[..3], [0, 255, 16]);
        assert_eq!(sha.to_string(), text.to_ascii_lowercase());
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            String::new(),
            "0".repeat(63),
            "0".repeat(65),
            "g".repeat(64),
            "é".repeat(32),
            "+f".repeat(32),
        ] {
            assert!(text.parse::<Sha256>().is_err(), "{text}");
        }
    }
}
