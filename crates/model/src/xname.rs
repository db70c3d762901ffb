//! A component's location name.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::{HmsType, InvalidValue};

/// Longest xname accepted, in bytes. Source: SMD's column `components.id varchar(63)`.
pub const XNAME_LENGTH_MAX: usize = 63;

/// The name of a place in the machine, e.g. `x1000c0s0b0n0`, always normalised: lower case, no leading zeros in
/// its numbers, of one of SMD's types. Cloning is cheap; the order is that of the text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Xname {
    text: Arc<str>,
    hms_type: HmsType,
}

impl Xname {
    /// The normalised text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What kind of thing is there.
    pub fn hms_type(&self) -> HmsType {
        self.hms_type
    }

    /// Whether this names something that boots and has a NID: a Node or a VirtualNode.
    pub fn is_node(&self) -> bool {
        matches!(self.hms_type, HmsType::Node | HmsType::VirtualNode)
    }

    /// Whether this is `place` or somewhere below it: `x1c0s1b0n0` is within `x1c0s1` and `s0`, not within `x1c0s10`.
    pub fn is_within(&self, place: &Xname) -> bool {
        if place.hms_type == HmsType::System {
            return self == place || matches!(self.text.as_bytes().first(), Some(b'x' | b'd'));
        }
        match self.text.strip_prefix(place.as_str()) {
            Some(rest) => !rest.starts_with(|c: char| c.is_ascii_digit()),
            None => false,
        }
    }

    /// The xname one level up: its last letters and number removed; `s0` for a cabinet or a CDU.
    /// Nothing is above `s0`, partitions and management servers.
    pub fn parent(&self) -> Option<Xname> {
        if matches!(self.hms_type, HmsType::Cabinet | HmsType::Cdu) {
            return "s0".parse().ok();
        }
        let without_number = self.text.trim_end_matches(|c: char| c.is_ascii_digit());
        without_number
            .trim_end_matches(|c: char| c.is_ascii_lowercase())
            .parse()
            .ok()
    }
}

impl FromStr for Xname {
    type Err = InvalidValue;

    /// Trims blanks, lowers the case and drops leading zeros before it looks the name up, as SMD does.
    /// SMD's wildcards (`all`, `all_comp`, `all_svc`) name no place and are refused.
    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let trimmed = text.trim();
        if trimmed.len() > XNAME_LENGTH_MAX {
            return Err(invalid(
                text,
                format!("it has more than {XNAME_LENGTH_MAX} characters"),
            ));
        }
        let normalised = normalise(trimmed);
        match HmsType::of(&normalised) {
            Some(hms_type) => Ok(Xname {
                text: normalised.into(),
                hms_type,
            }),
            None => Err(invalid(
                text,
                "write the location as in SMD, e.g. x1000c0s0b0n0 for a node or x1000c0s0b0 for its BMC"
                    .into(),
            )),
        }
    }
}

fn invalid(text: &str, accepted: String) -> InvalidValue {
    InvalidValue::new("an xname", text, accepted)
}

fn normalise(text: &str) -> String {
    let mut normalised = String::with_capacity(text.len());
    let mut in_number_with_value = false;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let next_is_digit = rest.peek().is_some_and(char::is_ascii_digit);
        if c == '0' && next_is_digit && !in_number_with_value {
            continue; // a leading zero with more digits behind it
        }
        in_number_with_value = c.is_ascii_digit();
        normalised.push(c.to_ascii_lowercase());
    }
    normalised
}

impl fmt::Display for Xname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Xname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl AsRef<str> for Xname {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn xname(text: &str) -> Xname {
        text.parse().unwrap()
    }

    /// Measured against SMD: `X01000c0s00b0n0` is stored as `x1000c0s0b0n0`.
    #[test]
    fn names_are_normalised_as_smd_does() {
        assert_eq!(xname(" X01000c0s00b0n0\n").as_str(), "x1000c0s0b0n0");
        assert_eq!(xname("x0c0s010b001n0").as_str(), "x0c0s10b1n0");
        assert_eq!(xname("x000").as_str(), "x0");
        assert_eq!(xname("x100c0s100b10n0").as_str(), "x100c0s100b10n0");
    }

