//! The filters of HSM's GET Inventory/EthernetInterfaces.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use model::{HmsType, MacAddr, Xname};
use prost_types::Timestamp;
use proto::smd::v1::{EthernetInterface, ListEthernetInterfacesRequest};
use rpc::Error;
use state::State;

use crate::filter::{OneOf, bad_query};

/// Which interfaces are wanted: every key must admit one.
#[derive(Clone, Debug)]
pub(crate) struct EthernetInterfaceFilter {
    id: OneOf<String>,
    mac_address: OneOf<String>,
    ip_address: OneOf<IpAddr>,
    network: OneOf<String>,
    component_id: OneOf<String>,
    hms_type: OneOf<String>,
    older_than: Option<Timestamp>,
    newer_than: Option<Timestamp>,
}

impl EthernetInterfaceFilter {
    /// Reads the filter. MACs match in any notation; HSM's own filter misses all but its own.
    ///
    /// # Errors
    /// `Invalid` with HSM's text for a value that is none.
    pub(crate) fn parse(request: &ListEthernetInterfacesRequest) -> Result<EthernetInterfaceFilter, Error> {
        Ok(EthernetInterfaceFilter {
            id: OneOf::parse(&request.id, |id| mac(id, "ID").map(|mac| mac.id()))?,
            mac_address: OneOf::parse(&request.mac_address, |text| {
                mac(text, "MAC address").map(|mac| mac.to_string())
            })?,
            ip_address: OneOf::parse(&request.ip_address, ip)?,
            network: OneOf::parse(&request.network, |network| Ok(network.to_owned()))?,
            component_id: OneOf::parse(&request.component_id, component_id)?,
            hms_type: OneOf::parse(&request.r#type, hms_type)?,
            older_than: time(&request.older_than)?,
            newer_than: time(&request.newer_than)?,
        })
    }

    /// The interfaces that the filter names by MAC, address or component, sorted by MAC, each once: no other can be
    /// admitted, and `admits` decides about them. `None` if it names none: any may be.
    pub(crate) fn named(&self, state: &State) -> Option<Vec<Arc<EthernetInterface>>> {
        let by_mac = |texts: &[String]| -> BTreeMap<String, Arc<EthernetInterface>> {
            let macs = texts.iter().filter_map(|text| text.parse().ok());
            let found = macs.filter_map(|mac: MacAddr| state.smd.interface(&mac));
            found.map(|interface| (interface.id.clone(), interface)).collect()
        };
        let found = if !self.id.wanted().is_empty() {
            by_mac(self.id.wanted())
        } else if !self.mac_address.wanted().is_empty() {
            by_mac(self.mac_address.wanted())
        } else if !self.ip_address.wanted().is_empty() {
            let owners = |ip: &IpAddr| state.smd.interfaces_by_ip(*ip);
            let found = self.ip_address.wanted().iter().flat_map(owners);
            found
                .map(|interface| (interface.id.clone(), Arc::clone(interface)))
                .collect()
        } else {
            let components = self
                .component_id
                .wanted()
                .iter()
                .map(|id| id.parse::<Xname>().ok());
            // one of them may be "of no component", which no index knows
            let components: Vec<Xname> = components
                .collect::<Option<_>>()
                .filter(|ids: &Vec<_>| !ids.is_empty())?;
            let found = components.iter().flat_map(|id| state.smd.interfaces_of(id));
            found
                .map(|interface| (interface.id.clone(), Arc::clone(interface)))
                .collect()
        };
        Some(found.into_values().collect())
    }

    /// Whether `interface` is wanted. One of its addresses is enough, for a network that it is on as well.
    pub(crate) fn admits(&self, interface: &EthernetInterface) -> bool {
        let addresses = || interface.ip_addresses.iter();
        let has_address = |ip: &IpAddr| addresses().any(|mapping| mapping.ip_address.parse() == Ok(*ip));
        self.id.admits(&interface.id)
            && self.mac_address.admits(&interface.mac_address)
            && self.component_id.admits(&interface.component_id)
            && self.hms_type.admits(&interface.r#type)
            && self.ip_address.admits_if(has_address)
            && self
                .network
                .admits_if(|network| addresses().any(|mapping| mapping.network == *network))
            && self.admits_time(&interface.last_update)
    }

    fn admits_time(&self, last_update: &str) -> bool {
        if self.older_than.is_none() && self.newer_than.is_none() {
            return true;
        }
        let Ok(changed) = last_update.parse::<Timestamp>() else {
            return false;
        };
        let key = |time: &Timestamp| (time.seconds, time.nanos);
        self.older_than
            .as_ref()
            .is_none_or(|limit| key(&changed) < key(limit))
            && self
                .newer_than
                .as_ref()
                .is_none_or(|limit| key(&changed) > key(limit))
    }
}

fn mac(text: &str, what: &str) -> Result<MacAddr, Error> {
    text.parse()
        .map_err(|_| bad_query(format!("Invalid component ethernet interface {what}.")))
}

fn ip(text: &str) -> Result<IpAddr, Error> {
    text.parse().map_err(|_| bad_query("Invalid IP address."))
}

/// Empty for interfaces of no component.
fn component_id(text: &str) -> Result<String, Error> {
    if text.is_empty() {
        return Ok(String::new());
    }
    let parsed: Result<Xname, _> = text.parse();
    parsed
        .map(|xname| xname.to_string())
        .map_err(|_| bad_query("Invalid CompID."))
}

fn hms_type(text: &str) -> Result<String, Error> {
    let parsed: Result<HmsType, _> = text.parse();
    parsed
        .map(|hms_type| hms_type.as_str().to_owned())
        .map_err(|_| bad_query("Invalid HMS type."))
}

/// An RFC 3339 time; `None` for an empty text.
pub(crate) fn time(text: &str) -> Result<Option<Timestamp>, Error> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse()
        .map(Some)
        .map_err(|_| bad_query("Argument was not in a valid RFC3339 time format"))
}

#[cfg(test)]
mod tests {
    use proto::smd::v1::IpAddressMapping;

