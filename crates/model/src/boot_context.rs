//! What a boot script's URLs carry, so that a node never meets older data than it has seen.

use std::fmt;
use std::str::FromStr;

use crate::InvalidValue;

/// The revision a boot script was rendered at and the boot it belongs to. Its text is one opaque URL segment
/// (`<revision>-<boot id>`, both lower-case hex) that needs no escaping; nobody but Chamois reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BootContext {
    /// A member that answers must have applied at least this.
    pub revision: u64,
    /// Random number of the boot.
    pub boot_id: u64,
}

impl FromStr for BootContext {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let parsed = text.split_once('-').and_then(|(revision, boot_id)| {
            Some(BootContext {
                revision: hex(revision)?,
                boot_id: hex(boot_id)?,
            })
        });
        parsed
            .filter(|context| context.to_string() == text)
            .ok_or_else(|| {
                InvalidValue::new("a boot context", text, "use the URL of the boot script unchanged")
            })
    }
}

fn hex(text: &str) -> Option<u64> {
    u64::from_str_radix(text, 16).ok()
}

impl fmt::Display for BootContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{:016x}", self.revision, self.boot_id)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_text_is_short_and_needs_no_escaping() {
        let context = BootContext {
            revision: 4711,
            boot_id: 0xa1,
        };
        assert_eq!(context.to_string(), "1267-00000000000000a1");
    }

    #[test]
    fn other_texts_are_refused() {
        for wrong in [
            "",
            "-",
            "1267",
            "1267-a1",
            "1267-00000000000000A1",
            "+1-00000000000000a1",
            "1-2-3",
            "10000000000000000-00000000000000a1",
        ] {
            assert!(wrong.parse::<BootContext>().is_err(), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn display_and_parse_are_inverse(revision in any::<u64>(), boot_id in any::<u64>()) {
            let context = BootContext { revision, boot_id };
            let text = context.to_string();
            prop_assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'));
            prop_assert_eq!(text.parse::<BootContext>().unwrap(), context);
        }
    }
}
