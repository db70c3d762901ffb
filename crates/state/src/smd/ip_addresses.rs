//! The single addresses of an Ethernet interface.

use std::collections::BTreeSet;
use std::net::IpAddr;

use model::Rejection;
use proto::raft::v1::outcome::Applied;
use proto::smd::v1::smd_command::{AddIpAddress, DeleteIpAddress, PatchIpAddress};
use proto::smd::v1::{EthernetInterface, IpAddressMapping};

use super::ethernet_interfaces::EthernetInterfaces;
use crate::bounds::{ADDRESSES_PER_INTERFACE_MAX, NAME_BYTES_MAX, check_count, check_text};
use crate::changes::Changes;
use crate::log_position::LogPosition;
use crate::outcome::deleted;

/// Word for the kind in rejections.
const KIND: &str = "IP address";

impl EthernetInterfaces {
    /// Source: SMD `POST /Inventory/EthernetInterfaces/{id}/IPAddresses`.
    pub(super) fn add_ip(
        &mut self,
        add: &AddIpAddress,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let (mac, before) = self.existing_at(&add.id, add.if_revision)?;
        let given = add
            .mapping
            .as_ref()
            .ok_or_else(|| Rejection::invalid("mapping", "it is missing"))?;
        let mapping = normalise_mapping(given)?;
        if position(&before, &mapping.ip_address).is_some() {
            let detail = format!("interface {} has it", before.id);
            return Err(Rejection::AlreadyExists {
                kind: KIND.into(),
                id: mapping.ip_address,
                detail,
            });
        }
        check_count(
            "ip_addresses",
            before.ip_addresses.len() + 1,
            ADDRESSES_PER_INTERFACE_MAX,
        )?;
        let created = vec![mapping.ip_address.clone()];
        let mut after = before.as_ref().clone();
        after.ip_addresses.push(mapping);
        self.check_addresses(&mac, &after)?;
        self.replace(mac, &before, after, at, changes);
        Ok(Applied {
            created,
            ..Default::default()
        })
    }

    /// Moves an address to another network.
    /// Source: SMD `PATCH /Inventory/EthernetInterfaces/{id}/IPAddresses/{ip}`.
    pub(super) fn patch_ip(
        &mut self,
        patch: &PatchIpAddress,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let (mac, before) = self.existing_at(&patch.id, patch.if_revision)?;
        let ip = address(&patch.ip)?.to_string();
        check_text("network", &patch.network, NAME_BYTES_MAX)?;
        let position = position(&before, &ip).ok_or_else(|| Rejection::not_found(KIND, &ip))?;
        let mut after = before.as_ref().clone();
        after.ip_addresses[position].network.clone_from(&patch.network);
        if after == *before {
            return Ok(Applied {
                unchanged: vec![ip],
                ..Default::default()
            });
        }
        self.check_addresses(&mac, &after)?;
        self.replace(mac, &before, after, at, changes);
        Ok(Applied {
            updated: vec![ip],
            ..Default::default()
        })
    }

    /// Source: SMD `DELETE /Inventory/EthernetInterfaces/{id}/IPAddresses/{ip}`.
    pub(super) fn delete_ip(
        &mut self,
        delete: &DeleteIpAddress,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let (mac, before) = self.existing_at(&delete.id, delete.if_revision)?;
        let ip = address(&delete.ip)?.to_string();
        let position = position(&before, &ip).ok_or_else(|| Rejection::not_found(KIND, &ip))?;
        let mut after = before.as_ref().clone();
        after.ip_addresses.remove(position);
        self.replace(mac, &before, after, at, changes);
        Ok(deleted(std::iter::once(ip)))
    }
}

fn position(interface: &EthernetInterface, ip: &str) -> Option<usize> {
    interface
        .ip_addresses
        .iter()
        .position(|mapping| mapping.ip_address == ip)
}

/// A whole list. An address may stand in it once, whatever its network: single addresses are named by the address
/// alone.
pub(super) fn normalise_mappings(given: &[IpAddressMapping]) -> Result<Vec<IpAddressMapping>, Rejection> {
    check_count("ip_addresses", given.len(), ADDRESSES_PER_INTERFACE_MAX)?;
    let mappings = given
        .iter()
        .map(normalise_mapping)
        .collect::<Result<Vec<_>, _>>()?;
    let mut seen = BTreeSet::new();
    match mappings.iter().find(|mapping| !seen.insert(&mapping.ip_address)) {
        Some(twice) => Err(Rejection::invalid(
            "ip_addresses",
            format!("{} is given twice", twice.ip_address),
        )),
        None => Ok(mappings),
    }
}

fn normalise_mapping(given: &IpAddressMapping) -> Result<IpAddressMapping, Rejection> {
    check_text("network", &given.network, NAME_BYTES_MAX)?;
    let ip = address(&given.ip_address)?;
    Ok(IpAddressMapping {
        ip_address: ip.to_string(),
        network: given.network.clone(),
    })
}

/// An address that one interface can have, in its shortest form (an IPv4 address in IPv6 clothes becomes IPv4).
pub(super) fn address(text: &str) -> Result<IpAddr, Rejection> {
    let shown: String = text
        .chars()
        .take(NAME_BYTES_MAX)
        .flat_map(char::escape_debug)
        .collect();
    let ip: IpAddr = text.parse().map_err(|_| {
        let problem = format!("`{shown}` is not an IP address, e.g. 10.97.0.17 or fd00::11");
        Rejection::invalid("ip_address", problem)
    })?;
    let ip = ip.to_canonical();
    let broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
    if ip.is_unspecified() || ip.is_multicast() || broadcast {
        let problem = format!("{ip} is not the address of one interface; write a unicast address");
        return Err(Rejection::invalid("ip_address", problem));
    }
    Ok(ip)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_normalised() {
        assert_eq!(address("10.97.0.17").unwrap().to_string(), "10.97.0.17");
        assert_eq!(address("::ffff:10.97.0.17").unwrap().to_string(), "10.97.0.17");
        assert_eq!(address("FD00:0:0::0011").unwrap().to_string(), "fd00::11");
        // The rootless demo gives its nodes loopback addresses.
        assert!(address("127.3.0.17").is_ok());
    }

    #[test]
    fn what_no_interface_can_have_is_refused() {
        for wrong in [
            "",
            "10.97.0",
            "10.97.0.256",
            "10.97.0.1/16",
            "0.0.0.0",
            "::",
            "224.0.0.1",
            "ff02::1",
            "255.255.255.255",
            "010.1.1.1",
        ] {
            let error = address(wrong).unwrap_err();
            assert!(
                matches!(&error, Rejection::Invalid { field, .. } if field == "ip_address"),
                "{wrong}: {error}"
            );
        }
    }
}
