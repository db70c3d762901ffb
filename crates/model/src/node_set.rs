//! Many places by one text, e.g. `x[1000-1003]c*s*b0n0`.

use std::fmt;
use std::str::FromStr;

use crate::{InvalidValue, Xname};

/// Longest nodeset accepted, in bytes.
pub const NODE_SET_LENGTH_MAX: usize = 255;
/// Ranges of one number.
const RANGES_MAX: usize = 64;
/// Digits of a number in a range: those that every `u64` of so many digits has room for.
const DIGITS_MAX: usize = 18;

/// An xname in which a number may be `*` (any) or a list of numbers and ranges in brackets (`[0-3,7]`). It holds each
/// place that it describes and everything below it: `x[1000-1003]` holds all nodes of four cabinets.
///
/// In normal form: lower case, no leading zeros, ranges sorted and joined, no brackets around one number.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeSet {
    levels: Vec<Level>,
    /// The place with the lowest numbers: what type of place it is.
    lowest: Xname,
}

/// Letters and what may stand behind them.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Level {
    letters: String,
    numbers: Numbers,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Numbers {
    Any,
    /// From and to, both included; sorted, with a gap between any two. Never empty.
    Ranges(Vec<(u64, u64)>),
}

impl NodeSet {
    /// The one place that it describes, if there are no others.
    pub fn as_xname(&self) -> Option<&Xname> {
        let is_one =
            |level: &Level| matches!(&level.numbers, Numbers::Ranges(r) if r.len() == 1 && r[0].0 == r[0].1);
        self.levels.iter().all(is_one).then_some(&self.lowest)
    }

    /// The place with the lowest numbers; all its places are of the same type.
    pub fn lowest(&self) -> &Xname {
        &self.lowest
    }

    /// Whether `xname` is one of its places, or below one.
    pub fn contains(&self, xname: &Xname) -> bool {
        let mut rest = xname.as_str();
        for level in &self.levels {
            let Some(below) = level.strip(rest) else {
                return false;
            };
            rest = below;
        }
        true
    }

    /// Whether each of its places is one of `other`'s, or below one.
    pub fn is_within(&self, other: &NodeSet) -> bool {
        let mut levels = self.levels.iter().zip(&other.levels);
        self.levels.len() >= other.levels.len()
            && levels
                .all(|(own, other)| own.letters == other.letters && own.numbers.is_within(&other.numbers))
    }

    /// The nodesets of a list: separated by commas outside of brackets.
    ///
    /// # Errors
    /// `InvalidValue` for the first that is none.
    pub fn list(text: &str) -> Result<Vec<NodeSet>, InvalidValue> {
        let mut inside = false;
        let parts = text.split(|c: char| {
            inside = match c {
                '[' => true,
                ']' => false,
                _ => inside,
            };
            c == ',' && !inside
        });
        parts.map(str::parse).collect()
    }
}

impl Level {
    /// What follows these letters and one of these numbers.
    fn strip<'a>(&self, text: &'a str) -> Option<&'a str> {
        let rest = text.strip_prefix(self.letters.as_str())?;
        let end = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, below) = rest.split_at(end);
        let number = digits.parse().ok()?;
        self.numbers.contains(number).then_some(below)
    }

    fn lowest(&self) -> u64 {
        match &self.numbers {
            Numbers::Any => 0,
            Numbers::Ranges(ranges) => ranges.first().map_or(0, |range| range.0),
        }
    }
}

impl Numbers {
    fn contains(&self, number: u64) -> bool {
        match self {
            Numbers::Any => true,
            Numbers::Ranges(ranges) => ranges.iter().any(|(from, to)| (*from..=*to).contains(&number)),
        }
    }

    /// Whether each of these numbers is one of `other`'s. Ranges have gaps between them, so each lies in one of the other's.
    fn is_within(&self, other: &Numbers) -> bool {
        match (self, other) {
            (_, Numbers::Any) => true,
            (Numbers::Any, Numbers::Ranges(_)) => false,
            (Numbers::Ranges(own), Numbers::Ranges(others)) => own
                .iter()
                .all(|(from, to)| others.iter().any(|(first, last)| first <= from && to <= last)),
        }
    }

    /// What stands behind the letters, and the rest of the text.
    fn parse(text: &str) -> Option<(Numbers, &str)> {
        if let Some(rest) = text.strip_prefix('*') {
            return Some((Numbers::Any, rest));
        }
        if let Some(rest) = text.strip_prefix('[') {
            let (list, rest) = rest.split_once(']')?;
            return Some((Numbers::of_list(list)?, rest));
        }
        let end = text.bytes().take_while(u8::is_ascii_digit).count();
        let number = number(&text[..end])?;
        Some((Numbers::Ranges(vec![(number, number)]), &text[end..]))
    }

