//! Ethernet interfaces as a discovery finds them: a NIC that is known already is not created again.

use model::{MacAddr, Rejection, Xname};
use proto::smd::v1::{EthernetInterface, IpAddressMapping};

use super::ethernet_interfaces::{EthernetInterfaces, KIND, carrier, parse_mac};
use super::ip_addresses::normalise_mappings;
use crate::bounds::{ADDRESSES_PER_INTERFACE_MAX, DESCRIPTION_BYTES_MAX, check_count, check_text};
use crate::changes::Changes;
use crate::log_position::LogPosition;

impl EthernetInterfaces {
    /// Stores a NIC that was found at `owner`. What administrators have set stays: a description, and addresses in networks
    /// with a name. With `update` the description and the address without a network are those that were found, and a
    /// NIC of another component moves to `owner`; without it, that rejects.
    ///
    /// Source: SMD's parseRedfishEndpointDataV2, which deletes and inserts again where this updates.
    pub(super) fn store_found(
        &mut self,
        owner: &Xname,
        given: &EthernetInterface,
        update: bool,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<(), Rejection> {
        let mac = parse_mac("MACAddress", &given.mac_address)?;
        check_text("Description", &given.description, DESCRIPTION_BYTES_MAX)?;
        let found = normalise_mappings(&given.ip_addresses)?;
        let Some(before) = self.get(&mac).cloned() else {
            let interface = new(mac, owner, &given.description, found, at);
            self.check_addresses(&mac, &interface)?;
            self.put(mac, interface, changes);
            return Ok(());
        };
        let is_others = !before.component_id.is_empty() && before.component_id != owner.as_str();
        if is_others && !update {
            let detail = format!(
                "MAC {mac} belongs to {}, so {owner} cannot have it; remove it there, or update the Redfish endpoint",
                carrier(&before)
            );
            return Err(Rejection::AlreadyExists {
                kind: KIND.into(),
                id: mac.id(),
                detail,
            });
        }
        let replaced = !given.description.is_empty() && (update || before.description.is_empty());
        let description = if replaced { given } else { before.as_ref() }.description.clone();
        let after = EthernetInterface {
            component_id: owner.to_string(),
            r#type: owner.hms_type().to_string(),
            description,
            ip_addresses: merged(&before.ip_addresses, found, update),
            ..before.as_ref().clone()
        };
        check_count(
            "IPAddresses",
            after.ip_addresses.len(),
            ADDRESSES_PER_INTERFACE_MAX,
        )?;
        self.check_addresses(&mac, &after)?;
        if after != *before {
            self.replace(mac, &before, after, at, changes);
        }
        Ok(())
    }
}

fn new(
    mac: MacAddr,
    owner: &Xname,
    description: &str,
    ip_addresses: Vec<IpAddressMapping>,
    at: &LogPosition<'_>,
) -> EthernetInterface {
    EthernetInterface {
        id: mac.id(),
        description: description.to_owned(),
        mac_address: mac.to_string(),
        last_update: at.time_text(),
        component_id: owner.to_string(),
        r#type: owner.hms_type().to_string(),
        ip_addresses,
        meta: at.created(),
    }
}

/// The addresses that stay, then those that were found and are not among them. A discovery knows no networks, so it
/// replaces addresses without one only.
fn merged(before: &[IpAddressMapping], found: Vec<IpAddressMapping>, update: bool) -> Vec<IpAddressMapping> {
    let replaces = update && !found.is_empty();
    let is_found = |mapping: &IpAddressMapping| found.iter().any(|new| new.ip_address == mapping.ip_address);
    let mut after: Vec<_> = before
        .iter()
        .filter(|mapping| !replaces || !mapping.network.is_empty() || is_found(mapping))
        .cloned()
        .collect();
    for new in found {
        if after.iter().all(|mapping| mapping.ip_address != new.ip_address) {
            after.push(new);
        }
    }
    after
}
