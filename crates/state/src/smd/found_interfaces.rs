//! Ethernet interfaces as a discovery finds them: a NIC that is known already is not created again.

use model::{MacAddr, Rejection, Xname};
use proto::smd::v1::{EthernetInterface, IpAddressMapping};

use super::ethernet_interfaces::{EthernetInterfaces, KIND, carrier, parse_mac};
use super::ip_addresses::normalise_mappings;
use crate::bounds::{ADDRESSES_PER_INTERFACE_MAX, DESCRIPTION_BYTES_MAX, check_count, check_text};
use crate::changes::Changes;
use crate::log_position::LogPosition;

impl EthernetInterfaces {
    /// Takes from the NICs that are found the addresses that they do not have any more, so that each may be another's
    /// among them: two that have swapped theirs do not stand in each other's way.
    pub(super) fn let_go_of_moved<'g>(
        &mut self,
        found: impl Iterator<Item = &'g EthernetInterface>,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) {
        for given in found {
            let Ok(mac) = parse_mac("MACAddress", &given.mac_address) else {
                continue; // refused where it is stored
            };
            let (Some(before), Ok(addresses)) =
                (self.get(&mac).cloned(), normalise_mappings(&given.ip_addresses))
            else {
                continue;
            };
            let mut kept = before.ip_addresses.clone();
            kept.retain(|mapping| !is_replaced(mapping, &addresses));
            if kept.len() < before.ip_addresses.len() {
                let after = EthernetInterface {
                    ip_addresses: kept,
                    ..before.as_ref().clone()
                };
                self.replace(mac, &before, after, at, changes);
            }
        }
    }

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
    let mut after = before.to_vec();
    after.retain(|mapping| !update || !is_replaced(mapping, &found));
    for new in found {
        if after.iter().all(|mapping| mapping.ip_address != new.ip_address) {
            after.push(new);
        }
    }
    after
}

/// Whether a NIC at which `found` was found has lost this address: none that was found takes none away.
fn is_replaced(mapping: &IpAddressMapping, found: &[IpAddressMapping]) -> bool {
    let is_found = || found.iter().any(|new| new.ip_address == mapping.ip_address);
    !found.is_empty() && mapping.network.is_empty() && !is_found()
}
