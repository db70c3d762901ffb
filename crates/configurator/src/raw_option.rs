//! Options of DHCP by their number, as subnets have them beside those with a field of their own.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use serde::Serialize;

/// Longest value that a DHCP server of another make is told, in bytes: longer ones are split on the wire, which not all of them do.
pub(crate) const RAW_OPTION_BYTES_MAX: usize = 255;
/// What a view takes at most of one, in bytes: as many as the cluster.
const BYTES_MAX: usize = 1024;
/// What a network boot needs: Chamois sends these only to clients that are given nothing to boot.
const FOR_BOOT: [u8; 5] = [43, 60, 66, 67, 175];

/// An option by its number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RawOption {
    /// 1 to 254.
    pub code: u8,
    /// Its bytes, two digits each, lower case.
    pub hex: String,
}

impl RawOption {
    /// `None` for what no cluster has stored: no bytes, or a code that a field says or the server answers for.
    pub(crate) fn of(option: &proto::dhcp::v1::RawOption) -> Option<RawOption> {
        let code = u8::try_from(option.code).ok().filter(|code| is_free(*code))?;
        let mut bytes = from_hex(&option.hex)?;
        bytes.extend_from_slice(option.text.as_bytes());
        for address in &option.addresses {
            bytes.extend(address.parse::<Ipv4Addr>().ok()?.octets());
        }
        if bytes.is_empty() || bytes.len() > BYTES_MAX {
            return None;
        }
        let mut hex = String::with_capacity(2 * bytes.len());
        for byte in bytes {
            let _ = write!(hex, "{byte:02x}");
        }
        Some(RawOption { code, hex })
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        from_hex(&self.hex).unwrap_or_default()
    }

    /// Whether it is left to the network boot where there is one.
    pub(crate) fn is_for_boot(&self) -> bool {
        FOR_BOOT.contains(&self.code)
    }
}

/// Whether neither a field says it nor the server answers for it (`state::dhcp::raw_options`).
fn is_free(code: u8) -> bool {
    !matches!(
        code,
        0 | 1 | 3 | 6 | 12 | 15 | 26 | 42 | 50..=59 | 61 | 82 | 97 | 255
    )
}

fn from_hex(digits: &str) -> Option<Vec<u8>> {
    let nibble = |digit: u8| char::from(digit).to_digit(16);
    let byte = |pair: &[u8]| match pair {
        [high, low] => u8::try_from(nibble(*high)? * 16 + nibble(*low)?).ok(),
        _ => None,
    };
    digits.as_bytes().chunks(2).map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(code: u32, hex: &str, text: &str, addresses: &[&str]) -> Option<(u8, String)> {
        let option = proto::dhcp::v1::RawOption {
            code,
            hex: hex.to_owned(),
            text: text.to_owned(),
            addresses: addresses.iter().map(|address| (*address).to_owned()).collect(),
        };
        RawOption::of(&option).map(|option| (option.code, option.hex))
    }

    #[test]
    fn bytes_are_those_of_any_of_its_forms() {
        for (option, expected) in [
            (of(43, "0104FF", "", &[]), "0104ff"),
            (of(17, "", "/nfs", &[]), "2f6e6673"),
            (of(150, "", "", &["10.1.0.1", "10.1.0.2"]), "0a0100010a010002"),
        ] {
            assert_eq!(option.unwrap().1, expected);
        }
        let option = RawOption {
            code: 43,
            hex: "0104ff".to_owned(),
        };
        assert_eq!(option.bytes(), [1, 4, 255]);
    }

    /// A file that said these twice, or at all, would be refused by its program.
    #[test]
    fn what_has_a_field_of_its_own_is_no_raw_option() {
        for code in [
            0, 1, 3, 6, 12, 15, 26, 42, 50, 51, 54, 59, 61, 82, 97, 255, 256, 299,
        ] {
            assert_eq!(of(code, "01", "", &[]), None, "{code}");
        }
        for code in [2, 43, 49, 60, 66, 67, 175, 254] {
            assert!(of(code, "01", "", &[]).is_some(), "{code}");
        }
    }

    #[test]
    fn what_no_cluster_stores_is_left_out() {
        for (hex, addresses) in [
            ("", &[][..]),
            ("0", &[]),
            ("0g", &[]),
            ("é", &[]),
            ("", &["10.1.0"]),
        ] {
            assert_eq!(of(43, hex, "", addresses), None, "{hex}");
        }
        assert_eq!(of(43, &"00".repeat(1025), "", &[]), None);
        assert!(of(43, &"00".repeat(1024), "", &[]).is_some());
    }

    #[test]
    fn a_network_boot_has_its_own() {
        let boots = |code: u8| {
            let hex = "00".to_owned();
            RawOption { code, hex }.is_for_boot()
        };
        assert!([43, 60, 66, 67, 175].into_iter().all(boots));
        assert!(![17, 42, 59, 68, 150, 176].into_iter().any(boots));
    }
}
