//! Addresses of pools that clients have: an address has one owner at any log index.

use std::net::Ipv4Addr;
use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use model::{MacAddr, Rejection};
use proto::dhcp::v1::dhcp_command::{Bind, BindLeases, DeleteLease, EndLease};
use proto::dhcp::v1::dhcp_lease::State as LeaseState;
use proto::dhcp::v1::{DhcpLease, Subnet};
use proto::raft::v1::outcome::{Applied, Refusal};
use proto::raft::v1::snapshot_row::Row;

use super::held_addresses::HeldAddresses;
use super::pools::Pools;
use super::subnets::Subnets;
use crate::bounds::{
    CLIENT_ID_BYTES_MAX, DHCP_LEASES_MAX, DHCP_TEXT_BYTES_MAX, LEASES_PER_COMMAND_MAX, check_count,
    check_text,
};
use crate::changes::Changes;
use crate::event::Object;
use crate::log_position::LogPosition;
use crate::outcome::deleted;
use crate::smd::Smd;
use crate::snapshot::SnapshotError;
use crate::table::{Record, Table};
use crate::{RowKey, RowKind};

/// Word for the kind in rejections.
const KIND: &str = "DHCP lease";
/// Lease of a pool's address where the subnet says nothing, seconds.
const POOL_LEASE_TIME_S_DEFAULT: u32 = 300;
/// How long nobody gets an address that was found in use, milliseconds: Kea's `decline-probation-period`.
pub(super) const QUARANTINE_MS: u64 = 24 * 60 * 60 * 1000;
/// How long after its end nobody else gets an address, milliseconds: what is left of a lease is told by members whose view of
/// the cluster's time may be a little behind.
pub(super) const REUSE_MARGIN_MS: u64 = 10_000;

/// Who has a lease: the client's own identifier (option 61), or its MAC where it sent none or only that.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeaseClient {
    mac: MacAddr,
    client_id: Vec<u8>,
}

impl LeaseClient {
    /// The client with this MAC that sent this option 61. Type 1 and the MAC says no more than the MAC: a boot's stages send
    /// the one or the other, and are one client.
    pub fn new(mac: MacAddr, client_id: &[u8]) -> LeaseClient {
        let says_mac = client_id
            .split_first()
            .is_some_and(|(kind, rest)| *kind == 1 && *rest == mac.0);
        LeaseClient {
            mac,
            client_id: if says_mac { Vec::new() } else { client_id.to_vec() },
        }
    }

    fn of(lease: &DhcpLease) -> Result<LeaseClient, String> {
        let mac: MacAddr = lease
            .mac
            .parse()
            .map_err(|error: model::InvalidValue| error.to_string())?;
        Ok(LeaseClient::new(mac, &lease.client_id))
    }

    /// The MAC.
    pub fn mac(&self) -> &MacAddr {
        &self.mac
    }

    /// Option 61, where it says more than the MAC.
    pub fn client_id(&self) -> &[u8] {
        &self.client_id
    }
}

/// Leases by address, the addresses of each client, and which of them end when.
#[derive(Clone, Default)]
pub(super) struct Leases {
    table: Table<DhcpLease>,
    of_client: OrdMap<LeaseClient, OrdSet<Ipv4Addr>>,
    by_end: OrdSet<(u64, Ipv4Addr)>,
}

/// What a lease must not take away from somebody else.
pub(super) struct Around<'a> {
    pub(super) smd: &'a Smd,
    pub(super) subnets: &'a Subnets,
    pub(super) held: &'a HeldAddresses,
}

impl Leases {
    pub(super) fn get(&self, address: Ipv4Addr) -> Option<&Arc<DhcpLease>> {
        self.table.get(&address)
    }

