//! Ethernet interfaces: found by MAC, address and component. Their single addresses have their own file.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use model::{MacAddr, Rejection, Xname};
use proto::raft::v1::outcome::Applied;
use proto::raft::v1::snapshot_row::Row;
use proto::smd::v1::smd_command::{
    CreateEthernetInterface, DeleteEthernetInterfaces, PatchEthernetInterface,
};
use proto::smd::v1::{EthernetInterface, IpAddressMapping};

use super::ip_addresses::{address, normalise_mappings};
use crate::bounds::{DESCRIPTION_BYTES_MAX, check_ids, check_names_one, check_text};
use crate::changes::Changes;
use crate::event::Object;
use crate::log_position::{LogPosition, check_revision};
use crate::outcome::deleted;
use crate::snapshot::SnapshotError;
use crate::table::{Record, Table};
use crate::{RowKey, RowKind};

/// Word for the kind in rejections.
pub(super) const KIND: &str = "ethernet interface";

/// Interfaces by MAC; who has which address in which network; which interfaces a component has.
#[derive(Clone, Default)]
pub(super) struct EthernetInterfaces {
    table: Table<EthernetInterface>,
    by_ip: OrdMap<(IpAddr, String), MacAddr>,
    by_component: OrdSet<(Xname, MacAddr)>,
}

impl EthernetInterfaces {
    pub(super) fn get(&self, mac: &MacAddr) -> Option<&Arc<EthernetInterface>> {
        self.table.get(mac)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<EthernetInterface>> {
        self.table.values()
    }

    pub(super) fn after(&self, mac: Option<&MacAddr>) -> impl Iterator<Item = &Arc<EthernetInterface>> {
        self.table.after(mac)
    }

    /// The only interface with this address; none if several have it in different networks.
    pub(super) fn by_ip(&self, ip: IpAddr) -> Option<&Arc<EthernetInterface>> {
        let ip = ip.to_canonical();
        let mut owners = self
            .by_ip
            .range((ip, String::new())..)
            .take_while(|((at, _), _)| *at == ip)
            .map(|(_, mac)| mac);
        let owner = owners.next()?;
        if owners.any(|other| other != owner) {
            None
        } else {
            self.table.get(owner)
        }
    }

    /// Every interface with this address, whatever the network; sorted by network.
    pub(super) fn all_by_ip(&self, ip: IpAddr) -> impl Iterator<Item = &Arc<EthernetInterface>> {
        let ip = ip.to_canonical();
        self.by_ip
            .range((ip, String::new())..)
            .take_while(move |((at, _), _)| *at == ip)
            .filter_map(|(_, mac)| self.table.get(mac))
    }

    /// The addresses in a range that any interface has, each once, sorted.
    pub(super) fn ips(&self, range: RangeInclusive<IpAddr>) -> impl Iterator<Item = IpAddr> {
        let mut last = None;
        let (first, end) = range.into_inner();
        let from = self.by_ip.range((first, String::new())..).map(|((ip, _), _)| *ip);
        from.take_while(move |ip| *ip <= end)
            .filter(move |ip| last.replace(*ip) != Some(*ip))
    }

    pub(super) fn of<'a>(
        &'a self,
        component: &Xname,
    ) -> impl Iterator<Item = &'a Arc<EthernetInterface>> + use<'a> {
        let first = (component.clone(), MacAddr([0; 6]));
        let last = (component.clone(), MacAddr([0xff; 6]));
        self.by_component
            .range(first..=last)
            .filter_map(|(_, mac)| self.table.get(mac))
    }

    /// The component need not exist. Source: SMD `POST /Inventory/EthernetInterfaces`.
    pub(super) fn create(
        &mut self,
        create: &CreateEthernetInterface,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let given = create
            .interface
            .as_ref()
            .ok_or_else(|| Rejection::invalid("interface", "it is missing"))?;
        let (mac, normalised) = normalise(given)?;
        if let Some(existing) = self.table.get(&mac) {
            let detail = format!("MAC {mac} belongs to {}", carrier(existing));
            return Err(Rejection::AlreadyExists {
                kind: KIND.into(),
                id: mac.id(),
                detail,
            });
        }
        self.check_addresses(&mac, &normalised)?;
        self.put_new(mac, normalised, at, changes);
        Ok(Applied {
            created: vec![mac.id()],
            ..Default::default()
        })
    }