    #[test]
    fn every_type_is_recognised() {
        let examples = [
            ("s0", "System"),
            ("p1", "Partition"),
            ("p1.2", "Partition"),
            ("sms1", "SMSBox"),
            ("d3", "CDU"),
            ("d3w1", "CDUMgmtSwitch"),
            ("x9999", "Cabinet"),
            ("x1b0", "CabinetBMC"),
            ("x1d1", "CabinetCDU"),
            ("x1e0", "CEC"),
            ("x1m3", "CabinetPDUController"),
            ("x1m0p7", "CabinetPDU"),
            ("x1m0i3", "CabinetPDUNic"),
            ("x1m0p0j10", "CabinetPDUOutlet"),
            ("x1m0p0v1", "CabinetPDUPowerConnector"),
            ("x1c7", "Chassis"),
            ("x1c0b0", "ChassisBMC"),
            ("x1c0b0i3", "ChassisBMCNic"),
            ("x1c0f0", "CMMFpga"),
            ("x1c0t9", "CMMRectifier"),
            ("x1c0s35", "ComputeModule"),
            ("x1c0w12", "MgmtSwitch"),
            ("x1c0w1j48", "MgmtSwitchConnector"),
            ("x1c0h33", "MgmtHLSwitchEnclosure"),
            ("x1c0h1s9", "MgmtHLSwitch"),
            ("x1c0s0b1", "NodeBMC"),
            ("x1c0s0b0i0", "NodeBMCNic"),
            ("x1c0s0e0", "NodeEnclosure"),
            ("x1c0s0e0t2", "NodeEnclosurePowerSupply"),
            ("x1c0s0b0f0", "NodeFpga"),
            ("x1c0s0j1", "NodePowerConnector"),
            ("x1c0s0v2", "NodePowerConnector"),
            ("x1c0s0b0n0", "Node"),
            ("x1c0s0b0n0v4", "VirtualNode"),
            ("x1c0s0b0n0i3", "NodeNic"),
            ("x1c0s0b0n0h0", "NodeHsnNic"),
            ("x1c0s0b0n0a8", "NodeAccel"),
            ("x1c0s0b0n0r7", "NodeAccelRiser"),
            ("x1c0s0b0n0d16", "Memory"),
            ("x1c0s0b0n0p3", "Processor"),
            ("x1c0s0b0n0g0", "StorageGroup"),
            ("x1c0s0b0n0g0k11", "Drive"),
            ("x1c0r7", "RouterModule"),
            ("x1c0r7b0", "RouterBMC"),
            ("x1c0r7b0i1", "RouterBMCNic"),
            ("x1c0r7f1", "RouterFpga"),
            ("x1c0r7t0", "RouterTOR"),
            ("x1c0r7t0f1", "RouterTORFpga"),
            ("x1c0r7v2", "RouterPowerConnector"),
            ("x1c0r7e0", "HSNBoard"),
            ("x1c0r7a3", "HSNAsic"),
            ("x1c0r7a3l63", "HSNLink"),
            ("x1c0r7j32", "HSNConnector"),
            ("x1c0r7j32p2", "HSNConnectorPort"),
        ];
        let mut seen = std::collections::BTreeSet::new();
        for (text, kind) in examples {
            assert_eq!(xname(text).hms_type().as_str(), kind, "{text}");
            seen.insert(kind);
        }
        // All but the three wildcards and INVALID.
        assert_eq!(seen.len(), HmsType::ALL.len() - 4);
    }

    #[test]
    fn what_smd_refuses_is_refused() {
        let long = format!("x0c0s{}", "1".repeat(60));
        for wrong in [
            "",
            " ",
            "x",
            "all",
            "all_comp",
            "invalid",
            "x10000",
            "x1c8",
            "x1c0s0b0n",
            "x1c0s0b0n0z1",
            "x1c0w0",
            "x1m4",
            "x1c0s0j3",
            "s1",
            "p1x2",
            "x1c0s0b0n0p4",
            "x１c0",
            "x1 c0",
            "x1c0s0b0n0\0",
            "../etc",
            &long,
        ] {
            assert!(wrong.parse::<Xname>().is_err(), "{wrong:?}");
        }
        let error = "x1c9".parse::<Xname>().unwrap_err().to_string();
        assert!(
            error.contains("`x1c9` is not an xname") && error.contains("x1000c0s0b0n0"),
            "{error}"
        );
    }

