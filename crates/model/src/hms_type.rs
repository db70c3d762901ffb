//! The HMS types of SMD: their names and the xnames each of them has.

use std::fmt;
use std::str::FromStr;

use crate::InvalidValue;

/// One row per type: variant, SMD's name, and the patterns of its xnames.
///
/// In a pattern `#` is a number, `%` one of up to four digits, `@` one above zero, `[a-b]` a single digit of
/// that range, and every other character stands for itself.
macro_rules! hms_types {
    ($($variant:ident $name:literal [$($pattern:literal),*])*) => {
        /// What kind of thing an xname names. Source: the recognition table of hms-xname 1.4.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum HmsType {
            $(#[doc = concat!("`", $name, "`", $(" `", $pattern, "`"),*)] $variant,)*
        }

        impl HmsType {
            /// Every type, the most frequent first.
            pub const ALL: &'static [HmsType] = &[$(HmsType::$variant),*];

            /// SMD's spelling, e.g. `NodeBMC`.
            pub fn as_str(self) -> &'static str {
                match self { $(HmsType::$variant => $name,)* }
            }

            /// Patterns of this type's xnames; none for SMD's wildcards, which name no place.
            pub(crate) fn patterns(self) -> &'static [&'static str] {
                match self { $(HmsType::$variant => &[$($pattern),*],)* }
            }
        }
    };
}

hms_types! {
    Node "Node" ["x%c[0-7]s#b#n#"]
    NodeBmc "NodeBMC" ["x%c[0-7]s#b#"]
    VirtualNode "VirtualNode" ["x%c[0-7]s#b#n#v#"]
    NodeNic "NodeNic" ["x%c[0-7]s#b#n#i[0-3]"]
    NodeHsnNic "NodeHsnNic" ["x%c[0-7]s#b#n#h[0-3]"]
    NodeAccel "NodeAccel" ["x%c[0-7]s#b#n#a#"]
    NodeAccelRiser "NodeAccelRiser" ["x%c[0-7]s#b#n#r[0-7]"]
    Memory "Memory" ["x%c[0-7]s#b#n#d#"]
    Processor "Processor" ["x%c[0-7]s#b#n#p[0-3]"]
    StorageGroup "StorageGroup" ["x%c[0-7]s#b#n#g#"]
    Drive "Drive" ["x%c[0-7]s#b#n#g#k#"]
    NodeBmcNic "NodeBMCNic" ["x%c[0-7]s#b#i[0-3]"]
    NodeFpga "NodeFpga" ["x%c[0-7]s#b#f0"]
    NodeEnclosure "NodeEnclosure" ["x%c[0-7]s#e#"]
    NodeEnclosurePowerSupply "NodeEnclosurePowerSupply" ["x%c[0-7]s#e#t#"]
    NodePowerConnector "NodePowerConnector" ["x%c[0-7]s#j[1-2]", "x%c[0-7]s#v[1-2]"]
    ComputeModule "ComputeModule" ["x%c[0-7]s#"]
    Chassis "Chassis" ["x%c[0-7]"]
    ChassisBmc "ChassisBMC" ["x%c[0-7]b0"]
    ChassisBmcNic "ChassisBMCNic" ["x%c[0-7]b0i[0-3]"]
    CmmFpga "CMMFpga" ["x%c[0-7]f0"]
    CmmRectifier "CMMRectifier" ["x%c[0-7]t[0-9]"]
    RouterModule "RouterModule" ["x%c[0-7]r#"]
    RouterBmc "RouterBMC" ["x%c[0-7]r#b#"]
    RouterBmcNic "RouterBMCNic" ["x%c[0-7]r#b#i[0-3]"]
    RouterFpga "RouterFpga" ["x%c[0-7]r#f[0-1]"]
    RouterTor "RouterTOR" ["x%c[0-7]r#t#"]
    RouterTorFpga "RouterTORFpga" ["x%c[0-7]r#t#f[0-1]"]
    RouterPowerConnector "RouterPowerConnector" ["x%c[0-7]r#v[1-2]"]
    HsnBoard "HSNBoard" ["x%c[0-7]r#e#"]
    HsnAsic "HSNAsic" ["x%c[0-7]r#a[0-3]"]
    HsnLink "HSNLink" ["x%c[0-7]r#a[0-3]l#"]
    HsnConnector "HSNConnector" ["x%c[0-7]r#j@"]
    HsnConnectorPort "HSNConnectorPort" ["x%c[0-7]r#j@p[0-2]"]
    MgmtSwitch "MgmtSwitch" ["x%c[0-7]w@"]
    MgmtSwitchConnector "MgmtSwitchConnector" ["x%c[0-7]w@j@"]
    MgmtHlSwitchEnclosure "MgmtHLSwitchEnclosure" ["x%c[0-7]h@"]
    MgmtHlSwitch "MgmtHLSwitch" ["x%c[0-7]h@s[1-9]"]
    Cabinet "Cabinet" ["x%"]
    CabinetBmc "CabinetBMC" ["x%b0"]
    CabinetCdu "CabinetCDU" ["x%d[0-1]"]
    Cec "CEC" ["x%e[0-1]"]
    CabinetPduController "CabinetPDUController" ["x%m[0-3]"]
    CabinetPdu "CabinetPDU" ["x%m[0-3]p[0-7]"]
    CabinetPduNic "CabinetPDUNic" ["x%m[0-3]i[0-3]"]
    CabinetPduOutlet "CabinetPDUOutlet" ["x%m[0-3]p[0-7]j@"]
    CabinetPduPowerConnector "CabinetPDUPowerConnector" ["x%m[0-3]p[0-7]v@"]
    Cdu "CDU" ["d#"]
    CduMgmtSwitch "CDUMgmtSwitch" ["d#w#"]
    SmsBox "SMSBox" ["sms#"]
    Partition "Partition" ["p#", "p#.#"]
    System "System" ["s0"]
    All "All" []
    AllComp "AllComp" []
    AllSvc "AllSvc" []
    Invalid "INVALID" []
}

