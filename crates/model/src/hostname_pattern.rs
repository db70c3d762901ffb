//! A pattern of host names as coresmd has it, e.g. `nid{04d}` or `{id}-bmc`.

use std::fmt;
use std::str::FromStr;

use crate::{InvalidValue, Nid, Xname};

/// Longest pattern, in bytes.
pub const HOSTNAME_PATTERN_BYTES_MAX: usize = 128;
/// Longest host name (RFC 1035), in bytes.
const HOSTNAME_BYTES_MAX: usize = 253;
/// Longest part of it between dots, in bytes.
const LABEL_BYTES_MAX: usize = 63;
/// Digits that the largest NID has.
const NID_DIGITS_MAX: usize = 20;

/// Text with placeholders: `{id}` is the xname, `{4d}` and `{04d}` the NID with at least four digits, filled up with
/// zeros. Written back each width has its zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostnamePattern(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Nid { digits: usize },
    Id,
}

/// Whom a host name can mean by a pattern; whether the name is that component's is another question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// The owner of a NID.
    Nid(Nid),
    /// A component.
    Component(Xname),
    /// Anyone: the pattern has no placeholder.
    Anyone,
}

impl HostnamePattern {
    /// The name of a component. `None` where the pattern needs a NID and there is none, and where the name would be too long.
    pub fn hostname(&self, nid: Option<Nid>, xname: &Xname) -> Option<String> {
        let mut name = String::with_capacity(32);
        for part in &self.0 {
            match part {
                Part::Text(text) => name.push_str(text),
                Part::Id => name.push_str(xname.as_str()),
                Part::Nid { digits } => {
                    let number = format!("{:0digits$}", nid?.0);
                    name.push_str(&number);
                }
            }
        }
        is_hostname(&name).then_some(name)
    }

    /// Whether every component would get the same name.
    pub fn is_constant(&self) -> bool {
        self.0.iter().all(|part| matches!(part, Part::Text(_)))
    }

    /// Whom a name in any case of its letters can mean, by the first placeholder: the way back from
    /// [`HostnamePattern::hostname`], which says whether it is so.
    pub fn candidates(&self, hostname: &str) -> Vec<Named> {
        let mut parts = self.0.iter().peekable();
        let mut rest = hostname;
        if let Some(Part::Text(text)) = parts.peek() {
            match rest.split_at_checked(text.len()) {
                Some((begins, behind)) if begins.eq_ignore_ascii_case(text) => rest = behind,
                Some(_) | None => return vec![],
            }
            parts.next();
        }
        match parts.next() {
            None if rest.is_empty() => vec![Named::Anyone],
            Some(Part::Nid { digits }) => nids(rest, *digits).collect(),
            Some(Part::Id) => xnames(rest, parts.next()).collect(),
            // a text follows no text
            Some(Part::Text(_)) | None => vec![],
        }
    }
}

/// The NIDs that a text may begin with: a longer one has no zeros in front.
fn nids(text: &str, digits_min: usize) -> impl Iterator<Item = Named> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let longest = digits.min(NID_DIGITS_MAX.max(digits_min));
    (digits_min..=longest).filter_map(|length| text[..length].parse().ok().map(Named::Nid))
}

/// The xnames that a text may begin with where `next` follows; each ends with a number.
fn xnames<'a>(text: &'a str, next: Option<&'a Part>) -> impl Iterator<Item = Named> + 'a {
    let letters = text.bytes().take_while(u8::is_ascii_alphanumeric).count();
    let fits = move |length: &usize| {
        let (id, behind) = text.split_at(*length);
        let follows = match next {
            None => behind.is_empty(),
            Some(Part::Text(next)) => behind
                .get(..next.len())
                .is_some_and(|begins| begins.eq_ignore_ascii_case(next)),
            Some(Part::Nid { .. } | Part::Id) => true,
        };
        follows && id.ends_with(|c: char| c.is_ascii_digit())
    };
    let lengths = (1..=letters.min(crate::XNAME_LENGTH_MAX)).filter(fits);
    lengths.filter_map(|length| text[..length].parse().ok().map(Named::Component))
}