    fn of_list(text: &str) -> Option<Numbers> {
        let mut ranges = Vec::new();
        for item in text.split(',') {
            let (from, to) = item.split_once('-').unwrap_or((item, item));
            let (from, to) = (number(from)?, number(to)?);
            if from > to || ranges.len() >= RANGES_MAX {
                return None;
            }
            ranges.push((from, to));
        }
        ranges.sort_unstable();
        let mut joined: Vec<(u64, u64)> = Vec::with_capacity(ranges.len());
        for (from, to) in ranges {
            match joined.last_mut() {
                Some(last) if from <= last.1 + 1 => last.1 = last.1.max(to),
                _ => joined.push((from, to)),
            }
        }
        Some(Numbers::Ranges(joined))
    }
}

fn number(digits: &str) -> Option<u64> {
    let is_number = (1..=DIGITS_MAX).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| digits.parse().ok()).flatten()
}

impl FromStr for NodeSet {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        parse(text).ok_or_else(|| {
            let accepted =
                "write an xname whose numbers may be * or a list in brackets, e.g. x[1000-1003]c*s*b0n0";
            InvalidValue::new("a nodeset", text, accepted)
        })
    }
}

fn parse(text: &str) -> Option<NodeSet> {
    let lower = text.trim().to_ascii_lowercase();
    if lower.len() > NODE_SET_LENGTH_MAX {
        return None;
    }
    let (mut levels, mut rest) = (Vec::new(), lower.as_str());
    while !rest.is_empty() {
        let end = rest.bytes().take_while(u8::is_ascii_lowercase).count();
        let (letters, behind) = rest.split_at(end);
        let (numbers, below) = Numbers::parse(behind)?;
        if letters.is_empty() {
            return None;
        }
        levels.push(Level {
            letters: letters.to_owned(),
            numbers,
        });
        rest = below;
    }
    let lowest: String = levels
        .iter()
        .map(|level| format!("{}{}", level.letters, level.lowest()))
        .collect();
    let lowest = lowest.parse().ok()?;
    Some(NodeSet { levels, lowest })
}

impl fmt::Display for NodeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Level { letters, numbers } in &self.levels {
            f.write_str(letters)?;
            match numbers {
                Numbers::Any => f.write_str("*")?,
                Numbers::Ranges(ranges) if matches!(ranges[..], [(from, to)] if from == to) => {
                    write!(f, "{}", ranges[0].0)?;
                }
                Numbers::Ranges(ranges) => {
                    let shown = |(from, to): &(u64, u64)| match from == to {
                        true => from.to_string(),
                        false => format!("{from}-{to}"),
                    };
                    let shown: Vec<String> = ranges.iter().map(shown).collect();
                    write!(f, "[{}]", shown.join(","))?;
                }
            }
        }
        Ok(())
    }
}