impl HmsType {
    /// Whether a Redfish endpoint may have this type.
    pub fn is_controller(self) -> bool {
        matches!(
            self,
            HmsType::ChassisBmc | HmsType::RouterBmc | HmsType::NodeBmc | HmsType::CabinetPduController
        )
    }

    /// Whether the hardware inventory keeps what is in such a place. Those of SMD, and the two controllers for which it
    /// has lists but nothing to put into them.
    pub fn has_hardware(self) -> bool {
        matches!(
            self,
            HmsType::Cabinet
                | HmsType::Chassis
                | HmsType::ComputeModule
                | HmsType::RouterModule
                | HmsType::NodeEnclosure
                | HmsType::HsnBoard
                | HmsType::MgmtSwitch
                | HmsType::MgmtHlSwitch
                | HmsType::CduMgmtSwitch
                | HmsType::Node
                | HmsType::Processor
                | HmsType::NodeAccel
                | HmsType::Memory
                | HmsType::Drive
                | HmsType::NodeHsnNic
                | HmsType::CabinetPdu
                | HmsType::CabinetPduOutlet
                | HmsType::CabinetPduPowerConnector
                | HmsType::CmmRectifier
                | HmsType::NodeEnclosurePowerSupply
                | HmsType::NodeBmc
                | HmsType::RouterBmc
                | HmsType::NodeAccelRiser
                | HmsType::ChassisBmc
                | HmsType::CabinetPduController
        )
    }

    /// The type whose pattern the normalised `text` matches.
    pub(crate) fn of(text: &str) -> Option<HmsType> {
        Self::ALL.iter().copied().find(|kind| kind.describes(text))
    }