fn is_hostname(name: &str) -> bool {
    let is_label = |label: &str| {
        let known = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        (1..=LABEL_BYTES_MAX).contains(&label.len())
            && label.bytes().all(known)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= HOSTNAME_BYTES_MAX && name.split('.').all(is_label)
}

impl FromStr for HostnamePattern {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let refuse = |accepted: &str| InvalidValue::new("a pattern of host names", text, accepted);
        if text.len() > HOSTNAME_PATTERN_BYTES_MAX {
            return Err(refuse("it is longer than 128 bytes"));
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('{') {
            let (placeholder, behind) = behind.split_once('}').ok_or_else(|| refuse("a `{` has no `}`"))?;
            push_text(&mut parts, before);
            parts.push(placeholder_of(placeholder).ok_or_else(|| {
                let accepted = format!(
                    "it knows no `{{{placeholder}}}`; write {{id}} for the xname, {{04d}} for a NID of 1 to {NID_DIGITS_MAX} digits"
                );
                refuse(&accepted)
            })?);
            rest = behind;
        }
        push_text(&mut parts, rest);
        let pattern = HostnamePattern(parts);
        match pattern.example() {
            Some(name) if name.contains(|c: char| c.is_ascii_alphabetic()) => Ok(pattern),
            Some(_) => Err(refuse("a name without any letter would be taken for an address")),
            None => Err(refuse(
                "write letters, digits and dashes, with dots between parts, e.g. nid{04d} or {id}-bmc",
            )),
        }
    }
}

impl HostnamePattern {
    fn example(&self) -> Option<String> {
        self.hostname(Some(Nid(1)), &"x0c0s0b0n0".parse().ok()?)
    }
}

fn push_text(parts: &mut Vec<Part>, text: &str) {
    if !text.is_empty() {
        parts.push(Part::Text(text.to_owned()));
    }
}

fn placeholder_of(text: &str) -> Option<Part> {
    if text == "id" {
        return Some(Part::Id);
    }
    let digits = text.strip_suffix('d')?;
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let digits: usize = digits.parse().ok().filter(|_| is_number)?;
    // coresmd's `{0d}` is a width of nothing: as many digits as the NID has
    (digits <= NID_DIGITS_MAX).then_some(Part::Nid {
        digits: digits.max(1),
    })
}

impl fmt::Display for HostnamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.0 {
            match part {
                Part::Text(text) => f.write_str(text)?,
                Part::Id => f.write_str("{id}")?,
                Part::Nid { digits } => write!(f, "{{{digits:02}d}}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pattern(text: &str) -> HostnamePattern {
        text.parse().unwrap()
    }

    fn xname(text: &str) -> Xname {
        text.parse().unwrap()
    }

    /// Source of the first four: the documentation of coresmd's `ExpandHostnamePattern`.
    #[test]
    fn placeholders_are_filled_as_coresmd_does() {
        let cases = [
            ("nid{04d}", Some(1), "nid0001"),
            ("dev-s{02d}", Some(5), "dev-s05"),
            ("bmc{03d}", Some(42), "bmc042"),
            ("{id}", None, "x3000c0s0b1"),
            ("nid{4d}", Some(1), "nid0001"),
            ("nid{2d}", Some(12_345), "nid12345"),
            ("n{0d}", Some(7), "n7"),
            ("{id}-{03d}.hsn{1d}", Some(9), "x3000c0s0b1-009.hsn9"),
            ("login", Some(9), "login"),
        ];
        for (text, nid, expected) in cases {
            let name = pattern(text).hostname(nid.map(Nid), &xname("x3000c0s0b1"));
            assert_eq!(name.as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn without_a_nid_there_is_no_name_with_one() {
        assert_eq!(pattern("nid{04d}").hostname(None, &xname("x0c0s0b0")), None);
    }

    #[test]
    fn a_name_that_dns_could_not_say_is_none() {
        let pattern = pattern(&format!("{}{{20d}}", "n".repeat(43)));
        assert!(pattern.hostname(Some(Nid(1)), &xname("x0c0s0b0n0")).is_some());
        let longer: HostnamePattern = format!("{}{{1d}}", "n".repeat(62)).parse().unwrap();
        assert_eq!(longer.hostname(Some(Nid(10)), &xname("x0c0s0b0n0")), None);
    }

    #[test]
    fn what_is_no_pattern_is_refused_with_the_reason() {
        for (text, reason) in [
            ("", "write letters"),
            ("nid{04d", "no `}`"),
            ("nid{}", "no `{}`"),
            ("nid{d}", "no `{d}`"),
            ("nid{21d}", "1 to 20 digits"),
            ("nid{+4d}", "no `{+4d}`"),
            ("{xname}", "no `{xname}`"),
            ("a b{id}", "write letters"),
            ("a\n{id}", "write letters"),
            ("a}{id}", "write letters"),
            ("-{id}", "write letters"),
            ("a..{id}", "write letters"),
            ("{04d}", "without any letter"),
            ("10.97.2.{1d}", "without any letter"),
        ] {
            let problem = text.parse::<HostnamePattern>().unwrap_err().to_string();
            assert!(problem.contains(reason), "{text:?}: {problem}");
        }
        assert!("n".repeat(129).parse::<HostnamePattern>().is_err());
    }

    #[test]
    fn the_text_is_read_back() {
        for (text, normal) in [
            ("nid{4d}", "nid{04d}"),
            ("{id}-{012d}b", "{id}-{12d}b"),
            ("a", "a"),
        ] {
            assert_eq!(pattern(text).to_string(), normal);
            assert_eq!(pattern(normal), pattern(text));
        }
    }

    #[test]
    fn a_name_says_whom_it_may_mean() {
        let nid = |n| Named::Nid(Nid(n));
        assert_eq!(pattern("nid{04d}").candidates("NID0012"), [nid(12)]);
        assert_eq!(pattern("nid{02d}").candidates("nid012"), [nid(1), nid(12)]);
        let component = |id: &str| Named::Component(xname(id));
        assert_eq!(pattern("{id}").candidates("x0c0s0b0"), [component("x0c0s0b0")]);
        assert_eq!(
            pattern("a{id}-x").candidates("aX0c0s0b0-X"),
            [component("x0c0s0b0")]
        );
        let ambiguous = ["x0", "x0c0", "x0c0s1", "x0c0s10", "x0c0s107"].map(component);
        assert_eq!(pattern("{id}{01d}").candidates("x0c0s107"), ambiguous);
        assert_eq!(pattern("login").candidates("Login"), [Named::Anyone]);
        for (text, name) in [
            ("nid{04d}", "nid12"),
            ("nid{04d}", "node0012"),
            ("nid{04d}", "ni"),
            ("nid{04d}", "ni\u{e9}0012"),
            ("{id}", ""),
            ("login", "login1"),
        ] {
            assert_eq!(pattern(text).candidates(name), [], "{text} {name}");
        }
    }

    proptest! {
        #[test]
        fn every_name_leads_back_to_its_owner(
            text in "(n|\\{id\\}|[a-z0-9]{0,2})(\\{0[1-9]d\\})?([a-z0-9-]{0,2}x|\\{id\\})", nid: u64, cabinet in 0..1200_u32,
        ) {
            let Ok(pattern) = text.parse::<HostnamePattern>() else { return Ok(()) };
            let xname = xname(&format!("x{cabinet}c0s1b0n1"));
            let Some(name) = pattern.hostname(Some(Nid(nid)), &xname) else { return Ok(()) };
            let is_owner = |named: &Named| match named {
                Named::Nid(of) => of.0 == nid,
                Named::Component(of) => *of == xname,
                Named::Anyone => pattern.is_constant(),
            };
            prop_assert!(pattern.candidates(&name.to_ascii_uppercase()).iter().any(is_owner), "{} {}", text, name);
        }
    }
}
