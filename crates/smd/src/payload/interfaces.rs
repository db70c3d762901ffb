//! NICs as BMCs report them: which are Ethernet interfaces, and which addresses identify a machine.

use std::collections::BTreeMap;
use std::net::IpAddr;

use model::{MacAddr, Xname};
use proto::smd::v1::{EthernetInterface, EthernetNicInfo, IpAddressMapping, PayloadInterface};

use super::{Claimed, path_of, text};

/// Bit of a MAC's first byte: given locally, not by a manufacturer.
const LOCALLY_ADMINISTERED: u8 = 0x02;

/// How an endpoint is reached.
pub(super) struct Reached {
    pub(super) mac: Option<MacAddr>,
    pub(super) address: Option<IpAddr>,
}

/// The Ethernet interfaces of a component. A NIC without a MAC (`Not Available`) is none; one without an address is one. A
/// MAC that stands twice is one interface; one that belongs to another component of the payload stays there.
pub(super) fn stored(
    owner: &Xname,
    nics: &[PayloadInterface],
    claimed: &mut Claimed,
) -> Vec<EthernetInterface> {
    let mut interfaces: Vec<EthernetInterface> = Vec::new();
    let mut places: BTreeMap<MacAddr, usize> = BTreeMap::new();
    for nic in nics {
        let Some(mac) = mac(nic) else { continue };
        let place = match places.get(&mac) {
            Some(place) => *place,
            None if !claimed.macs.insert(mac) => continue,
            None => {
                interfaces.push(EthernetInterface {
                    id: mac.id(),
                    mac_address: mac.to_string(),
                    description: text(&nic.description),
                    component_id: owner.to_string(),
                    ..EthernetInterface::default()
                });
                places.insert(mac, interfaces.len() - 1);
                interfaces.len() - 1
            }
        };
        let Some(interface) = interfaces.get_mut(place) else {
            continue;
        };
        let free = interface.ip_addresses.is_empty();
        let address = address(nic).filter(|ip| free && claimed.addresses.insert(*ip));
        interface.ip_addresses.extend(address.map(|ip| IpAddressMapping {
            ip_address: ip.to_string(),
            network: String::new(),
        }));
    }
    interfaces
}

/// The NICs of a manager that are on a network. A BMC's end of the USB link to its own host has a MAC that the firmware gives
/// every machine alike (iLO 5: 0a:ca:fe:f0:0d:04, at 16.1.15.1): it would belong to whichever came first.
pub(super) fn on_networks(nics: &[PayloadInterface], reached: &Reached) -> Vec<PayloadInterface> {
    let is_global = |mac: &MacAddr| mac.0[0] & LOCALLY_ADMINISTERED == 0;
    let any_global = nics.iter().filter_map(mac).any(|mac| is_global(&mac));
    let is_on_network = |nic: &&PayloadInterface| {
        let mac = mac(nic);
        let is_reached = (mac.is_some() && mac == reached.mac)
            || (reached.address.is_some() && address(nic) == reached.address);
        !any_global || is_reached || mac.is_some_and(|mac| is_global(&mac))
    };
    nics.iter().filter(is_on_network).cloned().collect()
}

/// The NICs as the component endpoint lists them: all of them, as the BMC writes them.
pub(super) fn listed(nics: &[PayloadInterface]) -> Vec<EthernetNicInfo> {
    let one = |nic: &PayloadInterface| {
        let path = path_of(&nic.uri);
        EthernetNicInfo {
            redfish_id: path.clone(),
            odata_id: path,
            description: text(&nic.description),
            interface_enabled: Some(true),
            mac_address: mac(nic).map_or_else(|| text(&nic.mac), |mac| mac.to_string()),
            ..EthernetNicInfo::default()
        }
    };
    nics.iter().map(one).collect()
}

/// The MAC of a NIC, if it is one that a machine can have.
fn mac(nic: &PayloadInterface) -> Option<MacAddr> {
    let mac: MacAddr = nic.mac.trim().parse().ok()?;
    (mac.0 != [0; 6] && mac.0 != [0xff; 6]).then_some(mac)
}

