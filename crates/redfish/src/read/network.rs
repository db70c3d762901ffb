//! Ethernet interfaces, and network interfaces with their adapters.

use std::net::{Ipv4Addr, Ipv6Addr};

use futures::future::join_all;
use serde_json::Value;

use crate::read::chassis::Place;
use crate::read::reading::{Member, Reading};
use crate::{NetworkInterface, Nic, value};

/// The `EthernetInterfaces` of a system or manager.
pub(crate) async fn nics(reading: &Reading<'_>, of: &Value) -> Vec<Nic> {
    let members = reading.members(of, "EthernetInterfaces").await;
    members.iter().map(nic).collect()
}

fn nic(member: &Member) -> Nic {
    let value = &member.value;
    Nic {
        uri: member.uri.clone(),
        id: value::text(value, "Id"),
        name: value::text(value, "Name"),
        description: value::text(value, "Description"),
        mac: mac(value),
        ipv4: ipv4(value),
        ipv6: ipv6(value),
        enabled: value::flag(value, "InterfaceEnabled").unwrap_or(true),
    }
}

fn mac(value: &Value) -> String {
    ["MACAddress", "PermanentMACAddress"]
        .iter()
        .map(|key| value::text(value, key))
        .find(|mac| is_mac(mac))
        .unwrap_or_default()
}

/// Twelve hex digits, in whatever grouping, that are not all zero.
fn is_mac(text: &str) -> bool {
    let is_separator = |c: char| matches!(c, ':' | '-' | '.');
    let digits: String = text.chars().filter(|c| !is_separator(*c)).collect();
    let is_hex = digits.chars().all(|c| c.is_ascii_hexdigit());
    digits.len() == 12 && is_hex && digits.chars().any(|c| c != '0')
}

fn ipv4(value: &Value) -> String {
    let known = value::list(value, "IPv4Addresses").iter();
    known
        .chain(value::list(value, "IPv4StaticAddresses"))
        .filter_map(|entry| address(entry).parse::<Ipv4Addr>().ok())
        .find(|address| !address.is_unspecified())
        .map(|address| address.to_string())
        .unwrap_or_default()
}

fn ipv6(value: &Value) -> Vec<String> {
    let mut addresses = Vec::new();
    for entry in value::list(value, "IPv6Addresses") {
        let Ok(address) = address(entry).parse::<Ipv6Addr>() else {
            continue;
        };
        let text = address.to_string();
        let is_link_local = address.segments()[0] & 0xffc0 == 0xfe80;
        if !address.is_unspecified() && !is_link_local && !addresses.contains(&text) {
            addresses.push(text);
        }
    }
    addresses
}

/// `Address` of an entry, or the entry itself; some BMCs write a prefix length behind it.
fn address(entry: &Value) -> String {
    let text = match entry {
        Value::Object(_) => value::text(entry, "Address"),
        entry => value::text_of(entry),
    };
    text.split('/').next().unwrap_or_default().to_owned()
}

/// The `NetworkInterfaces` of a system; of one that has no such collection, the adapters in its own chassis.
pub(crate) async fn interfaces(
    reading: &Reading<'_>,
    system: &Value,
    own: &[Place<'_>],
) -> Vec<NetworkInterface> {
    if !value::at(system, "NetworkInterfaces").is_null() {
        let members = reading.members(system, "NetworkInterfaces").await;
        return join_all(members.iter().map(|member| interface(reading, member))).await;
    }
    let own = own.iter().filter(|place| !place.is_shared);
    let adapters = join_all(own.map(|place| reading.members(&place.member.value, "NetworkAdapters"))).await;
    adapters.iter().flatten().map(adapter_alone).collect()
}

async fn interface(reading: &Reading<'_>, member: &Member) -> NetworkInterface {
    let value = &*member.value;
    let link = value::first_link(value, &["Links/NetworkAdapter", "NetworkAdapter"]);
    let adapter = match link {
        "" => None,
        uri => reading.resource(uri).await,
    };
    let adapter = adapter.map(|value| Member {
        uri: reading.path(link),
        value,
    });
    NetworkInterface {
        uri: member.uri.clone(),
        name: value::text(value, "Name"),
        description: value::text(value, "Description"),
        ..adapter.as_ref().map(of_adapter).unwrap_or_default()
    }
}

fn adapter_alone(adapter: &Member) -> NetworkInterface {
    NetworkInterface {
        uri: adapter.uri.clone(),
        name: value::text(&adapter.value, "Name"),
        description: value::text(&adapter.value, "Description"),
        ..of_adapter(adapter)
    }
}

fn of_adapter(adapter: &Member) -> NetworkInterface {
    let value = &adapter.value;
    NetworkInterface {
        adapter_uri: adapter.uri.clone(),
        adapter_name: value::text(value, "Name"),
        adapter_description: value::text(value, "Description"),
        adapter_manufacturer: value::text(value, "Manufacturer"),
        adapter_model: value::text(value, "Model"),
        adapter_serial: value::text(value, "SerialNumber"),
        adapter_part_number: value::text(value, "PartNumber"),
        ..NetworkInterface::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_address_that_is_none_is_left_out() {
        for (value, expected) in [
            (json!({"IPv4Addresses": [{"Address": "N/A"}]}), ""),
            (json!({"IPv4Addresses": [{"Address": "0.0.0.0"}]}), ""),
            (json!({"IPv4Addresses": null}), ""),
            (
                json!({"IPv4Addresses": [null, {"Address": null}, {"Address": "10.0.0.1"}]}),
                "10.0.0.1",
            ),
            (json!({"IPv4Addresses": {"Address": "10.0.0.1"}}), "10.0.0.1"),
            (json!({"IPv4Addresses": "10.0.0.1"}), "10.0.0.1"),
            (
                json!({"IPv4Addresses": [{"Address": "0.0.0.0"}], "IPv4StaticAddresses": [{"Address": "10.0.0.2"}]}),
                "10.0.0.2",
            ),
        ] {
            assert_eq!(ipv4(&value), expected, "{value}");
        }
    }

    #[test]
    fn only_addresses_that_reach_beyond_the_link_are_kept() {
        let value = json!({"IPv6Addresses": [
            {"Address": "fe80::1602:ecff:fed9:3aa0/64"}, {"Address": "::"}, {"Address": "FD00:0::7/64"}, {"Address": "fd00::7"},
            {"Address": "none"}, 7,
        ]});
        assert_eq!(ipv6(&value), ["fd00::7"]);
    }

    #[test]
    fn a_mac_is_kept_as_it_is_written() {
        for (value, expected) in [
            (json!({"MACAddress": "a4-bf-01-28-90-ac"}), "a4-bf-01-28-90-ac"),
            (json!({"MACAddress": "14:02:EC:D9:3A:A0"}), "14:02:EC:D9:3A:A0"),
            (
                json!({"MACAddress": "00:00:00:00:00:00", "PermanentMACAddress": "a4bf012890ac"}),
                "a4bf012890ac",
            ),
            (json!({"MACAddress": "N/A"}), ""),
            (json!({"MACAddress": ""}), ""),
            (json!({"MACAddress": ["14:02:EC:D9:3A:A0"]}), ""),
            (json!({}), ""),
        ] {
            assert_eq!(mac(&value), expected, "{value}");
        }
    }
}
