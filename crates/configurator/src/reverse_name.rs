//! Names that addresses have in `in-addr.arpa` and `ip6.arpa`.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The whole name of an address, without a dot at the end (RFC 1035 section 3.5, RFC 3596 section 2.5).
pub(crate) fn reverse_name(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => v4_zone(address, 4),
        IpAddr::V6(address) => v6_zone(address, 32),
    }
}

/// The zone of the first `octets` numbers of an address.
pub(crate) fn v4_zone(address: Ipv4Addr, octets: usize) -> String {
    let mut name = String::with_capacity(28);
    for octet in address.octets().iter().take(octets).rev() {
        let _ = write!(name, "{octet}.");
    }
    name + "in-addr.arpa"
}

/// The zone of the first `digits` hexadecimal digits of an address.
pub(crate) fn v6_zone(address: Ipv6Addr, digits: usize) -> String {
    let all = format!("{:032x}", u128::from(address));
    let mut name = String::with_capacity(72);
    for digit in all.chars().take(digits).collect::<Vec<_>>().into_iter().rev() {
        name.extend([digit, '.']);
    }
    name + "ip6.arpa"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_backwards() {
        let v4 = "10.97.2.1".parse().unwrap();
        assert_eq!(reverse_name(IpAddr::V4(v4)), "1.2.97.10.in-addr.arpa");
        assert_eq!(v4_zone(v4, 2), "97.10.in-addr.arpa");
        assert_eq!(v4_zone(v4, 0), "in-addr.arpa");
        let v6 = "fd00:97::a1".parse().unwrap();
        assert_eq!(v6_zone(v6, 16), "0.0.0.0.0.0.0.0.7.9.0.0.0.0.d.f.ip6.arpa");
        let whole = reverse_name(IpAddr::V6(v6));
        assert!(whole.starts_with("1.a.0.0.") && whole.len() == 72, "{whole}");
    }
}
