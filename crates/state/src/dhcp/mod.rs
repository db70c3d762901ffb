//! DHCP's part of the state: subnets, leases of their pools, addresses that are held, clients that nobody knows, policies.

mod deleted_subnets;
mod held_addresses;
mod leases;
mod normal_policy;
mod policies;
mod pools;
mod quarantine;
mod raw_options;
mod rules;
mod subnets;
mod unknown_clients;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use model::{Ipv4Net, MacAddr, Rejection};
use proto::dhcp::v1::dhcp_command::Change;
use proto::dhcp::v1::{
    DeletedSubnet, DhcpCommand, DhcpLease, DhcpPolicy, HeldAddress, Subnet, UnknownClient,
};
use proto::raft::v1::outcome::Applied;
use proto::raft::v1::snapshot_row::Row;

pub use self::leases::{LeaseClient, is_of, pool_lease_time_s};
pub use self::pools::Pools;
pub use self::raw_options::option_bytes;
pub use self::rules::PolicyChoice;
pub use self::subnets::lease_time_s;

use self::held_addresses::{HeldAddresses, held_address};
pub(crate) use self::rules::Rule;

use self::leases::{Around, Leases};
use self::policies::Policies;
use self::subnets::{Subnets, network_of};
use self::unknown_clients::UnknownClients;
use crate::apply::no_command;
use crate::changes::Changes;
use crate::cluster::{FEATURE_LEVEL_DHCP, FEATURE_LEVEL_FIRST};
use crate::event::{Event, Object};
use crate::log_position::LogPosition;
use crate::smd::Smd;
use crate::snapshot::SnapshotError;
use crate::table::Record;
use crate::{RowKey, RowKind};

/// Subnets by network, no two of which overlap; leases and held addresses by address.
#[derive(Clone, Default)]
pub struct Dhcp {
    subnets: Subnets,
    leases: Leases,
    held: HeldAddresses,
    unknown: UnknownClients,
    policies: Policies,
}

impl Dhcp {
    /// The subnet in which an address lies.
    pub fn subnet_of(&self, address: Ipv4Addr) -> Option<Arc<Subnet>> {
        self.subnets
            .covering(address)
            .map(|(_, subnet)| Arc::clone(subnet))
    }

    /// Every subnet, sorted by network.
    pub fn subnets(&self) -> impl Iterator<Item = &Arc<Subnet>> {
        self.subnets.iter()
    }

    /// Every subnet that has an address in common with a network: the one around it, or those inside.
    pub fn overlapping(&self, network: &Ipv4Net) -> impl Iterator<Item = &Arc<Subnet>> {
        self.subnets.overlapping(network)
    }

    /// Whether any subnet has this domain, written in lower case.
    pub fn has_domain(&self, domain: &str) -> bool {
        self.subnets.has_domain(domain)
    }

    /// Every domain of the subnets once, sorted, in lower case.
    pub fn domains(&self) -> impl Iterator<Item = &str> {
        self.subnets.domains()
    }

    /// The lease of an address, also one that has ended.
    pub fn lease(&self, address: Ipv4Addr) -> Option<Arc<DhcpLease>> {
        self.leases.get(address).cloned()
    }

    /// Every lease, sorted by address.
    pub fn leases(&self) -> impl Iterator<Item = &Arc<DhcpLease>> {
        self.leases.iter()
    }

    /// What a client has, at most one in each subnet, and what it had before; sorted by address.
    pub fn leases_of(&self, client: &LeaseClient) -> impl Iterator<Item = &Arc<DhcpLease>> {
        self.leases.of(client)
    }

    /// The hold on an address, unless it has ended by `now_ms`, cluster time.
    pub fn held(&self, address: IpAddr, now_ms: u64) -> Option<Arc<HeldAddress>> {
        self.held.live(address, now_ms).cloned()
    }

    /// Every held address, also those that have ended lately; sorted, IPv4 first.
    pub fn held_addresses(&self) -> impl Iterator<Item = &Arc<HeldAddress>> {
        self.held.iter()
    }