/// The address of a NIC, if it is one by which a machine can be told from others: BMCs also write `N/A`, `0.0.0.0` and the
/// link-local address of their USB link.
fn address(nic: &PayloadInterface) -> Option<IpAddr> {
    let ip = nic.ip.trim().parse::<IpAddr>().ok()?.to_canonical();
    let is_of_one = match ip {
        IpAddr::V4(v4) => !v4.is_link_local() && !v4.is_broadcast(),
        IpAddr::V6(v6) => v6.segments()[0] & 0xffc0 != 0xfe80,
    };
    (is_of_one && !ip.is_unspecified() && !ip.is_multicast()).then_some(ip)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nic(mac: &str, ip: &str) -> PayloadInterface {
        PayloadInterface {
            uri: format!("https://10.0.0.1/redfish/v1/Managers/1/EthernetInterfaces/{mac}"),
            mac: mac.into(),
            ip: ip.into(),
            description: "NIC".into(),
            ..Default::default()
        }
    }

    fn owner() -> Xname {
        "x0c0s0b0".parse().unwrap()
    }

    /// MAC and address of each interface.
    fn shown(nics: &[PayloadInterface], claimed: &mut Claimed) -> Vec<(String, String)> {
        let shown = |interface: EthernetInterface| {
            let ip = interface
                .ip_addresses
                .first()
                .map(|mapping| mapping.ip_address.clone());
            (interface.mac_address, ip.unwrap_or_default())
        };
        stored(&owner(), nics, claimed).into_iter().map(shown).collect()
    }

    /// What real BMCs write instead of a MAC or an address.
    #[test]
    fn a_nic_without_a_mac_is_no_interface_and_one_without_an_address_is() {
        let nics = [
            nic("Not Available", "10.0.0.9"),
            nic("", ""),
            nic("00:00:00:00:00:00", ""),
            nic("ff:ff:ff:ff:ff:ff", ""),
            nic("A4-BF-01-28-90-AA", "0.0.0.0"),
            nic("a4:bf:01:28:90:ab", "N/A"),
            nic("a4:bf:01:28:90:ac", "169.254.0.17"),
            nic("a4:bf:01:28:90:ad", "fe80::1"),
            nic("a4:bf:01:28:90:ae", " 10.254.1.23"),
        ];
        let stored = shown(&nics, &mut Claimed::default());
        let expected = [
            ("a4:bf:01:28:90:aa", ""),
            ("a4:bf:01:28:90:ab", ""),
            ("a4:bf:01:28:90:ac", ""),
            ("a4:bf:01:28:90:ad", ""),
            ("a4:bf:01:28:90:ae", "10.254.1.23"),
        ];
        assert_eq!(stored, expected.map(|(mac, ip)| (mac.to_owned(), ip.to_owned())));
        assert_eq!(listed(&nics).len(), 9);
        assert_eq!(listed(&nics)[0].mac_address, "Not Available");
    }

    #[test]
    fn the_first_to_claim_a_mac_or_an_address_has_it() {
        let mut claimed = Claimed::default();
        let first = [nic("a4:bf:01:28:90:aa", ""), nic("A4:BF:01:28:90:AA", "10.0.0.1")];
        assert_eq!(
            shown(&first, &mut claimed),
            [("a4:bf:01:28:90:aa".to_owned(), "10.0.0.1".to_owned())]
        );
        let second = [nic("a4:bf:01:28:90:aa", ""), nic("a4:bf:01:28:90:ab", "10.0.0.1")];
        assert_eq!(
            shown(&second, &mut claimed),
            [("a4:bf:01:28:90:ab".to_owned(), String::new())]
        );
    }

    /// As the iLO 5 and the AMI BMC have them, and OpenBMC, whose only NIC is locally administered.
    #[test]
    fn the_usb_end_of_a_manager_is_on_no_network() {
        let nobody = Reached {
            mac: None,
            address: None,
        };
        let macs = |nics: &[PayloadInterface], reached: &Reached| -> Vec<String> {
            on_networks(nics, reached)
                .into_iter()
                .map(|nic| nic.mac)
                .collect()
        };
        let ilo = [
            nic("94:40:c9:37:d3:fc", "10.254.1.15"),
            nic("0a:ca:fe:f0:0d:04", "16.1.15.1"),
        ];
        assert_eq!(macs(&ilo, &nobody), ["94:40:c9:37:d3:fc"]);
        let open_bmc = [nic("ae:0d:e8:39:69:bb", "10.0.2.15")];
        assert_eq!(macs(&open_bmc, &nobody), ["ae:0d:e8:39:69:bb"]);
        let by_address = Reached {
            mac: None,
            address: "16.1.15.1".parse().ok(),
        };
        let by_mac = Reached {
            mac: "0a:ca:fe:f0:0d:04".parse().ok(),
            address: None,
        };
        for reached in [by_address, by_mac] {
            assert_eq!(macs(&ilo, &reached).len(), 2);
        }
    }
}
