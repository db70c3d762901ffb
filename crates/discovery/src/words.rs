//! What a BMC writes where it knows nothing, or fills up with blanks, as what it means.

use std::net::{IpAddr, Ipv4Addr};

use model::MacAddr;

/// Longest text that is kept of a BMC, bytes; the rest is cut off. As SMD keeps them.
pub(crate) const TEXT_BYTES_MAX: usize = 255;

/// Ways to say that there is nothing to say; real BMCs write each of them.
const NOTHING: [&str; 11] = [
    "n/a",
    "na",
    "none",
    "null",
    "unknown",
    "not available",
    "not specified",
    "not present",
    "default string",
    "to be filled by o.e.m.",
    "to be filled by oem",
];

/// A text in one line, bounded, without the blanks around it; empty where it says that there is none.
pub(crate) fn told(given: &str) -> String {
    let blanked = |c: char| if c.is_control() { ' ' } else { c };
    let line: String = given.trim().chars().map(blanked).take(TEXT_BYTES_MAX).collect();
    let mut line = line.trim().to_owned();
    while line.len() > TEXT_BYTES_MAX {
        line.pop();
    }
    let says_nothing = NOTHING.iter().any(|word| line.eq_ignore_ascii_case(word));
    match says_nothing {
        true => String::new(),
        false => line.trim_end().to_owned(),
    }
}

/// The first so many that say something.
pub(crate) fn told_all(given: &[String], most: usize) -> Vec<String> {
    let told = given.iter().map(|one| told(one));
    told.filter(|one| !one.is_empty()).take(most).collect()
}

/// A URI as a path: without scheme, host and a slash at its end. Empty if it is no path.
pub(crate) fn path(uri: &str) -> String {
    let uri = uri.trim();
    let behind_scheme = uri.split_once("://").map(|(_, rest)| rest);
    let path = match behind_scheme.or_else(|| uri.strip_prefix("//")) {
        Some(rest) => rest.find('/').map_or("", |at| &rest[at..]),
        None => uri,
    };
    match path.starts_with('/') && path.len() <= TEXT_BYTES_MAX && !path.contains(char::is_control) {
        true => path.trim_end_matches('/').to_owned(),
        false => String::new(),
    }
}

/// Whether two URIs of one BMC are the same, without making anything of them: a hostile BMC has many.
pub(crate) fn is_same(one: &str, other: &str) -> bool {
    let bare = |uri: &str| uri.trim_end_matches('/').len();
    let (one, other) = (&one[..bare(one)], &other[..bare(other)]);
    !one.is_empty() && one == other
}

/// The first so many paths.
pub(crate) fn paths(uris: &[String], most: usize) -> Vec<String> {
    let paths = uris.iter().map(|uri| path(uri));
    paths.filter(|path| !path.is_empty()).take(most).collect()
}

/// A MAC of one interface, normalised; empty if it is none: zeros, the broadcast address and those of groups are not.
pub(crate) fn mac(given: &str) -> String {
    let is_one = |mac: &MacAddr| mac.0 != [0; 6] && mac.0[0] & 1 == 0;
    let mac: Option<MacAddr> = given.trim().parse().ok();
    mac.filter(is_one).map_or_else(String::new, |mac| mac.to_string())
}

