//! NoCloud's `network-config`: the boot NIC, found by its MAC, asks for its address by DHCP; the node's other NICs have a static
//! address where their network says so, and else ask too, without holding up the boot.
//!
//! Newer cloud-init asks for this document first and spends ten seconds of every boot on a 404.

use std::fmt::Write as _;
use std::net::IpAddr;

use model::{Ipv4Net, MacAddr, Xname};
use proto::smd::v1::EthernetInterface;
use state::State;

/// Prefix of a known IPv6 address: what every network has on which nodes may also find one by themselves (RFC 4291).
const IPV6_PREFIX: u8 = 64;
/// Label of the boot NIC's entry.
const BOOT_LABEL: &str = "boot";

/// One NIC of the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nic {
    /// Finds it.
    pub mac: MacAddr,
    /// The node boots from it.
    pub is_boot: bool,
    /// Static addresses with their prefixes.
    pub addresses: Vec<String>,
    /// Asks for an IPv4 address by DHCP.
    pub dhcp4: bool,
    /// Bytes; 0: as it comes.
    pub mtu: u32,
}

/// The NICs of a node: the one that it boots from, and the others sorted by MAC.
#[must_use]
pub fn nics(state: &State, node: &Xname, boot_mac: MacAddr) -> Vec<Nic> {
    let mut nics: Vec<Nic> = state
        .smd
        .interfaces_of(node)
        .filter_map(|interface| nic(state, interface, boot_mac))
        .collect();
    nics.sort_by_key(|nic| (!nic.is_boot, nic.mac));
    nics
}

/// `None` for an interface without a MAC: nothing else would find it.
fn nic(state: &State, interface: &EthernetInterface, boot_mac: MacAddr) -> Option<Nic> {
    let mac: MacAddr = interface.mac_address.parse().ok()?;
    let mut nic = Nic {
        mac,
        is_boot: mac == boot_mac,
        addresses: Vec::new(),
        dhcp4: true,
        mtu: 0,
    };
    let known = interface.ip_addresses.iter();
    for address in known.filter_map(|mapping| mapping.ip_address.parse::<IpAddr>().ok()) {
        match address {
            IpAddr::V6(v6) if v6.is_unicast_link_local() => {} // the NIC makes it by itself
            IpAddr::V6(v6) => nic.addresses.push(format!("{v6}/{IPV6_PREFIX}")),
            IpAddr::V4(v4) if !nic.is_boot => {
                let subnet = state.dhcp.subnet_of(v4).filter(|subnet| subnet.static_addresses);
                let network = subnet
                    .as_ref()
                    .and_then(|subnet| subnet.network.parse::<Ipv4Net>().ok());
                if let (Some(subnet), Some(network)) = (subnet, network) {
                    nic.addresses.push(format!("{v4}/{}", network.prefix_len()));
                    nic.dhcp4 = false;
                    nic.mtu = subnet.mtu;
                }
            }
            IpAddr::V4(_) => {} // DHCP gives it
        }
    }
    Some(nic)
}

/// The document, version 2 (netplan). Interfaces keep their names; `boot` and `nic-…` are only labels of entries.
///
/// MACs are quoted: unquoted, YAML 1.1 reads one without letters, such as `52:54:00:12:34:56`, as a number to the base 60.
#[must_use]
pub fn render(nics: &[Nic]) -> String {
    let mut text = "version: 2\nethernets:\n".to_owned();
    for nic in nics {
        let label = match nic.is_boot {
            true => BOOT_LABEL.to_owned(),
            false => format!("nic-{}", nic.mac.id()),
        };
        let _ = write!(
            text,
            "  {label}:\n    match:\n      macaddress: \"{}\"\n    dhcp4: {}\n",
            nic.mac, nic.dhcp4
        );
        if !nic.addresses.is_empty() {
            text.push_str("    addresses:\n");
        }
        for address in &nic.addresses {
            let _ = writeln!(text, "    - \"{address}\"");
        }
        if nic.mtu != 0 {
            let _ = writeln!(text, "    mtu: {}", nic.mtu);
        }
        if !nic.is_boot {
            // systemd-networkd-wait-online would wait for a cable that nobody has plugged in
            text.push_str("    optional: true\n");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nic(mac: &str, is_boot: bool) -> Nic {
        Nic {
            mac: mac.parse().unwrap(),
            is_boot,
            addresses: Vec::new(),
            dhcp4: true,
            mtu: 0,
        }
    }

    #[test]
    fn the_document_is_what_cloud_init_expects() {
        let text = render(&[nic("52-54-00-12-34-56", true)]);
        assert_eq!(
            text,
            "version: 2\nethernets:\n  boot:\n    match:\n      macaddress: \"52:54:00:12:34:56\"\n    dhcp4: true\n"
        );
    }

    #[test]
    fn other_nics_do_not_hold_up_the_boot() {
        let fixed = Nic {
            addresses: vec!["10.98.0.5/16".to_owned(), "fd98::5/64".to_owned()],
            dhcp4: false,
            mtu: 9000,
            ..nic("52:54:00:12:34:58", false)
        };
        let text = render(&[
            nic("52:54:00:12:34:56", true),
            nic("52:54:00:12:34:57", false),
            fixed,
        ]);
        let (_, others) = text.split_once("dhcp4: true\n").unwrap();
        assert_eq!(
            others,
            "  nic-525400123457:\n    match:\n      macaddress: \"52:54:00:12:34:57\"\n    dhcp4: true\n    optional: true\n  \
             nic-525400123458:\n    match:\n      macaddress: \"52:54:00:12:34:58\"\n    dhcp4: false\n    addresses:\n    \
             - \"10.98.0.5/16\"\n    - \"fd98::5/64\"\n    mtu: 9000\n    optional: true\n"
        );
    }

    /// A reader gets a text for the MAC, whatever its digits.
    #[test]
    fn the_mac_stays_a_text() {
        let document: serde_yaml_ng::Value =
            serde_yaml_ng::from_str(&render(&[nic("10:20:30:40:50:59", true)])).unwrap();
        assert_eq!(
            document["ethernets"]["boot"]["match"]["macaddress"].as_str(),
            Some("10:20:30:40:50:59")
        );
        assert_eq!(document["ethernets"]["boot"]["dhcp4"].as_bool(), Some(true));
        assert_eq!(document["version"].as_u64(), Some(2));
    }
}