    /// Revision from which on an address is held, or a subnet deleted, of which some member may not have heard yet: the oldest.
    pub fn unconfirmed_since(&self) -> Option<u64> {
        let since = [self.held.waits_since(), self.subnets.deleted.waits_since()];
        since.into_iter().flatten().min()
    }

    /// A client that SMD does not know.
    pub fn unknown_client(&self, mac: &MacAddr) -> Option<Arc<UnknownClient>> {
        self.unknown.get(mac).cloned()
    }

    /// Clients that SMD does not know, sorted by MAC.
    pub fn unknown_clients(&self) -> impl Iterator<Item = &Arc<UnknownClient>> {
        self.unknown.iter()
    }

    /// A policy by its name.
    pub fn policy(&self, name: &str) -> Option<Arc<DhcpPolicy>> {
        self.policies.get(name).cloned()
    }

    /// Every policy, in the order in which they are looked at.
    pub fn policies(&self) -> impl Iterator<Item = &Arc<DhcpPolicy>> {
        self.policies.rules().iter().map(|rule| rule.policy())
    }

    /// The same, read.
    pub(crate) fn rules(&self) -> &[Arc<Rule>] {
        self.policies.rules()
    }

    /// `smd` says which addresses and MACs are known.
    pub(crate) fn apply(
        &mut self,
        command: &DhcpCommand,
        smd: &Smd,
        feature_level: u32,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        match command.change.as_ref().ok_or_else(no_command)? {
            Change::PutSubnet(put) => self.subnets.put(put, &self.policies, feature_level, at, changes),
            Change::DeleteSubnet(delete) => self.subnets.delete(delete, feature_level, at, changes),
            Change::BindLeases(bind) => {
                let Dhcp {
                    subnets,
                    leases,
                    held,
                    ..
                } = self;
                leases.bind_all(bind, &Around { smd, subnets, held }, at, changes)
            }
            Change::EndLease(end) => self.leases.end(end, at, changes),
            Change::DeleteLease(delete) => self.leases.delete(delete, at, changes),
            Change::ConfirmHeldAddresses(confirm) => {
                self.subnets.deleted.confirm(confirm, at, changes);
                Ok(self.held.confirm(confirm, &self.subnets, at, changes))
            }
            Change::DeleteHeldAddress(delete) => self.held.delete(delete, changes),
            Change::NoteUnknownClients(note) => self.unknown.note(note, smd, at, changes),
            Change::PutPolicy(put) => self.policies.put(put, &mut self.subnets, at, changes),
            Change::DeletePolicy(delete) => self.policies.delete(delete, changes),
            Change::QuarantineAddress(quarantine) => {
                let Dhcp {
                    subnets,
                    leases,
                    held,
                    ..
                } = self;
                leases.quarantine(quarantine, &Around { smd, subnets, held }, at, changes)
            }
        }
    }

    /// Whether the client could be bound to the address now.
    ///
    /// # Errors
    /// Why not, and whose it is.
    pub fn check_free(
        &self,
        address: Ipv4Addr,
        client: &LeaseClient,
        smd: &Smd,
        now_ms: u64,
    ) -> Result<Arc<Subnet>, Rejection> {
        let Dhcp {
            subnets,
            leases,
            held,
            ..
        } = self;
        leases.check_free(address, client, &Around { smd, subnets, held }, now_ms)
    }

    /// # Errors
    /// `Conflict` where no more can be held.
    pub(crate) fn check_room(&self, now_ms: u64) -> Result<(), Rejection> {
        self.held.check_room(now_ms)
    }

    /// What interfaces have lost is held, and what SMD has come to know is no news any more.
    pub(crate) fn follow(&mut self, events: &[Event], at: &LogPosition<'_>, changes: &mut Changes) {
        self.held.follow(events, &self.subnets, at, changes);
        self.unknown.follow(events, changes);
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = Row> + '_ {
        rows_of(self.subnets.iter())
            .chain(rows_of(self.leases.iter()))
            .chain(rows_of(self.held.iter()))
            .chain(rows_of(self.unknown.iter()))
            .chain(rows_of(self.policies.iter()))
            .chain(rows_of(self.subnets.deleted.iter()))
    }