/// An address of one interface: none that every host has, or that means nothing beyond its link. Other addresses of 127.0.0.0/8
/// are those of emulated BMCs.
pub(crate) fn address(given: &str) -> Option<IpAddr> {
    let address: IpAddr = given.trim().parse().ok()?;
    let address = address.to_canonical();
    let is_of_all = match address {
        IpAddr::V4(address) => {
            address == Ipv4Addr::LOCALHOST || address.is_link_local() || address.is_broadcast()
        }
        IpAddr::V6(address) => address.is_loopback() || address.is_unicast_link_local(),
    };
    (!is_of_all && !address.is_unspecified() && !address.is_multicast()).then_some(address)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn padding_and_words_for_nothing_are_taken_off() {
        for (given, expected) in [
            (
                "AMD EPYC 7302P 16-Core Processor               ",
                "AMD EPYC 7302P 16-Core Processor",
            ),
            ("  ILOABC\u{0}\u{0}", "ILOABC"),
            ("a\r\nb", "a  b"),
            ("N/A", ""),
            (" Unknown ", ""),
            ("To Be Filled By O.E.M.", ""),
            ("None of these", "None of these"),
            ("", ""),
        ] {
            assert_eq!(told(given), expected, "{given:?}");
        }
    }

    #[test]
    fn a_uri_is_a_path() {
        for (given, expected) in [
            ("/redfish/v1/Systems/1/", "/redfish/v1/Systems/1"),
            ("https://10.0.0.1/redfish/v1/Systems/1", "/redfish/v1/Systems/1"),
            ("//bmc/redfish/v1", "/redfish/v1"),
            (
                "/redfish/v1/Chassis/1/Power#/PowerControl/0",
                "/redfish/v1/Chassis/1/Power#/PowerControl/0",
            ),
            ("https://root:secret@bmc", ""),
            ("Systems/1", ""),
            ("/a\nb", ""),
            ("/", ""),
        ] {
            assert_eq!(path(given), expected, "{given:?}");
        }
        assert_eq!(path(&format!("/{}", "a".repeat(300))), "");
        let uris = ["/a/".to_owned(), String::new(), "/b".to_owned(), "/c".to_owned()];
        assert_eq!(paths(&uris, 2), ["/a", "/b"]);
    }

    #[test]
    fn a_slash_at_the_end_makes_no_other_uri() {
        assert!(is_same("/redfish/v1/Systems/1/", "/redfish/v1/Systems/1"));
        assert!(!is_same("/redfish/v1/Systems/1", "/redfish/v1/Systems/10"));
        assert!(!is_same("", "/") && !is_same("", ""));
    }

    #[test]
    fn macs_and_addresses_of_nobody_are_none() {
        assert_eq!(mac("94:40:C9:37:D3:FC"), "94:40:c9:37:d3:fc");
        assert_eq!(mac(" a4-bf-01-28-90-aa "), "a4:bf:01:28:90:aa");
        for none in [
            "",
            "Not Available",
            "00:00:00:00:00:00",
            "ff:ff:ff:ff:ff:ff",
            "01:00:5e:00:00:01",
        ] {
            assert_eq!(mac(none), "", "{none}");
        }
        assert_eq!(address(" 10.254.1.15 "), Some("10.254.1.15".parse().unwrap()));
        assert_eq!(address("127.0.24.1"), Some("127.0.24.1".parse().unwrap()));
        assert_eq!(address("::ffff:10.0.0.1"), Some("10.0.0.1".parse().unwrap()));
        for none in [
            "",
            "N/A",
            "0.0.0.0",
            "::",
            "127.0.0.1",
            "169.254.1.1",
            "255.255.255.255",
            "fe80::1",
            "::1",
            "10.0.0.300",
            "224.0.0.1",
        ] {
            assert_eq!(address(none), None, "{none}");
        }
    }

    #[test]
    fn lists_are_bounded_and_without_gaps() {
        let given = [
            "On".to_owned(),
            "N/A".to_owned(),
            " Off ".to_owned(),
            "Nmi".to_owned(),
        ];
        assert_eq!(told_all(&given, 2), ["On", "Off"]);
    }

    proptest! {
        #[test]
        fn every_text_becomes_a_bounded_line(given in ".{0,600}") {
            let told = told(&given);
            prop_assert!(told.len() <= TEXT_BYTES_MAX && !told.contains(char::is_control));
            prop_assert_eq!(told.trim(), told.as_str());
            prop_assert!(path(&given).len() <= TEXT_BYTES_MAX);
            let _ = (mac(&given), address(&given));
        }
    }
}
