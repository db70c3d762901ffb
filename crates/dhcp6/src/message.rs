//! The identity associations of a message: what a client asks an address for, and which addresses it names.
//! Source: RFC 8415 sections 21.4 to 21.6, 21.21 and 21.22.

use std::net::Ipv6Addr;

use crate::counters::Count;
use crate::precheck::{Left, Options};

/// Codes of the options that are read or written.
pub(crate) mod code {
    pub(crate) const CLIENT_ID: u16 = 1;
    pub(crate) const SERVER_ID: u16 = 2;
    pub(crate) const ADDRESSES: u16 = 3;
    pub(crate) const TEMPORARY_ADDRESSES: u16 = 4;
    pub(crate) const ADDRESS: u16 = 5;
    pub(crate) const OPTION_REQUEST: u16 = 6;
    pub(crate) const RAPID_COMMIT: u16 = 14;
    pub(crate) const USER_CLASS: u16 = 15;
    pub(crate) const VENDOR_CLASS: u16 = 16;
    pub(crate) const DNS_SERVERS: u16 = 23;
    pub(crate) const DOMAIN_LIST: u16 = 24;
    pub(crate) const PREFIXES: u16 = 25;
    pub(crate) const INFORMATION_REFRESH_TIME: u16 = 32;
    pub(crate) const FQDN: u16 = 39;
    pub(crate) const BOOTFILE_URL: u16 = 59;
    pub(crate) const ARCHITECTURES: u16 = 61;
    pub(crate) const NETWORK_INTERFACE: u16 = 62;
}

/// What an identity association is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// IA_NA: addresses.
    Addresses,
    /// IA_TA: temporary addresses, which nobody here has.
    Temporary,
    /// IA_PD: prefixes, likewise.
    Prefixes,
}

/// One IA_NA, IA_TA or IA_PD.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Association {
    pub(crate) kind: Kind,
    /// The client's number for it.
    pub(crate) iaid: u32,
    /// The addresses that it names; not the prefixes of an IA_PD.
    pub(crate) addresses: Vec<Ipv6Addr>,
}

/// All associations of a message, in their order.
pub(crate) fn associations(options: Options<'_>, left: &mut Left) -> Result<Vec<Association>, Count> {
    let mut found = Vec::new();
    for (code, value) in options.iter() {
        let (kind, head) = match code {
            // the number, and the times that the client would like
            code::ADDRESSES => (Kind::Addresses, 12),
            code::TEMPORARY_ADDRESSES => (Kind::Temporary, 4),
            code::PREFIXES => (Kind::Prefixes, 12),
            _ => continue,
        };
        let (head, inside) = value.split_at_checked(head).ok_or(Count::MalformedOption)?;
        let iaid = head.first_chunk::<4>().ok_or(Count::MalformedOption)?;
        found.push(Association {
            kind,
            iaid: u32::from_be_bytes(*iaid),
            addresses: addresses(Options::walk(inside, left)?, left)?,
        });
    }
    Ok(found)
}

fn addresses(options: Options<'_>, left: &mut Left) -> Result<Vec<Ipv6Addr>, Count> {
    let mut found = Vec::new();
    for (_, value) in options.iter().filter(|(code, _)| *code == code::ADDRESS) {
        // behind the address two lifetimes, and options of its own
        let (address, behind) = value.split_first_chunk::<16>().ok_or(Count::MalformedOption)?;
        let inside = behind.get(8..).ok_or(Count::MalformedOption)?;
        Options::walk(inside, left)?;
        found.push(Ipv6Addr::from(*address));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::precheck::check;
    use crate::testing::{RawMessage, ia_addresses};

    fn read(options: &[(u16, &[u8])]) -> Result<Vec<Association>, Count> {
        let packet = RawMessage::new(1).options(options).bytes();
        let mut checked = check(&packet).unwrap();
        associations(checked.options, &mut checked.left)
    }

    #[test]
    fn each_kind_is_read_with_its_number_and_addresses() {
        let named = ia_addresses(7, &["fd00:97::1", "fd00:97::2"]);
        let prefixes = [&[0, 0, 0, 9][..], &[0; 8]].concat();
        let found = read(&[(3, &named), (4, &[0, 0, 0, 8]), (25, &prefixes)]).unwrap();
        let association = |kind, iaid, addresses: &[&str]| Association {
            kind,
            iaid,
            addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
        };
        let expected = [
            association(Kind::Addresses, 7, &["fd00:97::1", "fd00:97::2"]),
            association(Kind::Temporary, 8, &[]),
            association(Kind::Prefixes, 9, &[]),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_cut_off_inside_is_malformed_or_truncated() {
        let whole = ia_addresses(7, &["fd00:97::1"]);
        for len in 0..whole.len() {
            let expected = match len {
                0..12 => Count::MalformedOption,
                12 => continue, // an association without an address
                _ => Count::TruncatedOption,
            };
            assert_eq!(read(&[(3, &whole[..len])]), Err(expected), "{len}");
        }
        let short = [&[0; 12][..], &[0, 5, 0, 23], &[0; 23]].concat();
        assert_eq!(read(&[(3, &short)]), Err(Count::MalformedOption));
        let torn_inside = [&[0; 12][..], &[0, 5, 0, 26], &[0; 26]].concat();
        assert_eq!(read(&[(3, &torn_inside)]), Err(Count::TruncatedOption));
    }

    /// Else a packet of 2,000 bytes would hold 80 associations of 20 options each.
    #[test]
    fn what_stands_inside_counts_too() {
        let many: Vec<&str> = vec!["fd00:97::1"; 50];
        let one = ia_addresses(1, &many);
        assert!(read(&[(3, &one)]).is_ok());
        assert_eq!(read(&[(3, &one), (3, &one)]), Err(Count::TooManyOptions));
    }
}