    /// Absent fields stay. Source: SMD `PATCH /Inventory/EthernetInterfaces/{id}`.
    pub(super) fn patch(
        &mut self,
        patch: &PatchEthernetInterface,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let (mac, before) = self.existing_at(&patch.id, patch.if_revision)?;
        let mut after = before.as_ref().clone();
        if let Some(component) = &patch.component_id {
            let component = parse_component(component)?;
            after.component_id = component.as_ref().map_or_else(String::new, Xname::to_string);
            after.r#type = component
                .as_ref()
                .map_or_else(String::new, |id| id.hms_type().to_string());
        }
        if let Some(description) = &patch.description {
            check_text("description", description, DESCRIPTION_BYTES_MAX)?;
            after.description.clone_from(description);
        }
        if let Some(addresses) = &patch.ip_addresses {
            after.ip_addresses = normalise_mappings(&addresses.items)?;
        }
        self.check_addresses(&mac, &after)?;
        if after == *before {
            return Ok(Applied {
                unchanged: vec![mac.id()],
                ..Default::default()
            });
        }
        self.replace(mac, &before, after, at, changes);
        Ok(Applied {
            updated: vec![mac.id()],
            ..Default::default()
        })
    }

    /// Removes the named interfaces, or all; one that does not exist rejects the whole command.
    pub(super) fn delete(
        &mut self,
        delete: &DeleteEthernetInterfaces,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let macs: BTreeSet<MacAddr> = if delete.all {
            self.table.keys().copied().collect()
        } else {
            check_ids("ids", delete.ids.len())?;
            delete
                .ids
                .iter()
                .map(|id| parse_mac("ids", id))
                .collect::<Result<_, _>>()?
        };
        if macs.is_empty() {
            return Err(Rejection::not_found(KIND, "there are none"));
        }
        if let Some(missing) = macs.iter().find(|mac| self.table.get(mac).is_none()) {
            return Err(Rejection::not_found(KIND, missing.id()));
        }
        check_names_one(delete.if_revision, macs.len())?;
        for interface in macs.iter().filter_map(|mac| self.table.get(mac)) {
            check_revision(&interface.id, delete.if_revision, interface.meta.as_ref())?;
        }
        for mac in &macs {
            self.remove(mac, changes);
        }
        Ok(deleted(macs.iter().map(MacAddr::id)))
    }

    /// An interface that is at the revision that the client has seen, if it names one.
    pub(super) fn existing_at(
        &self,
        id: &str,
        if_revision: Option<u64>,
    ) -> Result<(MacAddr, Arc<EthernetInterface>), Rejection> {
        let mac = parse_mac("id", id)?;
        let interface = self
            .table
            .get(&mac)
            .ok_or_else(|| Rejection::not_found(KIND, mac.id()))?;
        check_revision(&interface.id, if_revision, interface.meta.as_ref())?;
        Ok((mac, Arc::clone(interface)))
    }

    /// Nobody else may have one of `interface`'s addresses in the same network.
    pub(super) fn check_addresses(
        &self,
        mac: &MacAddr,
        interface: &EthernetInterface,
    ) -> Result<(), Rejection> {
        for mapping in &interface.ip_addresses {
            let key = (address(&mapping.ip_address)?, mapping.network.clone());
            if let Some(owner) = self.owner(&key).filter(|owner| owner.id != mac.id()) {
                return Err(taken(mapping, owner, interface));
            }
        }
        Ok(())
    }

    /// Who has an address in a network.
    pub(super) fn owner(&self, key: &(IpAddr, String)) -> Option<&Arc<EthernetInterface>> {
        self.table.get(self.by_ip.get(key)?)
    }

    /// Stores a normalised interface that is not there yet.
    pub(super) fn put_new(
        &mut self,
        mac: MacAddr,
        normalised: EthernetInterface,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) {
        let interface = EthernetInterface {
            last_update: at.time_text(),
            meta: at.created(),
            ..normalised
        };
        self.put(mac, interface, changes);
    }

    /// Stores a changed interface. `last_update` tells of changes of addresses and component only, as in SMD.
    pub(super) fn replace(
        &mut self,
        mac: MacAddr,
        before: &EthernetInterface,
        mut after: EthernetInterface,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) {
        if after.ip_addresses != before.ip_addresses || after.component_id != before.component_id {
            after.last_update = at.time_text();
        }
        after.meta = at.modified(before.meta.as_ref());
        self.put(mac, after, changes);
    }

    pub(super) fn put(&mut self, mac: MacAddr, interface: EthernetInterface, changes: &mut Changes) {
        let after = index_keys(&interface);
        if let Some(before) = self.table.put(mac, interface, changes) {
            self.unindex(mac, &before);
        }
        self.by_ip.extend(after.0.into_iter().map(|key| (key, mac)));
        self.by_component
            .extend(after.1.map(|component| (component, mac)));
    }

