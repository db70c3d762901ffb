//! An IPv6 network in CIDR form.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use crate::InvalidValue;

/// A network such as `fd00:97::/64`. Ordered by address, then by prefix length.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ipv6Net {
    network: Ipv6Addr,
    prefix_len: u8,
}

impl Ipv6Net {
    /// The first address, which names the network.
    pub fn network(&self) -> Ipv6Addr {
        self.network
    }

    /// Number of leading bits that all its addresses share, 0 to 128.
    pub fn prefix_len(&self) -> u8 {
        self.prefix_len
    }

    /// Whether `address` lies in it.
    pub fn contains(&self, address: Ipv6Addr) -> bool {
        address.to_bits() & mask_bits(self.prefix_len) == self.network.to_bits()
    }

    /// Whether any address lies in both: then one contains the other.
    pub fn overlaps(&self, other: &Ipv6Net) -> bool {
        self.contains(other.network) || other.contains(self.network)
    }
}

fn mask_bits(prefix_len: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(prefix_len)).unwrap_or(0)
}

impl FromStr for Ipv6Net {
    type Err = InvalidValue;

    /// The address must be the network's first; another address of it is refused with the one that was meant.
    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let malformed = || {
            InvalidValue::new(
                "an IPv6 network",
                text,
                "write address/prefix length, e.g. fd00:97::/64",
            )
        };
        let (address, prefix_len) = text.split_once('/').ok_or_else(malformed)?;
        let address: Ipv6Addr = address.parse().map_err(|_| malformed())?;
        let digits = prefix_len.bytes().all(|b| b.is_ascii_digit());
        let prefix_len: u8 = prefix_len
            .parse()
            .ok()
            .filter(|len| digits && *len <= 128)
            .ok_or_else(malformed)?;
        let network = Ipv6Addr::from_bits(address.to_bits() & mask_bits(prefix_len));
        if network != address {
            let meant = format!("the bits behind the prefix must be zero; write {network}/{prefix_len}");
            return Err(InvalidValue::new("an IPv6 network", text, meant));
        }
        Ok(Ipv6Net { network, prefix_len })
    }
}

impl fmt::Display for Ipv6Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.prefix_len)
    }
}

impl fmt::Debug for Ipv6Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn net(text: &str) -> Ipv6Net {
        text.parse().unwrap()
    }

    fn ip(text: &str) -> Ipv6Addr {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_knows_what_lies_in_it() {
        let boot = net("fd00:97::/64");
        assert_eq!((boot.network(), boot.prefix_len()), (ip("fd00:97::"), 64));
        assert!(boot.contains(ip("fd00:97::2:1")) && !boot.contains(ip("fd00:97:0:1::1")));
        assert!(net("fd00::/8").overlaps(&boot) && boot.overlaps(&net("fd00::/8")));
        assert!(!boot.overlaps(&net("fd00:98::/64")));
    }

    /// Shifts by 128 bits are where such code breaks.
    #[test]
    fn the_widest_and_the_narrowest_network_work() {
        assert!(net("::/0").contains(ip("2001:db8::1")));
        let one = net("2001:db8::1/128");
        assert!(one.contains(ip("2001:db8::1")) && !one.contains(ip("2001:db8::2")));
    }

    #[test]
    fn wrong_texts_are_refused_with_the_remedy() {
        for wrong in [
            "",
            "fd00::",
            "fd00::/129",
            "fd00::/-1",
            "fd00::/+8",
            "10.97.0.0/16",
            "/64",
            "fd00::/",
        ] {
            assert!(wrong.parse::<Ipv6Net>().is_err(), "{wrong:?}");
        }
        let error = "fd00:97::7/64".parse::<Ipv6Net>().unwrap_err().to_string();
        assert!(error.ends_with("write fd00:97::/64"), "{error}");
    }

    proptest! {
        #[test]
        fn display_and_parse_are_inverse(bits in any::<u128>(), prefix_len in 0..=128_u8) {
            let network = Ipv6Addr::from_bits(bits & mask_bits(prefix_len));
            let parsed: Ipv6Net = format!("{network}/{prefix_len}").parse().unwrap();
            prop_assert_eq!(parsed.to_string().parse::<Ipv6Net>().unwrap(), parsed);
            prop_assert!(parsed.contains(Ipv6Addr::from_bits(bits)) && parsed.contains(parsed.network()));
        }
    }
}
