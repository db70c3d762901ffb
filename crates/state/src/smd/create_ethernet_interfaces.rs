//! Creating many Ethernet interfaces at once: all or nothing, and what is there with the same values stays.

use std::collections::BTreeMap;
use std::net::IpAddr;

use model::{MacAddr, Rejection};
use proto::raft::v1::outcome::Applied;
use proto::smd::v1::EthernetInterface;
use proto::smd::v1::smd_command::CreateEthernetInterfaces;

use super::ethernet_interfaces::{EthernetInterfaces, KIND, carrier, normalise, taken};
use super::ip_addresses::address;
use crate::bounds::{check_ids, check_one_each};
use crate::changes::Changes;
use crate::log_position::{LogPosition, check_revision};

/// The batch in the order given; no MAC twice.
type Batch = Vec<(MacAddr, EthernetInterface)>;

impl EthernetInterfaces {
    /// Creates what does not exist yet and leaves alone what has the same values. What has other values rejects the
    /// command or, with `replace`, takes over all that is given. Addresses may change hands within the batch.
    pub(super) fn create_all(
        &mut self,
        create: &CreateEthernetInterfaces,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let batch = normalise_all(&create.interfaces)?;
        check_one_each(&create.if_revisions, batch.len())?;
        for ((mac, _), expected) in batch.iter().zip(&create.if_revisions) {
            let before = self.get(mac).and_then(|before| before.meta.as_ref());
            check_revision(&mac.id(), Some(*expected), before)?;
        }
        if !create.replace {
            self.check_none_differs(&batch)?;
        }
        self.check_addresses_of(&batch)?;
        let mut applied = Applied::default();
        for (mac, given) in batch {
            let id = mac.id();
            match self.get(&mac).cloned() {
                None => {
                    self.put_new(mac, given, at, changes);
                    applied.created.push(id);
                }
                Some(before) if is_same(&before, &given) => applied.unchanged.push(id),
                Some(before) => {
                    let after = EthernetInterface {
                        last_update: before.last_update.clone(),
                        ..given
                    };
                    self.replace(mac, &before, after, at, changes);
                    applied.updated.push(id);
                }
            }
        }
        Ok(applied)
    }

    fn check_none_differs(&self, batch: &Batch) -> Result<(), Rejection> {
        for (mac, given) in batch {
            if let Some(existing) = self.get(mac).filter(|existing| !is_same(existing, given)) {
                return Err(Rejection::AlreadyExists {
                    kind: KIND.into(),
                    id: mac.id(),
                    detail: format!("MAC {mac} belongs to {}, with other values", carrier(existing)),
                });
            }
        }
        Ok(())
    }

    /// No address may belong to two of the batch, nor to one outside it. Whoever is in the batch has afterwards what the
    /// batch says and nothing else.
    fn check_addresses_of(&self, batch: &Batch) -> Result<(), Rejection> {
        let given: BTreeMap<&MacAddr, &EthernetInterface> =
            batch.iter().map(|(mac, interface)| (mac, interface)).collect();
        let mut claimed: BTreeMap<(IpAddr, &str), &EthernetInterface> = BTreeMap::new();
        for (_, interface) in batch {
            for mapping in &interface.ip_addresses {
                let ip = address(&mapping.ip_address)?;
                if let Some(owner) = claimed.insert((ip, &mapping.network), interface) {
                    return Err(taken(mapping, owner, interface));
                }
                let stored = self.owner(&(ip, mapping.network.clone()));
                let outside = |owner: &EthernetInterface| {
                    let mac: Result<MacAddr, _> = owner.mac_address.parse();
                    mac.map_or(true, |mac| !given.contains_key(&mac))
                };
                if let Some(owner) = stored.filter(|owner| outside(owner)) {
                    return Err(taken(mapping, owner, interface));
                }
            }
        }
        Ok(())
    }
}

/// Whether a client sees no difference.
fn is_same(stored: &EthernetInterface, given: &EthernetInterface) -> bool {
    stored.description == given.description
        && stored.component_id == given.component_id
        && stored.ip_addresses == given.ip_addresses
}

/// Every interface as it is stored; what is wrong names its place.
fn normalise_all(interfaces: &[EthernetInterface]) -> Result<Batch, Rejection> {
    check_ids("interfaces", interfaces.len())?;
    let mut places = BTreeMap::new();
    let mut batch = Vec::with_capacity(interfaces.len());
    for (place, given) in interfaces.iter().enumerate() {
        let (mac, interface) = normalise(given).map_err(|rejection| within(place, rejection))?;
        if let Some(first) = places.insert(mac, place) {
            let problem = format!("{mac} is given twice in one request, first as interfaces[{first}]");
            return Err(Rejection::invalid(
                &format!("interfaces[{place}].mac_address"),
                problem,
            ));
        }
        batch.push((mac, interface));
    }
    Ok(batch)
}

fn within(place: usize, rejection: Rejection) -> Rejection {
    match rejection {
        Rejection::Invalid { field, problem } => {
            Rejection::invalid(&format!("interfaces[{place}].{field}"), problem)
        }
        other => other,
    }
}
