//! NICs and their adapters, as Magellan's schema has them.

use std::net::IpAddr;

use proto::smd::v1::{PayloadInterface, PayloadNetworkAdapter, PayloadNetworkInterface};
use redfish::{Manager, NetworkInterface, Nic};

use crate::words::{address, mac, path, told};

/// NICs of one system or manager. As SMD takes them.
const NICS_MAX: usize = 256;

/// The NICs of a system or of a manager, at most `left` of them, from which they are taken.
pub(crate) fn nics(nics: &[Nic], left: &mut usize) -> Vec<PayloadInterface> {
    let most = NICS_MAX.min(*left);
    let listed: Vec<_> = nics.iter().filter_map(nic).take(most).collect();
    *left -= listed.len();
    listed
}

/// `None` for one that has neither a MAC nor an address: nobody can do anything with it.
fn nic(nic: &Nic) -> Option<PayloadInterface> {
    let mac = mac(&nic.mac);
    let ip = addresses(nic).next().map(|address| address.to_string());
    if mac.is_empty() && ip.is_none() {
        return None;
    }
    Some(PayloadInterface {
        uri: path(&nic.uri),
        mac,
        ip: ip.unwrap_or_default(),
        name: told(&nic.name),
        description: told(&nic.description),
        enabled: nic.enabled,
    })
}

/// IPv4 first.
fn addresses(nic: &Nic) -> impl Iterator<Item = IpAddr> + '_ {
    let all = std::iter::once(&nic.ipv4).chain(&nic.ipv6);
    all.filter_map(|text| address(text))
}

/// The MAC of the manager's NIC that has the address at which the BMC was found; empty if none says so. A MAC that is only
/// likely would send DHCP to the wrong machine.
pub(crate) fn mac_of(managers: &[Manager], found_at: Option<IpAddr>) -> String {
    let Some(found_at) = found_at.map(|address| address.to_canonical()) else {
        return String::new();
    };
    let nics = managers.iter().flat_map(|manager| &manager.interfaces);
    let mut there = nics.filter(|nic| has(nic, found_at)).map(|nic| mac(&nic.mac));
    there.find(|mac| !mac.is_empty()).unwrap_or_default()
}

/// Also an address that is of no use to others, such as that of the host's own BMC on a link of their own.
fn has(nic: &Nic, address: IpAddr) -> bool {
    let mut all = std::iter::once(&nic.ipv4).chain(&nic.ipv6);
    all.any(|text| {
        text.trim()
            .parse()
            .is_ok_and(|has: IpAddr| has.to_canonical() == address)
    })
}

/// Network interfaces with their adapters, at most `left` of them, from which they are taken.
pub(crate) fn network_interfaces(all: &[NetworkInterface], left: &mut usize) -> Vec<PayloadNetworkInterface> {
    let listed: Vec<_> = all.iter().take(*left).map(network_interface).collect();
    *left -= listed.len();
    listed
}

fn network_interface(interface: &NetworkInterface) -> PayloadNetworkInterface {
    let adapter = PayloadNetworkAdapter {
        uri: path(&interface.adapter_uri),
        manufacturer: told(&interface.adapter_manufacturer),
        name: told(&interface.adapter_name),
        model: told(&interface.adapter_model),
        serial: told(&interface.adapter_serial),
        description: told(&interface.adapter_description),
    };
    PayloadNetworkInterface {
        uri: path(&interface.uri),
        name: told(&interface.name),
        description: told(&interface.description),
        adapter: (adapter != PayloadNetworkAdapter::default()).then_some(adapter),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn a_nic(mac: &str, ipv4: &str) -> Nic {
        Nic {
            uri: "/redfish/v1/Managers/1/EthernetInterfaces/1/".into(),
            name: "Manager Dedicated Network Interface".into(),
            mac: mac.into(),
            ipv4: ipv4.into(),
            enabled: true,
            ..Nic::default()
        }
    }

    fn manager(interfaces: Vec<Nic>) -> Manager {
        Manager {
            interfaces,
            ..Manager::default()
        }
    }

    #[test]
    fn what_is_no_address_is_left_out_and_what_is_neither_is_no_nic() {
        let given = [
            a_nic("94:40:C9:37:D3:FC", "N/A"),
            a_nic("Not Available", "0.0.0.0"),
            a_nic("", "10.254.1.15"),
        ];
        let mut left = 10;
        let listed = nics(&given, &mut left);
        let shown: Vec<_> = listed
            .iter()
            .map(|nic| (nic.mac.as_str(), nic.ip.as_str()))
            .collect();
        assert_eq!(shown, [("94:40:c9:37:d3:fc", ""), ("", "10.254.1.15")]);
        assert_eq!(listed[0].uri, "/redfish/v1/Managers/1/EthernetInterfaces/1");
        assert_eq!(left, 8);
    }

    #[test]
    fn an_address_of_version_six_stands_where_there_is_no_other() {
        let mut only_v6 = a_nic("94:40:c9:37:d3:fc", "");
        only_v6.ipv6 = vec!["::".into(), "FD00::7".into()];
        assert_eq!(nics(&[only_v6], &mut 1)[0].ip, "fd00::7");
    }

    #[test]
    fn nics_are_bounded_each_time_and_in_all() {
        let many = vec![a_nic("94:40:c9:37:d3:fc", "10.0.0.1"); 1_000];
        let mut left = 300;
        assert_eq!(nics(&many, &mut left).len(), NICS_MAX);
        assert_eq!(nics(&many, &mut left).len(), 44);
        assert_eq!(nics(&many, &mut left).len(), 0);
    }

    #[test]
    fn only_the_nic_at_the_address_tells_the_mac() {
        let managers = [
            manager(vec![a_nic("94:40:c9:37:d3:fd", "10.0.0.9")]),
            manager(vec![
                a_nic("N/A", "10.0.0.7"),
                a_nic("94:40:C9:37:D3:FC", "10.0.0.7"),
            ]),
        ];
        let at = |address: &str| mac_of(&managers, address.parse().ok());
        assert_eq!(at("10.0.0.7"), "94:40:c9:37:d3:fc");
        assert_eq!(at("::ffff:10.0.0.7"), "94:40:c9:37:d3:fc");
        assert_eq!(at("10.0.0.8"), "");
        assert_eq!(mac_of(&managers, None), "", "found by its name");
        let emulated = [manager(vec![a_nic("02:00:00:00:00:01", "127.0.24.1")])];
        assert_eq!(mac_of(&emulated, "127.0.24.1".parse().ok()), "02:00:00:00:00:01");
    }

    #[test]
    fn an_interface_without_an_adapter_has_none() {
        let bare = NetworkInterface {
            uri: "/redfish/v1/Systems/1/NetworkInterfaces/1".into(),
            ..NetworkInterface::default()
        };
        let with_adapter = NetworkInterface {
            adapter_uri: "/redfish/v1/Chassis/1/NetworkAdapters/1/".into(),
            adapter_model: "ConnectX-5 ".into(),
            ..bare.clone()
        };
        let mut left = 2;
        let listed = network_interfaces(&[bare.clone(), with_adapter, bare], &mut left);
        assert_eq!((listed.len(), left), (2, 0));
        assert_eq!(listed[0].adapter, None);
        let adapter = listed[1].adapter.clone().unwrap();
        assert_eq!(
            (adapter.uri.as_str(), adapter.model.as_str()),
            ("/redfish/v1/Chassis/1/NetworkAdapters/1", "ConnectX-5")
        );
    }
}