impl fmt::Debug for NodeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn set(text: &str) -> NodeSet {
        text.parse().unwrap()
    }

    fn has(text: &str, xname: &str) -> bool {
        set(text).contains(&xname.parse().unwrap())
    }

    #[test]
    fn numbers_are_one_some_or_any() {
        for (text, inside, outside) in [
            ("x[1000-1003]c*s*b0n0", "x1003c7s31b0n0", "x1004c7s31b0n0"),
            ("x[1000-1003]c*s*b0n0", "x1000c0s0b0n0", "x1000c0s0b1n0"),
            ("x0c0s[0-3,7]b0n*", "x0c0s7b0n3", "x0c0s5b0n3"),
            ("x0c0s1b0n0", "x0c0s1b0n0", "x0c0s10b0n0"),
            ("x*", "x9999c0s0b0n0", "d0"),
        ] {
            assert!(has(text, inside), "{inside} in {text}");
            assert!(!has(text, outside), "{outside} not in {text}");
        }
    }

    /// As with a watch: a place means what is in it.
    #[test]
    fn what_is_below_a_place_is_in_the_set() {
        for place in ["x1", "x1c0", "x1c*s1", "x1c0s1b0", "x1c0s1b0n0"] {
            assert!(has(place, "x1c0s1b0n0"), "{place}");
        }
        assert!(!has("x1c0s1", "x1c0s10b0n0") && !has("x1c0s1b0n0", "x1c0s1b0"));
        assert!(has("x1c0s1b0n0", "x1c0s1b0n0v2"));
    }

    #[test]
    fn a_set_lies_within_another_if_all_its_places_do() {
        for (inner, outer) in [
            ("x1c0s0b0n0", "x1c0s0b0n0"),
            ("x1c0s0b0n0", "x1"),
            ("x[1-2]c*s0", "x[1-3]c*"),
            ("x[1,3]", "x[1,3-5]"),
            ("x7c*", "x*"),
        ] {
            assert!(set(inner).is_within(&set(outer)), "{inner} in {outer}");
            assert!(
                inner == outer || !set(outer).is_within(&set(inner)),
                "{outer} in {inner}"
            );
        }
        for (inner, outer) in [
            ("x*", "x[0-9]"),
            ("x[1-5]", "x[1-2,4-5]"),
            ("d0", "x0"),
            ("x1", "x1c0"),
        ] {
            assert!(!set(inner).is_within(&set(outer)), "{inner} in {outer}");
        }
    }

    #[test]
    fn one_set_has_one_spelling() {
        for (given, normal) in [
            (" X01000C0s00b0n0 ", "x1000c0s0b0n0"),
            ("x[5]c0", "x5c0"),
            ("x[7,1-3,2-4,5]c0", "x[1-5,7]c0"),
            ("x[003-010]", "x[3-10]"),
            ("x*c*", "x*c*"),
        ] {
            assert_eq!(set(given).to_string(), normal, "{given}");
        }
    }

    #[test]
    fn a_set_of_one_place_is_that_place() {
        assert_eq!(set("x[1]c0s0b0n0").as_xname().unwrap().as_str(), "x1c0s0b0n0");
        assert_eq!(set("x[1-2]c0s0b0n0").as_xname(), None);
        assert_eq!(set("x*c0s0b0n0").as_xname(), None);
        assert_eq!(set("x[7-9]c*s0b0n0").lowest().as_str(), "x7c0s0b0n0");
    }

    #[test]
    fn a_list_is_cut_outside_of_brackets_only() {
        let list = NodeSet::list("x0c0s[0,2]b0n0, x1").unwrap();
        let texts: Vec<String> = list.iter().map(NodeSet::to_string).collect();
        assert_eq!(texts, ["x0c0s[0,2]b0n0", "x1"]);
        assert!(NodeSet::list("x0,,x1").is_err() && NodeSet::list("").is_err());
    }

    #[test]
    fn what_describes_no_place_is_refused() {
        let long = format!("x[{}]", "1,".repeat(200));
        let many = format!("x[{}]", vec!["1"; RANGES_MAX + 1].join(","));
        for wrong in [
            "",
            "*",
            "x",
            "x[]",
            "x[1",
            "x1]",
            "x[3-1]",
            "x[a]",
            "x[1-2-3]",
            "x[-1]",
            "x1c[8-9]",
            "nid[1-9]",
            "1000",
            "x1 c0",
            "x1\nc0",
            "x1*",
            "x[1]2",
            "x[9999999999999999999]",
            &long,
            &many,
        ] {
            assert!(wrong.parse::<NodeSet>().is_err(), "{wrong:?}");
        }
        let error = "x[3-1]".parse::<NodeSet>().unwrap_err().to_string();
        assert!(error.contains("x[1000-1003]c*s*b0n0"), "{error}");
    }

    proptest! {
        /// Against a set that lists its numbers.
        #[test]
        fn a_range_holds_what_lies_in_it(ranges in proptest::collection::vec((0..40_u64, 0..10_u64), 1..6), slot in 0..60_u64) {
            let items: Vec<String> = ranges.iter().map(|(from, more)| format!("{from}-{}", from + more)).collect();
            let text = format!("x0c0s[{}]b0n0", items.join(","));
            let expected = ranges.iter().any(|(from, more)| (*from..=from + more).contains(&slot));
            prop_assert_eq!(has(&text, &format!("x0c0s{slot}b0n0")), expected);
            let normal = set(&text);
            prop_assert_eq!(&set(&normal.to_string()), &normal);
        }

        /// Whoever may touch the outer set may touch each place of the inner one.
        #[test]
        fn what_is_in_the_inner_set_is_in_the_outer_one(
            inner in (0..6_u64, 0..4_u64), outer in (0..6_u64, 0..6_u64), slot in 0..14_u64
        ) {
            let of = |(from, more): (u64, u64)| set(&format!("x0c0s[{from}-{}]", from + more));
            let (inner, outer) = (of(inner), of(outer));
            let place = format!("x0c0s{slot}b0n0").parse().unwrap();
            if inner.is_within(&outer) && inner.contains(&place) {
                prop_assert!(outer.contains(&place));
            }
        }

        #[test]
        fn hostile_text_never_panics(text in "[x0-9\\[\\]*,-]{0,40}|\\PC{0,60}") {
            let _ = NodeSet::list(&text);
        }
    }
}
