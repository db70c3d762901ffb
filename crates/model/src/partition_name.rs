//! What a partition may be called.

use std::fmt;
use std::str::FromStr;

use crate::{HmsType, InvalidValue, Xname};

/// The name of a partition in normal form: `p1`, or `p1.2` for a part of one.
///
/// Source: SMD `sm.NewPartition`, the xname type Partition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionName(String);

impl PartitionName {
    /// The normalised text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PartitionName {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let parsed = text.parse::<Xname>().ok();
        match parsed.filter(|xname| xname.hms_type() == HmsType::Partition) {
            Some(xname) => Ok(Self(xname.to_string())),
            None => Err(InvalidValue::new(
                "the name of a partition",
                text,
                "write p# or p#.#, e.g. p1 or p1.2",
            )),
        }
    }
}

impl fmt::Display for PartitionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<PartitionName> for String {
    fn from(name: PartitionName) -> String {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_smd_in_normal_form() {
        for (text, name) in [("p1", "p1"), ("P01", "p1"), ("p1.02", "p1.2"), ("p0", "p0")] {
            let parsed: PartitionName = text.parse().unwrap();
            assert_eq!(
                (parsed.as_str(), parsed.to_string().as_str()),
                (name, name),
                "{text}"
            );
        }
        for wrong in ["", "p", "1", "p1.", "p1.2.3", "px", "x0", "blue"] {
            let error = wrong.parse::<PartitionName>().unwrap_err().to_string();
            assert!(error.contains("p1.2"), "{wrong}: {error}");
        }
    }
}
