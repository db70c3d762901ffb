//! What the verbs of `iface` take.

use std::net::IpAddr;

use model::MacAddr;
use proto::smd::v1::IpAddressMapping;

/// A MAC in any writing; the id of its interface.
pub(super) fn mac(text: &str) -> Result<MacAddr, String> {
    text.parse::<MacAddr>().map_err(|problem| problem.to_string())
}

/// The MAC without separators, as SMD names interfaces.
pub(super) fn id(mac: &MacAddr) -> String {
    mac.to_string().replace(':', "")
}

/// `10.97.0.1` or `10.97.0.1@NMN`: an address, and SMD's word for its network.
pub(super) fn address(text: &str) -> Result<IpAddressMapping, String> {
    let (address, network) = text.split_once('@').unwrap_or((text, ""));
    let parsed = address.parse::<IpAddr>();
    parsed.map_err(|_| format!("{address} is no IPv4 or IPv6 address; write 10.97.0.1 or 10.97.0.1@NMN"))?;
    Ok(IpAddressMapping {
        ip_address: address.to_owned(),
        network: network.to_owned(),
    })
}

/// `10.97.0.1@NMN, 10.98.0.1`.
pub(super) fn shown(addresses: &[IpAddressMapping]) -> String {
    let one = |of: &IpAddressMapping| match of.network.as_str() {
        "" => of.ip_address.clone(),
        network => format!("{}@{network}", of.ip_address),
    };
    addresses.iter().map(one).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_name_its_network_and_is_shown_as_it_is_typed() {
        let one = address("10.97.0.1@NMN").unwrap();
        assert_eq!(
            (one.ip_address.as_str(), one.network.as_str()),
            ("10.97.0.1", "NMN")
        );
        let other = address("fd00::1").unwrap();
        assert_eq!(shown(&[one, other]), "10.97.0.1@NMN, fd00::1");
        assert!(address("10.97.0").unwrap_err().contains("10.97.0.1@NMN"));
    }

    #[test]
    fn a_mac_counts_in_any_writing() {
        for text in ["02:00:00:00:00:A1", "02-00-00-00-00-a1", "0200000000a1"] {
            assert_eq!(id(&mac(text).unwrap()), "0200000000a1", "{text}");
        }
        assert!(mac("02:00").is_err());
    }
}
