//! A MAC address.

use std::fmt;
use std::str::FromStr;

use crate::InvalidValue;

/// An Ethernet address. Read with colons, with dashes or as twelve bare hex digits in any case; written in lower
/// case with colons.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MacAddr(pub [u8; 6]);

impl MacAddr {
    /// The id of the Ethernet interface in SMD: no separators, e.g. `0200000000a1`.
    pub fn id(&self) -> String {
        self.joined("")
    }

    /// As the kernel's `BOOTIF=01-…` wants it, e.g. `02-00-00-00-00-a1`.
    pub fn dashes(&self) -> String {
        self.joined("-")
    }

    fn joined(&self, separator: &str) -> String {
        self.0.map(|byte| format!("{byte:02x}")).join(separator)
    }
}

impl FromStr for MacAddr {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        parse(text.as_bytes()).map(MacAddr).ok_or_else(|| {
            InvalidValue::new(
                "a MAC address",
                text,
                "write six pairs of hex digits, e.g. 02:00:00:00:00:a1, 02-00-00-00-00-a1 or 0200000000a1",
            )
        })
    }
}

fn parse(text: &[u8]) -> Option<[u8; 6]> {
    let stride = match (text.len(), text.get(2)) {
        (12, _) => 2,
        (17, Some(separator @ (b':' | b'-'))) => {
            (1..6).all(|pair| text[pair * 3 - 1] == *separator).then_some(3)?
        }
        _ => return None,
    };
    let mut bytes = [0; 6];
    for (pair, byte) in bytes.iter_mut().enumerate() {
        *byte = hex_digit(text[pair * stride])? << 4 | hex_digit(text[pair * stride + 1])?;
    }
    Some(bytes)
}

fn hex_digit(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn all_spellings_are_one_address() {
        let mac = MacAddr([0x02, 0, 0, 0, 0, 0xa1]);
        for text in [
            "02:00:00:00:00:a1",
            "02:00:00:00:00:A1",
            "02-00-00-00-00-A1",
            "0200000000a1",
        ] {
            assert_eq!(text.parse::<MacAddr>(), Ok(mac), "{text}");
        }
        assert_eq!(mac.to_string(), "02:00:00:00:00:a1");
        assert_eq!(mac.id(), "0200000000a1");
        assert_eq!(mac.dashes(), "02-00-00-00-00-a1");
    }

    #[test]
    fn other_texts_are_refused_with_the_accepted_forms() {
        for wrong in [
            "",
            "02:00:00:00:00",
            "02:00:00:00:00:a1:00",
            "02:00-00:00:00:a1",
            "0200.0000.00a1",
            "02:00:00:00:00:g1",
            "02000000000a1",
            "+2:00:00:00:00:a1",
            "é2:00:00:00:0:a1",
            " 0200000000a",
            "2:0:0:0:0:a1",
        ] {
            assert!(wrong.parse::<MacAddr>().is_err(), "{wrong:?}");
        }
        let error = "02:zz".parse::<MacAddr>().unwrap_err().to_string();
        assert!(error.contains("02-00-00-00-00-a1"), "{error}");
    }

    /// The interface table is sorted by address, its ids by text: both orders must agree.
    #[test]
    fn addresses_sort_like_their_ids() {
        let low = MacAddr([0x09, 0xff, 0, 0, 0, 0]);
        let high = MacAddr([0x0a, 0x00, 0, 0, 0, 0]);
        assert!(low < high && low.id() < high.id());
    }

    proptest! {
        #[test]
        fn display_and_parse_are_inverse(bytes in any::<[u8; 6]>()) {
            let mac = MacAddr(bytes);
            for text in [mac.to_string(), mac.id(), mac.dashes(), mac.to_string().to_uppercase()] {
                prop_assert_eq!(text.parse::<MacAddr>().unwrap(), mac);
            }
        }

        #[test]
        fn hostile_text_never_panics(text in "\\PC{0,20}") {
            let _ = text.parse::<MacAddr>();
        }
    }
}
