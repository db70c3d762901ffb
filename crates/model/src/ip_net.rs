//! A network in CIDR form, of either version of IP.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::{InvalidValue, Ipv4Net, Ipv6Net};

/// A network such as `10.97.0.0/16` or `fd00:97::/64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IpNet {
    /// Of IPv4.
    V4(Ipv4Net),
    /// Of IPv6.
    V6(Ipv6Net),
}

impl IpNet {
    /// Whether `address` lies in it; `::ffff:10.0.0.1` is `10.0.0.1`.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self, address.to_canonical()) {
            (IpNet::V4(network), IpAddr::V4(address)) => network.contains(address),
            (IpNet::V6(network), IpAddr::V6(address)) => network.contains(address),
            (IpNet::V4(_), IpAddr::V6(_)) | (IpNet::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl FromStr for IpNet {
    type Err = InvalidValue;

    /// As the network of its version: an address beyond the network's first is refused with the one that was meant.
    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        match text.contains(':') {
            true => text.parse().map(IpNet::V6),
            false => text.parse().map(IpNet::V4),
        }
    }
}

impl fmt::Display for IpNet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IpNet::V4(network) => network.fmt(f),
            IpNet::V6(network) => network.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(network: &str, address: &str) -> bool {
        let network: IpNet = network.parse().unwrap();
        network.contains(address.parse().unwrap())
    }

    #[test]
    fn an_address_is_looked_for_among_networks_of_its_version() {
        assert!(contains("10.0.0.0/8", "10.9.8.7"));
        assert!(
            contains("10.0.0.0/8", "::ffff:10.9.8.7"),
            "a v4 client on a v6 socket"
        );
        assert!(!contains("10.0.0.0/8", "11.0.0.1"));
        assert!(contains("fd00:97::/64", "fd00:97::5"));
        assert!(!contains("fd00:97::/64", "fd00:97:0:1::5"));
        assert!(!contains("::/0", "10.0.0.1") && !contains("0.0.0.0/0", "fd00::1"));
    }

    #[test]
    fn it_is_written_as_it_is_read() {
        for text in ["10.97.0.0/16", "fd00:97::/64", "::/0"] {
            assert_eq!(text.parse::<IpNet>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_network_is_refused_with_what_is_meant() {
        for (text, meant) in [
            ("10.0.0.1/8", "10.0.0.0/8"),
            ("fd00::1/64", "fd00::/64"),
            ("proxy", "10.97.0.0/16"),
            ("fd00::", "fd00:97::/64"),
        ] {
            let refused = text.parse::<IpNet>().unwrap_err().to_string();
            assert!(refused.contains(meant), "{text}: {refused}");
        }
    }
}