    use super::*;

    fn interface() -> EthernetInterface {
        let mapping = |ip: &str, network: &str| IpAddressMapping {
            ip_address: ip.into(),
            network: network.into(),
        };
        EthernetInterface {
            id: "0200000000a1".into(),
            mac_address: "02:00:00:00:00:a1".into(),
            component_id: "x0c0s0b0n0".into(),
            r#type: "Node".into(),
            last_update: "2026-11-25T07:35:44.123Z".into(),
            ip_addresses: vec![mapping("10.97.3.4", "NMN"), mapping("10.98.3.4", "HSN")],
            ..EthernetInterface::default()
        }
    }

    type Set = fn(&mut ListEthernetInterfacesRequest, &str);

    fn admits(set: Set, value: &str) -> Result<bool, Error> {
        let mut request = ListEthernetInterfacesRequest::default();
        set(&mut request, value);
        Ok(EthernetInterfaceFilter::parse(&request)?.admits(&interface()))
    }

    /// One line per key: what it must admit, what not.
    #[test]
    fn each_key_admits_its_values_and_no_others() {
        let keys: [(&str, Set, &[&str], &[&str]); 8] = [
            (
                "ID",
                |r, v| r.id.push(v.into()),
                &["0200000000A1", "02:00:00:00:00:a1", "!0200000000a2"],
                &["0200000000a2"],
            ),
            (
                "MACAddress",
                |r, v| r.mac_address.push(v.into()),
                &["02-00-00-00-00-A1", "0200000000a1"],
                &["!02:00:00:00:00:a1"],
            ),
            (
                "IPAddress",
                |r, v| r.ip_address.push(v.into()),
                &["10.97.3.4", "10.98.3.4"],
                &["10.97.3.5", "!10.97.3.4"],
            ),
            (
                "Network",
                |r, v| r.network.push(v.into()),
                &["NMN", "!CAN"],
                &["CAN", "!HSN"],
            ),
            (
                "ComponentID",
                |r, v| r.component_id.push(v.into()),
                &["X0c0s0b0n0", "!"],
                &["", "x0c0s0b0n1"],
            ),
            (
                "Type",
                |r, v| r.r#type.push(v.into()),
                &["node"],
                &["NodeBMC", "!Node"],
            ),
            (
                "OlderThan",
                |r, v| r.older_than = v.into(),
                &["2026-11-25T07:35:45Z"],
                &["2026-11-25T07:35:44.123Z"],
            ),
            (
                "NewerThan",
                |r, v| r.newer_than = v.into(),
                &["2026-11-25T08:35:44+01:00"],
                &["2026-11-25T07:35:44.123Z"],
            ),
        ];
        for (key, set, admitted, refused) in keys {
            for value in admitted {
                assert!(admits(set, value).unwrap(), "{key}={value}");
            }
            for value in refused {
                assert!(!admits(set, value).unwrap(), "{key}={value}");
            }
        }
    }

    #[test]
    fn bad_values_get_the_texts_of_hsm() {
        let cases: [(Set, &str, &str); 6] = [
            (
                |r, v| r.id.push(v.into()),
                "zz",
                "Invalid component ethernet interface ID.",
            ),
            (
                |r, v| r.mac_address.push(v.into()),
                "",
                "Invalid component ethernet interface MAC address.",
            ),
            (
                |r, v| r.ip_address.push(v.into()),
                "10.97.3",
                "Invalid IP address.",
            ),
            (|r, v| r.component_id.push(v.into()), "foo", "Invalid CompID."),
            (|r, v| r.r#type.push(v.into()), "foo", "Invalid HMS type."),
            (
                |r, v| r.older_than = v.into(),
                "yesterday",
                "Argument was not in a valid RFC3339 time format",
            ),
        ];
        for (set, value, text) in cases {
            assert_eq!(
                admits(set, value).unwrap_err().to_string(),
                format!("bad query param: {text}")
            );
        }
    }
}
