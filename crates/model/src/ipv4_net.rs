//! An IPv4 network in CIDR form.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use crate::InvalidValue;

/// A network such as `10.97.0.0/16`. Ordered by address, then by prefix length.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ipv4Net {
    network: Ipv4Addr,
    prefix_len: u8,
}

impl Ipv4Net {
    /// The network of one address.
    pub fn host(address: Ipv4Addr) -> Ipv4Net {
        Ipv4Net {
            network: address,
            prefix_len: 32,
        }
    }

    /// The network of so many leading bits, at most 32, that an address lies in.
    pub fn around(address: Ipv4Addr, prefix_len: u8) -> Ipv4Net {
        let prefix_len = prefix_len.min(32);
        Ipv4Net {
            network: Ipv4Addr::from_bits(address.to_bits() & mask_bits(prefix_len)),
            prefix_len,
        }
    }

    /// The first address, which names the network.
    pub fn network(&self) -> Ipv4Addr {
        self.network
    }

    /// Number of leading bits that all its addresses share, 0 to 32.
    pub fn prefix_len(&self) -> u8 {
        self.prefix_len
    }

    /// E.g. `255.255.0.0`.
    pub fn mask(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(mask_bits(self.prefix_len))
    }

    /// The last address.
    pub fn broadcast(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.network.to_bits() | !mask_bits(self.prefix_len))
    }

    /// Whether `address` lies in it.
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        address.to_bits() & mask_bits(self.prefix_len) == self.network.to_bits()
    }

    /// Whether every address of `other` lies in it.
    pub fn covers(&self, other: &Ipv4Net) -> bool {
        self.prefix_len <= other.prefix_len && self.contains(other.network)
    }

    /// Whether any address lies in both: then one contains the other.
    pub fn overlaps(&self, other: &Ipv4Net) -> bool {
        self.contains(other.network) || other.contains(self.network)
    }
}

fn mask_bits(prefix_len: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix_len)).unwrap_or(0)
}

impl FromStr for Ipv4Net {
    type Err = InvalidValue;

    /// The address must be the network's first; another address of it is refused with the one that was meant.
    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let malformed = || {
            InvalidValue::new(
                "an IPv4 network",
                text,
                "write address/prefix length, e.g. 10.97.0.0/16",
            )
        };
        let (address, prefix_len) = text.split_once('/').ok_or_else(malformed)?;
        let address: Ipv4Addr = address.parse().map_err(|_| malformed())?;
        let digits = prefix_len.bytes().all(|b| b.is_ascii_digit());
        let prefix_len: u8 = prefix_len
            .parse()
            .ok()
            .filter(|len| digits && *len <= 32)
            .ok_or_else(malformed)?;
        let network = Ipv4Addr::from_bits(address.to_bits() & mask_bits(prefix_len));
        if network != address {
            let meant = format!("the bits behind the prefix must be zero; write {network}/{prefix_len}");
            return Err(InvalidValue::new("an IPv4 network", text, meant));
        }
        Ok(Ipv4Net { network, prefix_len })
    }
}

impl fmt::Display for Ipv4Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.prefix_len)
    }
}

impl fmt::Debug for Ipv4Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn net(text: &str) -> Ipv4Net {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_knows_its_bounds() {
        let boot = net("10.97.0.0/16");
        assert_eq!(boot.network(), Ipv4Addr::new(10, 97, 0, 0));
        assert_eq!(boot.mask(), Ipv4Addr::new(255, 255, 0, 0));
        assert_eq!(boot.broadcast(), Ipv4Addr::new(10, 97, 255, 255));
        assert_eq!(boot.prefix_len(), 16);
        assert_eq!(Ipv4Net::around(Ipv4Addr::new(10, 97, 3, 4), 16), boot);
        assert_eq!(Ipv4Net::host(boot.network()), net("10.97.0.0/32"));
        assert!(boot.covers(&boot) && boot.covers(&net("10.97.3.0/24")));
        assert!(!boot.covers(&net("10.96.0.0/15")) && !boot.covers(&net("10.98.0.0/24")));
        assert!(boot.contains(Ipv4Addr::new(10, 97, 3, 4)) && !boot.contains(Ipv4Addr::new(10, 98, 0, 0)));
    }

    /// Shifts by 32 bits are where such code breaks.
    #[test]
    fn the_widest_and_the_narrowest_network_work() {
        let all = net("0.0.0.0/0");
        assert_eq!(
            (all.mask(), all.broadcast()),
            (Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST)
        );
        assert!(all.contains(Ipv4Addr::new(203, 0, 113, 1)));
        let one = net("10.0.0.1/32");
        assert_eq!(
            (one.mask(), one.broadcast()),
            (Ipv4Addr::BROADCAST, Ipv4Addr::new(10, 0, 0, 1))
        );
        assert!(one.contains(Ipv4Addr::new(10, 0, 0, 1)) && !one.contains(Ipv4Addr::new(10, 0, 0, 2)));
    }

    #[test]
    fn overlap_means_one_contains_the_other() {
        assert!(net("10.0.0.0/8").overlaps(&net("10.97.0.0/16")));
        assert!(net("10.97.0.0/16").overlaps(&net("10.0.0.0/8")));
        assert!(!net("10.96.0.0/16").overlaps(&net("10.97.0.0/16")));
    }

    #[test]
    fn wrong_texts_are_refused_with_the_remedy() {
        for wrong in [
            "",
            "10.97.0.0",
            "10.97.0.0/33",
            "10.97.0.0/-1",
            "10.97.0.0/+8",
            "10.97.0/16",
            "::/0",
            "/16",
            "10.0.0.0/",
        ] {
            assert!(wrong.parse::<Ipv4Net>().is_err(), "{wrong:?}");
        }
        let error = "10.97.3.4/16".parse::<Ipv4Net>().unwrap_err().to_string();
        assert!(error.ends_with("write 10.97.0.0/16"), "{error}");
    }

    proptest! {
        #[test]
        fn display_and_parse_are_inverse_and_bounds_agree(bits in any::<u32>(), prefix_len in 0..=32_u8) {
            let network = Ipv4Addr::from_bits(bits & mask_bits(prefix_len));
            let parsed: Ipv4Net = format!("{network}/{prefix_len}").parse().unwrap();
            prop_assert_eq!(parsed.to_string().parse::<Ipv4Net>().unwrap(), parsed);
            prop_assert!(parsed.contains(Ipv4Addr::from_bits(bits)));
            prop_assert!(parsed.contains(parsed.network()) && parsed.contains(parsed.broadcast()));
            prop_assert!(parsed.network() <= parsed.broadcast());
        }
    }
}