    #[test]
    fn the_parent_is_one_level_up() {
        let chain: Vec<String> = std::iter::successors(Some(xname("x1000c0s0b0n0v1")), Xname::parent)
            .map(|x| x.to_string())
            .collect();
        assert_eq!(
            chain,
            [
                "x1000c0s0b0n0v1",
                "x1000c0s0b0n0",
                "x1000c0s0b0",
                "x1000c0s0",
                "x1000c0",
                "x1000",
                "s0"
            ]
        );
        assert_eq!(xname("d3").parent(), Some(xname("s0")));
        for top in ["s0", "p1", "p1.2", "sms4"] {
            assert_eq!(xname(top).parent(), None, "{top}");
        }
    }

    #[test]
    fn what_lies_below_a_place_is_within_it() {
        let within = |id: &str, place: &str| {
            let (id, place): (Xname, Xname) = (id.parse().unwrap(), place.parse().unwrap());
            id.is_within(&place)
        };
        for place in ["x1c0s1b0n0", "x1c0s1b0", "x1c0s1", "x1c0", "x1", "s0"] {
            assert!(within("x1c0s1b0n0", place), "{place}");
        }
        for place in ["x1c0s1b0n1", "x1c0s10", "x1c1", "x10", "x1c0s1b0n0p0"] {
            assert!(!within("x1c0s1b0n0", place), "{place}");
        }
        assert!(!within("x10c0", "x1") && within("s0", "s0") && within("d0w1", "s0"));
        assert!(!within("p1", "s0") && !within("s0", "x1"));
    }

    #[test]
    fn nodes_are_what_boots() {
        assert!(xname("x0c0s0b0n0").is_node() && xname("x0c0s0b0n0v0").is_node());
        assert!(!xname("x0c0s0b0").is_node() && !xname("x0c0s0b0n0i0").is_node());
    }

    /// A text that a pattern describes, with leading zeros and upper case strewn in.
    fn spelled() -> impl Strategy<Value = String> {
        let patterns: Vec<&'static str> = HmsType::ALL.iter().flat_map(|t| t.patterns()).copied().collect();
        let noise = proptest::collection::vec((1..1000_u32, any::<bool>(), 0..3_usize), 40);
        (proptest::sample::select(patterns), noise).prop_map(|(pattern, noise)| spell(pattern, &noise))
    }

    fn spell(pattern: &str, noise: &[(u32, bool, usize)]) -> String {
        let (mut text, mut noise) = (String::new(), noise.iter());
        let mut pattern = pattern.bytes();
        while let Some(step) = pattern.next() {
            let (number, upper, zeros) = *noise.next().unwrap();
            match step {
                b'#' | b'%' | b'@' => text.push_str(&format!("{}{number}", "0".repeat(zeros))),
                b'[' => {
                    let (low, _, high, _) = (pattern.next(), pattern.next(), pattern.next(), pattern.next());
                    let span = u32::from(high.unwrap() - low.unwrap()) + 1;
                    let digit = char::from(low.unwrap() + u8::try_from(number % span).unwrap());
                    text.push_str(&"0".repeat(zeros));
                    text.push(digit);
                }
                letter if upper => text.push(char::from(letter.to_ascii_uppercase())),
                letter => text.push(char::from(letter)),
            }
        }
        text
    }

    proptest! {
        #[test]
        fn display_and_parse_are_inverse(text in spelled()) {
            prop_assume!(text.len() <= XNAME_LENGTH_MAX);
            let parsed: Xname = text.parse().unwrap();
            prop_assert_eq!(&parsed.to_string().parse::<Xname>().unwrap(), &parsed);
            prop_assert_eq!(parsed.as_str(), parsed.as_str().to_lowercase());
            let numbers = parsed.as_str().split(|c: char| !c.is_ascii_digit());
            prop_assert!(numbers.into_iter().all(|n| n.len() < 2 || !n.starts_with('0')), "{}", parsed);
        }

        /// Exactly one type claims a name: the order of the table decides nothing.
        #[test]
        fn types_do_not_overlap(text in spelled()) {
            prop_assume!(text.len() <= XNAME_LENGTH_MAX);
            let parsed: Xname = text.parse().unwrap();
            let claims = HmsType::ALL.iter().filter(|kind| kind.describes(parsed.as_str()));
            prop_assert_eq!(claims.count(), 1);
        }

        #[test]
        fn hostile_text_never_panics(text in "\\PC{0,80}", junk in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = text.parse::<Xname>();
            let _ = String::from_utf8_lossy(&junk).parse::<Xname>();
        }
    }
}
