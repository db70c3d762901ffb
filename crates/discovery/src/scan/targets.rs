//! One target as an administrator writes it.

use std::net::IpAddr;

use model::IpNet;
use redfish::Address;

use super::ranges::Range;
use crate::Invalid;

/// Source: RFC 1123.
const HOST_NAME_BYTES_MAX: usize = 253;
const LABEL_BYTES_MAX: usize = 63;

pub(super) enum Target {
    /// One address, or a range of them.
    Range(Range),
    Network(IpNet),
    /// A host name, in lower case.
    Name(String),
    /// With a port of its own.
    Place(Address),
}

/// Reads one of `targets` or `excludes`.
///
/// # Errors
/// `Invalid` with what is accepted.
pub(super) fn target(field: &str, text: &str) -> Result<Target, Invalid> {
    let text = text.trim();
    if text.contains("://") {
        return place(field, text);
    }
    if text.contains('/') {
        let network: Result<IpNet, _> = text.parse();
        let network = network.map_err(|problem| Invalid::new(field, problem.to_string()));
        return network.map(Target::Network);
    }
    if let Some(range) = range(field, text) {
        return range.map(Target::Range);
    }
    if let Some(address) = address(text) {
        let one = Range::of(address, address);
        return one.map(Target::Range).ok_or_else(|| not_a_target(field, text));
    }
    if text.contains(':') {
        return place(field, text);
    }
    let name = text.strip_suffix('.').unwrap_or(text);
    match is_host_name(name) {
        true => Ok(Target::Name(name.to_ascii_lowercase())),
        false => Err(not_a_target(field, text)),
    }
}

fn place(field: &str, text: &str) -> Result<Target, Invalid> {
    let address: Result<Address, _> = text.to_ascii_lowercase().parse();
    match address {
        Ok(address) => Ok(Target::Place(address)),
        Err(problem) => Err(Invalid::new(field, problem.to_string())),
    }
}

/// `None`: the text is no range. A host name may have a dash, too.
fn range(field: &str, text: &str) -> Option<Result<Range, Invalid>> {
    let (first, last) = text.split_once('-')?;
    let first = address(first.trim())?;
    let range = address(last.trim()).and_then(|last| Range::of(first, last));
    Some(range.ok_or_else(|| {
        let problem = format!("`{}` is no range: write two addresses of one version of IP, the lower one first, e.g. 10.1.0.10-10.1.0.99", shown(text));
        Invalid::new(field, problem)
    }))
}

/// IPv6 with or without brackets.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    bare.unwrap_or(text).parse().ok()
}

/// A name whose last label is a number would be an address that was mistyped.
fn is_host_name(text: &str) -> bool {
    let mut labels = text.split('.');
    let is_label = |label: &str| {
        let letters = label
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        letters
            && (1..=LABEL_BYTES_MAX).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last_is_number = labels
        .clone()
        .next_back()
        .is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
    text.len() <= HOST_NAME_BYTES_MAX && !last_is_number && labels.all(is_label)
}

fn not_a_target(field: &str, text: &str) -> Invalid {
    let problem = format!(
        "`{}` is no target: write an address (10.1.0.7, fd00::7), a network (10.1.0.0/24), a range (10.1.0.10-10.1.0.99) or a host name",
        shown(text)
    );
    Invalid::new(field, problem)
}

/// At most 64 characters of it, none of which moves a terminal's cursor.
fn shown(text: &str) -> String {
    text.chars().take(64).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(text: &str) -> String {
        match target("targets[0]", text) {
            Ok(Target::Range(range)) => format!("range of {}", range.count()),
            Ok(Target::Network(network)) => format!("network {network}"),
            Ok(Target::Name(name)) => format!("name {name}"),
            Ok(Target::Place(address)) => format!("place {address}"),
            Err(invalid) => invalid.to_string(),
        }
    }

    #[test]
    fn every_way_to_write_a_target_is_understood() {
        for (text, expected) in [
            ("10.1.0.7", "range of 1"),
            (" fd00::7 ", "range of 1"),
            ("[fd00::7]", "range of 1"),
            ("10.1.0.10-10.1.0.99", "range of 90"),
            ("fd00::1 - fd00::10", "range of 16"),
            ("10.1.0.0/24", "network 10.1.0.0/24"),
            ("fd00::/120", "network fd00::/120"),
            ("BMC-1.lab.", "name bmc-1.lab"),
            ("x1000c0s0b0", "name x1000c0s0b0"),
            ("10.1.0.7:8443", "place 10.1.0.7:8443"),
            ("[fd00::7]:8443", "place [fd00::7]:8443"),
            ("https://10.1.0.7", "place 10.1.0.7:443"),
            ("bmc-1.lab:5000", "place bmc-1.lab:5000"),
        ] {
            assert_eq!(kind(text), expected, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_what_is_accepted() {
        for (text, hint) in [
            ("", "10.1.0.0/24"),
            ("10.1.0.300", "10.1.0.0/24"),
            ("10.1.0", "10.1.0.0/24"),
            ("a b", "a host name"),
            ("-bmc", "a host name"),
            ("a..b", "a host name"),
            ("bmc\u{1b}[2J", "\\u{1b}"),
            ("10.1.0.7/24", "10.1.0.0/24"),
            ("10.1.0.9-10.1.0.7", "the lower one first"),
            ("10.1.0.9-fd00::1", "the lower one first"),
            ("10.1.0.9-", "the lower one first"),
        ] {
            let refused = kind(text);
            assert!(
                refused.starts_with("targets[0]: ") && refused.contains(hint),
                "{text}: {refused}"
            );
        }
        let long = "a".repeat(10_000);
        assert!(kind(&long).len() < 400);
    }
}