    pub(crate) fn objects(&self) -> impl Iterator<Item = Object> + '_ {
        self.subnets
            .iter()
            .cloned()
            .map(Object::Subnet)
            .chain(self.leases.iter().cloned().map(Object::DhcpLease))
            .chain(self.held.iter().cloned().map(Object::HeldAddress))
            .chain(self.unknown.iter().cloned().map(Object::UnknownClient))
            .chain(self.policies.iter().cloned().map(Object::DhcpPolicy))
    }

    pub(crate) fn row(&self, key: &RowKey) -> Option<Row> {
        let address = || Some(Ipv4Addr::from(<[u8; 4]>::try_from(key.key()).ok()?));
        match key.kind() {
            RowKind::Subnet => row_of(self.subnets.get(&network_of(key)?)),
            RowKind::DhcpLease => row_of(self.leases.get(address()?)),
            RowKind::HeldAddress => row_of(self.held.get(held_address(key.key())?)),
            RowKind::UnknownClient => {
                let mac = std::str::from_utf8(key.key()).ok()?.parse().ok()?;
                row_of(self.unknown.get(&mac))
            }
            RowKind::DhcpPolicy => row_of(self.policies.get(std::str::from_utf8(key.key()).ok()?)),
            RowKind::DeletedSubnet => row_of(self.subnets.deleted.get(&network_of(key)?)),
            _ => None,
        }
    }

    pub(crate) fn load(&mut self, row: Subnet, changes: &mut Changes) -> Result<(), SnapshotError> {
        self.subnets.load(row, changes)
    }

    pub(crate) fn load_lease(&mut self, row: DhcpLease, changes: &mut Changes) -> Result<(), SnapshotError> {
        self.leases.load(row, changes)
    }

    pub(crate) fn load_held(&mut self, row: HeldAddress, changes: &mut Changes) -> Result<(), SnapshotError> {
        self.held.load(row, changes)
    }

    pub(crate) fn load_unknown(
        &mut self,
        row: UnknownClient,
        changes: &mut Changes,
    ) -> Result<(), SnapshotError> {
        self.unknown.load(row, changes)
    }

    pub(crate) fn load_policy(
        &mut self,
        row: DhcpPolicy,
        changes: &mut Changes,
    ) -> Result<(), SnapshotError> {
        self.policies.load(row, changes)
    }

    pub(crate) fn load_deleted_subnet(
        &mut self,
        row: DeletedSubnet,
        changes: &mut Changes,
    ) -> Result<(), SnapshotError> {
        self.subnets.deleted.load(row, changes)
    }
}

fn rows_of<'a, R: Record + 'a>(objects: impl Iterator<Item = &'a Arc<R>>) -> impl Iterator<Item = Row> {
    objects.map(|object| object.as_ref().clone().into_row())
}

fn row_of<R: Record>(object: Option<&Arc<R>>) -> Option<Row> {
    object.map(|object| object.as_ref().clone().into_row())
}

/// From which level on the log may have this command.
pub(crate) fn feature_level(command: &DhcpCommand) -> u32 {
    match &command.change {
        Some(Change::PutSubnet(put)) => put
            .subnet
            .as_ref()
            .map_or(FEATURE_LEVEL_FIRST, subnets::feature_level),
        None | Some(Change::DeleteSubnet(_)) => FEATURE_LEVEL_FIRST,
        Some(
            Change::BindLeases(_)
            | Change::EndLease(_)
            | Change::DeleteLease(_)
            | Change::ConfirmHeldAddresses(_)
            | Change::DeleteHeldAddress(_)
            | Change::NoteUnknownClients(_)
            | Change::PutPolicy(_)
            | Change::DeletePolicy(_)
            | Change::QuarantineAddress(_),
        ) => FEATURE_LEVEL_DHCP,
    }
}
