//! Options by their number in dnsmasq's words. It guesses from a value's look what it is: addresses, bytes with colons, a number, a
//! text; of some options it knows what they are, and refuses or misreads anything else.
//!
//! Source: `parse_dhcp_opt` in `src/option.c` and `opttab` in `src/dhcp-common.c` of dnsmasq 2.90.

use std::fmt::Write as _;

use crate::raw_option::RAW_OPTION_BYTES_MAX;
use crate::{RawOption, Subnet};

/// Options that are addresses: those that dnsmasq takes nothing else for, and others of which the RFCs say so.
const ADDRESSES: [u8; 25] = [
    4, 5, 7, 8, 9, 10, 11, 16, 21, 28, 32, 33, 41, 44, 45, 48, 49, 65, 68, 69, 70, 71, 72, 74, 150,
];
/// Options that are texts.
const TEXTS: [u8; 9] = [17, 18, 40, 64, 66, 67, 100, 101, 252];
/// A list of domains, a time and addresses of a client: dnsmasq makes their bytes itself, of other words.
const OWN_WORDS: [u8; 3] = [91, 92, 119];

/// Adds those of a subnet, and says which cannot be said. `boots`: options that a network boot needs are its own.
pub(super) fn add(body: &mut String, subnet: &Subnet, boots: bool) {
    let (tag, cidr) = (&subnet.name, &subnet.cidr);
    for option in subnet
        .options
        .iter()
        .filter(|option| !(boots && option.is_for_boot()))
    {
        let code = option.code;
        let _ = match value(option) {
            Ok(value) => writeln!(body, "dhcp-option=tag:{tag},{code},{value}"),
            Err(problem) => writeln!(body, "# {cidr}: option {code} is left out, {problem}"),
        };
    }
}

/// A value, or why dnsmasq cannot be told it.
fn value(option: &RawOption) -> Result<String, String> {
    let bytes = option.bytes();
    let no_such_value = || "dnsmasq takes no such value for it".to_owned();
    if bytes.len() > RAW_OPTION_BYTES_MAX {
        return Err(format!("it has more than {RAW_OPTION_BYTES_MAX} bytes"));
    }
    if OWN_WORDS.contains(&option.code) {
        return Err(no_such_value());
    }
    if ADDRESSES.contains(&option.code) {
        return addresses(&bytes).ok_or_else(no_such_value);
    }
    if TEXTS.contains(&option.code) {
        return text(&bytes).ok_or_else(no_such_value);
    }
    Ok(match bytes.as_slice() {
        // without a colon it would be a number, as long as dnsmasq thinks fit
        [one] => format!("{one}b"),
        many => joined(many.iter().map(|byte| format!("{byte:02x}")), ":"),
    })
}

fn addresses(bytes: &[u8]) -> Option<String> {
    let (addresses, rest) = bytes.as_chunks::<4>();
    let shown = addresses
        .iter()
        .map(|address| std::net::Ipv4Addr::from(*address).to_string());
    rest.is_empty().then(|| joined(shown, ","))
}

/// In quotes nothing has a meaning but the quote and the backslash.
fn text(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    let is_plain = !text.is_empty() && !text.chars().any(char::is_control);
    is_plain.then(|| format!("\"{}\"", text.replace('\\', r"\\").replace('"', "\\\"")))
}

fn joined(parts: impl Iterator<Item = String>, sign: &str) -> String {
    parts.collect::<Vec<_>>().join(sign)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(code: u8, hex: &str) -> String {
        let hex = hex.to_owned();
        let subnet = Subnet {
            cidr: "10.1.0.0/16".to_owned(),
            name: "a".to_owned(),
            options: vec![RawOption { code, hex }],
            ..Subnet::default()
        };
        let mut body = String::new();
        add(&mut body, &subnet, false);
        body
    }

    #[test]
    fn a_value_looks_as_what_it_is() {
        for (code, hex, expected) in [
            (43, "0104ff", "43,01:04:ff"),
            (224, "0000", "224,00:00"),
            (46, "08", "46,8b"),
            (224, "ff", "224,255b"),
            (7, "0a0100040a010005", "7,10.1.0.4,10.1.0.5"),
            (150, "0a010004", "150,10.1.0.4"),
            (17, "2f613a62", "17,\"/a:b\""),
            (17, "22205c", r#"17,"\" \\""#),
            // digits alone would be a number
            (67, "3132", "67,\"12\""),
            (121, "180a01020a010001", "121,18:0a:01:02:0a:01:00:01"),
        ] {
            assert_eq!(
                told(code, hex),
                format!("dhcp-option=tag:a,{expected}\n"),
                "{code} {hex}"
            );
        }
    }

    /// dnsmasq would refuse the whole file, or send something else.
    #[test]
    fn what_dnsmasq_cannot_be_told_is_named() {
        for (code, hex, problem) in [
            (7, "0a0100", "dnsmasq takes no such value for it"),
            (17, "0a0a", "dnsmasq takes no such value for it"),
            (17, "ff", "dnsmasq takes no such value for it"),
            (119, "0161016200", "dnsmasq takes no such value for it"),
            (224, &"00".repeat(256), "it has more than 255 bytes"),
        ] {
            let expected = format!("# 10.1.0.0/16: option {code} is left out, {problem}\n");
            assert_eq!(told(code, hex), expected);
        }
        assert!(told(224, &"00".repeat(255)).starts_with("dhcp-option=tag:a,224,00:00:"));
    }

    #[test]
    fn a_line_break_in_a_text_begins_no_line_of_the_file() {
        assert_eq!(told(66, "610a646863702d626f6f743d62").lines().count(), 1);
        assert_eq!(told(66, "61e280a862").lines().count(), 1);
    }
}