    /// Sorted by address.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<DhcpLease>> {
        self.table.values()
    }

    /// What the client has or had last, sorted by address.
    pub(super) fn of(&self, client: &LeaseClient) -> impl Iterator<Item = &Arc<DhcpLease>> {
        let addresses = self.of_client.get(client).into_iter().flatten();
        addresses.filter_map(|address| self.table.get(address))
    }

    /// Binds each by itself. The client's other address in the same subnet is let go of.
    pub(super) fn bind_all(
        &mut self,
        bind: &BindLeases,
        around: &Around<'_>,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        check_count("leases", bind.leases.len(), LEASES_PER_COMMAND_MAX)?;
        let mut applied = Applied::default();
        for one in &bind.leases {
            if let Err(rejection) = self.bind(one, around, at, changes) {
                applied.refused_count += 1;
                applied.refused.push(Refusal {
                    id: one.address.clone(),
                    reason: rejection.to_string(),
                });
            }
        }
        Ok(applied)
    }

    fn bind(
        &mut self,
        bind: &Bind,
        around: &Around<'_>,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<(), Rejection> {
        let (address, client) = parse(&bind.address, &bind.mac, &bind.client_id)?;
        check_text("hostname", &bind.hostname, DHCP_TEXT_BYTES_MAX)?;
        check_text("vendor_class", &bind.vendor_class, DHCP_TEXT_BYTES_MAX)?;
        let subnet = self.check_free(address, &client, around, at.time_ms)?;
        let before = self.get(address).cloned();
        self.make_room(address, at.time_ms, changes)?;
        self.let_others_go(address, &client, around, at, changes);
        let own = before.filter(|before| is_of(before, &client));
        let ends_at_ms = at
            .time_ms
            .saturating_add(u64::from(pool_lease_time_s(&subnet)) * 1000);
        let lease = DhcpLease {
            address: address.to_string(),
            mac: client.mac.to_string(),
            client_id: client.client_id.clone(),
            state: LeaseState::Bound.into(),
            bound_at_ms: own.as_ref().map_or(at.time_ms, |own| own.bound_at_ms),
            // the answer may be lost: the client has what it was granted before until that ends
            ends_at_ms: own
                .as_ref()
                .map_or(ends_at_ms, |own| own.ends_at_ms.max(ends_at_ms)),
            hostname: bind.hostname.clone(),
            vendor_class: bind.vendor_class.clone(),
            meta: match &own {
                Some(own) => at.modified(own.meta.as_ref()),
                None => at.created(),
            },
        };
        self.store(address, client, lease, changes);
        Ok(())
    }

    /// A client has one address on a network: it lets go of what it had there before.
    fn let_others_go(
        &mut self,
        address: Ipv4Addr,
        client: &LeaseClient,
        around: &Around<'_>,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) {
        let network_of = |address| around.subnets.covering(address).map(|(network, _)| *network);
        let others: Vec<Ipv4Addr> = self
            .of(client)
            .filter(|lease| lease.state() == LeaseState::Bound)
            .filter_map(|lease| lease.address.parse().ok())
            .filter(|other| *other != address && network_of(*other) == network_of(address))
            .collect();
        for other in others {
            self.let_go(other, LeaseState::Released, at, changes);
        }
    }

    /// The subnet of an address that the client may be given.
    ///
    /// # Errors
    /// Whose it is, or why it is nobody's.
    pub(super) fn check_free(
        &self,
        address: Ipv4Addr,
        client: &LeaseClient,
        around: &Around<'_>,
        now_ms: u64,
    ) -> Result<Arc<Subnet>, Rejection> {
        let covering = around.subnets.covering(address);
        let (_, subnet) = covering.ok_or_else(|| Rejection::not_found("subnet of", address))?;
        if !Pools::of(subnet).contains(address) {
            return Err(conflict(format!("no pool of {} has {address}", subnet.network)));
        }
        let is_server = |text: &String| text.parse() == Ok(address);
        if subnet.routers.iter().chain(&subnet.dns_servers).any(is_server) {
            return Err(conflict(format!(
                "{address} is a router or a server of its subnet"
            )));
        }
        if let Some(owner) = around.smd.interfaces_by_ip(address.into()).next() {
            return Err(conflict(format!(
                "{address} is that of {} in SMD",
                owner.mac_address
            )));
        }
        if let Some(held) = around
            .held
            .live(address.into(), now_ms.saturating_sub(REUSE_MARGIN_MS))
        {
            return Err(conflict(format!(
                "{address} is held, {} may use it still",
                held.mac
            )));
        }
        match self.get(address) {
            Some(lease) if !is_of(lease, client) && !is_over(lease.ends_at_ms, now_ms) => {
                Err(conflict(format!("{address} is that of {}", lease.mac)))
            }
            // whoever declined an address does not get it either
            Some(lease) if lease.state() == LeaseState::Declined && lease.ends_at_ms > now_ms => {
                Err(conflict(format!("{address} was found in use")))
            }
            Some(_) | None => Ok(Arc::clone(subnet)),
        }
    }

    /// What has ended longest ago makes room for an address that is not on record yet.
    pub(super) fn make_room(
        &mut self,
        address: Ipv4Addr,
        now_ms: u64,
        changes: &mut Changes,
    ) -> Result<(), Rejection> {
        if self.get(address).is_some() || self.table.len() < DHCP_LEASES_MAX {
            return Ok(());
        }
        let oldest = self
            .by_end
            .get_min()
            .filter(|(ends_at_ms, _)| is_over(*ends_at_ms, now_ms));
        let address = oldest.map(|(_, address)| *address);
        let address =
            address.ok_or_else(|| conflict(format!("there are {DHCP_LEASES_MAX} leases; none has ended")))?;
        self.remove(address, changes);
        Ok(())
    }

    /// Gives an address back, or takes it out of use for a day. Whoever is not its client changes nothing.
    pub(super) fn end(
        &mut self,
        end: &EndLease,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let (address, client) = parse(&end.address, &end.mac, &end.client_id)?;
        let lease = self.get(address).filter(|lease| is_of(lease, &client));
        let lease = lease.ok_or_else(|| Rejection::not_found(KIND, address))?;
        let state = match end.declined {
            true => LeaseState::Declined,
            false => LeaseState::Released,
        };
        let mut applied = Applied::default();
        if lease.state() == LeaseState::Bound {
            self.let_go(address, state, at, changes);
            applied.updated.push(address.to_string());
        } else {
            applied.unchanged.push(address.to_string());
        }
        Ok(applied)
    }

    /// Takes an address away. Without `force` nobody else gets it before the lease would have ended.
    pub(super) fn delete(
        &mut self,
        delete: &DeleteLease,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let address = ipv4("address", &delete.address)?;
        let lease = self
            .get(address)
            .ok_or_else(|| Rejection::not_found(KIND, address))?;
        // without its record nothing would keep others from the address
        if delete.force || is_over(lease.ends_at_ms, at.time_ms) {
            self.remove(address, changes);
            return Ok(deleted(std::iter::once(address.to_string())));
        }
        self.let_go(address, LeaseState::Released, at, changes);
        Ok(Applied {
            updated: vec![address.to_string()],
            ..Applied::default()
        })
    }

    /// The client stays on record until somebody else gets the address.
    fn let_go(&mut self, address: Ipv4Addr, state: LeaseState, at: &LogPosition<'_>, changes: &mut Changes) {
        let Some(before) = self.get(address).cloned() else {
            return;
        };
        let Ok(client) = LeaseClient::of(&before) else {
            return;
        };
        let ends_at_ms = match state {
            LeaseState::Declined => at.time_ms.saturating_add(QUARANTINE_MS),
            LeaseState::Unspecified | LeaseState::Bound | LeaseState::Released => before.ends_at_ms,
        };
        let after = DhcpLease {
            state: state.into(),
            ends_at_ms,
            meta: at.modified(before.meta.as_ref()),
            ..before.as_ref().clone()
        };
        self.store(address, client, after, changes);
    }

    pub(super) fn store(
        &mut self,
        address: Ipv4Addr,
        client: LeaseClient,
        lease: DhcpLease,
        changes: &mut Changes,
    ) {
        self.forget_indexes_of(address);
        self.of_client.entry(client).or_default().insert(address);
        self.by_end.insert((lease.ends_at_ms, address));
        self.table.put(address, lease, changes);
    }

    fn remove(&mut self, address: Ipv4Addr, changes: &mut Changes) {
        self.forget_indexes_of(address);
        self.table.remove(&address, changes);
    }

    fn forget_indexes_of(&mut self, address: Ipv4Addr) {
        let Some(lease) = self.get(address).cloned() else {
            return;
        };
        self.by_end.remove(&(lease.ends_at_ms, address));
        let Ok(client) = LeaseClient::of(&lease) else {
            return;
        };
        if let Some(addresses) = self.of_client.get_mut(&client) {
            addresses.remove(&address);
            if addresses.is_empty() {
                self.of_client.remove(&client);
            }
        }
    }

    pub(super) fn load(&mut self, row: DhcpLease, changes: &mut Changes) -> Result<(), SnapshotError> {
        let address = self.table.check_load(&row, RowKind::DhcpLease)?;
        let client = LeaseClient::of(&row).map_err(|problem| SnapshotError::Malformed {
            kind: RowKind::DhcpLease,
            problem,
        })?;
        self.store(address, client, row, changes);
        Ok(())
    }
}