    /// Whether one of this type's patterns is that of `text`.
    pub(crate) fn describes(self, text: &str) -> bool {
        self.patterns().iter().any(|pattern| matches(pattern, text))
    }
}

impl fmt::Display for HmsType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for HmsType {
    type Err = InvalidValue;

    /// Any case, as SMD matches its enums.
    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        Self::ALL
            .iter()
            .copied()
            .find(|kind| kind.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| {
                InvalidValue::new(
                    "an HMS type",
                    text,
                    "write one of SMD's types, e.g. Node, NodeBMC, Chassis, RouterBMC",
                )
            })
    }
}

/// Whether `text` is exactly what `pattern` describes. Linear: no step of a pattern can match in two ways.
fn matches(pattern: &str, text: &str) -> bool {
    let mut pattern = pattern.bytes();
    let mut text = text.as_bytes();
    while let Some(step) = pattern.next() {
        let matched = match step {
            b'#' => take_number(&mut text).is_some(),
            b'%' => take_number(&mut text).is_some_and(|digits| digits.len() <= 4),
            b'@' => take_number(&mut text).is_some_and(|digits| digits[0] != b'0'),
            b'[' => match (pattern.next(), pattern.next(), pattern.next(), pattern.next()) {
                (Some(low), Some(b'-'), Some(high), Some(b']')) => take_byte(&mut text, low..=high),
                _ => false,
            },
            literal => take_byte(&mut text, literal..=literal),
        };
        if !matched {
            return false;
        }
    }
    text.is_empty()
}

fn take_number<'a>(text: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = text.iter().take_while(|b| b.is_ascii_digit()).count();
    let (digits, rest) = text.split_at(length);
    *text = rest;
    (length > 0).then_some(digits)
}

fn take_byte(text: &mut &[u8], range: std::ops::RangeInclusive<u8>) -> bool {
    match text.split_first() {
        Some((first, rest)) if range.contains(first) => {
            *text = rest;
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SMD's service/values/type lists 56 names; clients compare with that list.
    #[test]
    fn there_are_56_types_with_distinct_names() {
        let names: std::collections::BTreeSet<_> = HmsType::ALL.iter().map(|t| t.as_str()).collect();
        assert_eq!(names.len(), 56);
        assert_eq!(HmsType::ALL.len(), 56);
    }

    #[test]
    fn names_are_read_in_any_case_and_written_as_smd_does() {
        for kind in HmsType::ALL {
            assert_eq!(kind.as_str().to_uppercase().parse::<HmsType>(), Ok(*kind));
            assert_eq!(kind.as_str().to_lowercase().parse::<HmsType>(), Ok(*kind));
        }
        assert_eq!("nodebmc".parse::<HmsType>().unwrap().to_string(), "NodeBMC");
        let error = "Blade".parse::<HmsType>().unwrap_err().to_string();
        assert!(error.contains("`Blade`") && error.contains("NodeBMC"), "{error}");
    }

    /// A class of digits takes one digit, never two, and a bounded number never five digits.
    #[test]
    fn patterns_are_exact() {
        assert!(matches("x%c[0-7]", "x9999c7"));
        for wrong in [
            "", "x", "x1c", "x10000c0", "x1c8", "x1c70", "x1c7s", "y1c1", "xc1",
        ] {
            assert!(!matches("x%c[0-7]", wrong), "{wrong}");
        }
        assert!(matches("p#.#", "p1.2") && !matches("p#.#", "p1x2") && !matches("p#.#", "p1."));
        assert!(matches("w@", "w10") && !matches("w@", "w0"));
    }

    #[test]
    fn only_the_four_controllers_are_controllers() {
        let controllers: Vec<_> = HmsType::ALL
            .iter()
            .filter(|t| t.is_controller())
            .map(|t| t.as_str())
            .collect();
        assert_eq!(
            controllers,
            ["NodeBMC", "ChassisBMC", "RouterBMC", "CabinetPDUController"]
        );
    }
}