    fn remove(&mut self, mac: &MacAddr, changes: &mut Changes) {
        if let Some(before) = self.table.remove(mac, changes) {
            self.unindex(*mac, &before);
        }
    }

    fn unindex(&mut self, mac: MacAddr, interface: &EthernetInterface) {
        let (addresses, component) = index_keys(interface);
        for key in addresses {
            // Of several that are replaced at once, one may have taken an address over already.
            if self.by_ip.get(&key) == Some(&mac) {
                self.by_ip.remove(&key);
            }
        }
        if let Some(component) = component {
            self.by_component.remove(&(component, mac));
        }
    }

    pub(super) fn load(
        &mut self,
        row: EthernetInterface,
        changes: &mut Changes,
    ) -> Result<(), SnapshotError> {
        let mac = self.table.check_load(&row, RowKind::EthernetInterface)?;
        self.check_addresses(&mac, &row)
            .map_err(|rejection| SnapshotError::Malformed {
                kind: RowKind::EthernetInterface,
                problem: rejection.to_string(),
            })?;
        self.put(mac, row, changes);
        Ok(())
    }
}

type IndexKeys = (Vec<(IpAddr, String)>, Option<Xname>);

/// Under what an interface is found besides its MAC. What is stored was parsed before, so nothing is left out.
fn index_keys(interface: &EthernetInterface) -> IndexKeys {
    let key =
        |mapping: &IpAddressMapping| Some((address(&mapping.ip_address).ok()?, mapping.network.clone()));
    (
        interface.ip_addresses.iter().filter_map(key).collect(),
        interface.component_id.parse().ok(),
    )
}

/// The interface as it is stored, without what comes from its place in the log.
pub(super) fn normalise(given: &EthernetInterface) -> Result<(MacAddr, EthernetInterface), Rejection> {
    let mac = parse_mac("mac_address", &given.mac_address)?;
    let component = parse_component(&given.component_id)?;
    check_text("description", &given.description, DESCRIPTION_BYTES_MAX)?;
    let interface = EthernetInterface {
        id: mac.id(),
        description: given.description.clone(),
        mac_address: mac.to_string(),
        last_update: String::new(),
        component_id: component.as_ref().map_or_else(String::new, Xname::to_string),
        r#type: component
            .as_ref()
            .map_or_else(String::new, |id| id.hms_type().to_string()),
        ip_addresses: normalise_mappings(&given.ip_addresses)?,
        meta: None,
    };
    Ok((mac, interface))
}

/// An address that is another's.
pub(super) fn taken(
    mapping: &IpAddressMapping,
    owner: &EthernetInterface,
    wanting: &EthernetInterface,
) -> Rejection {
    let network = if mapping.network.is_empty() {
        "no network"
    } else {
        mapping.network.as_str()
    };
    let detail = format!(
        "address {} ({network}) belongs to {}, so {} cannot have it; remove it there first",
        mapping.ip_address,
        carrier(owner),
        carrier(wanting)
    );
    Rejection::Conflict { detail }
}

/// An interface and its component, for the texts of rejections.
pub(super) fn carrier(interface: &EthernetInterface) -> String {
    match interface.component_id.as_str() {
        "" => format!("interface {} (of no component)", interface.id),
        component => format!("interface {} (of {component})", interface.id),
    }
}

pub(super) fn parse_mac(field: &str, text: &str) -> Result<MacAddr, Rejection> {
    text.parse().map_err(|e| Rejection::invalid(field, e))
}

fn parse_component(text: &str) -> Result<Option<Xname>, Rejection> {
    match text {
        "" => Ok(None),
        text => text
            .parse()
            .map(Some)
            .map_err(|e| Rejection::invalid("component_id", e)),
    }
}

impl Record for EthernetInterface {
    type Key = MacAddr;

    fn row_key(mac: &MacAddr) -> RowKey {
        RowKey::ethernet_interface(mac)
    }

    fn key(&self) -> Result<MacAddr, String> {
        let mac: MacAddr = self
            .id
            .parse()
            .map_err(|error: model::InvalidValue| error.to_string())?;
        if mac.id() != self.id || mac.to_string() != self.mac_address {
            return Err(format!(
                "id `{}` and MAC `{}` do not agree",
                self.id, self.mac_address
            ));
        }
        Ok(mac)
    }

    fn into_row(self) -> Row {
        Row::EthernetInterface(self)
    }

    fn object(self: Arc<Self>) -> Option<Object> {
        Some(Object::EthernetInterface(self))
    }
}