/// Whether somebody else may get what ended at a time.
fn is_over(ends_at_ms: u64, now_ms: u64) -> bool {
    ends_at_ms.saturating_add(REUSE_MARGIN_MS) <= now_ms
}

/// Option 51 for an address of the subnet's pools, seconds.
pub fn pool_lease_time_s(subnet: &Subnet) -> u32 {
    match subnet.pool_lease_time_s {
        0 => POOL_LEASE_TIME_S_DEFAULT,
        seconds => seconds,
    }
}

/// Whether the lease is, or was last, the client's.
pub fn is_of(lease: &DhcpLease, client: &LeaseClient) -> bool {
    LeaseClient::of(lease).is_ok_and(|owner| owner == *client)
}

fn parse(address: &str, mac: &str, client_id: &[u8]) -> Result<(Ipv4Addr, LeaseClient), Rejection> {
    let address = ipv4("address", address)?;
    let mac = mac.parse().map_err(|e| Rejection::invalid("mac", e))?;
    check_count("client_id", client_id.len(), CLIENT_ID_BYTES_MAX)?;
    Ok((address, LeaseClient::new(mac, client_id)))
}

pub(super) fn ipv4(field: &str, text: &str) -> Result<Ipv4Addr, Rejection> {
    text.parse().map_err(|_| {
        let problem = format!(
            "`{}` is not an IPv4 address, e.g. 10.97.200.1",
            text.escape_debug()
        );
        Rejection::invalid(field, problem)
    })
}

pub(super) fn conflict(detail: String) -> Rejection {
    Rejection::Conflict { detail }
}

impl Record for DhcpLease {
    type Key = Ipv4Addr;

    fn row_key(address: &Ipv4Addr) -> RowKey {
        RowKey::dhcp_lease(*address)
    }

    fn key(&self) -> Result<Ipv4Addr, String> {
        self.address
            .parse()
            .map_err(|_| format!("`{}` is no IPv4 address", self.address))
    }

    fn into_row(self) -> Row {
        Row::DhcpLease(self)
    }

    fn object(self: Arc<Self>) -> Option<Object> {
        Some(Object::DhcpLease(self))
    }
}
