//! The state as sorted rows and back.

use proto::raft::v1::snapshot_row::Row;
use proto::raft::v1::{SnapshotRow, StateHeader};

use crate::changes::Changes;
use crate::last_changes::LastChanges;
use crate::table::Record;
use crate::{RowKey, RowKind, State};

/// Format of the rows that this version writes and reads.
const FORMAT: u32 = 1;

/// Why rows are not a state. Whoever read them must throw them away.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SnapshotError {
    /// There is not exactly one header row.
    #[error("the snapshot has {found} header rows instead of one")]
    Header {
        /// Number of header rows found.
        found: usize,
    },
    /// Written by a version with other rows.
    #[error("the snapshot has format {found}, this version reads {FORMAT}")]
    Format {
        /// Format of the snapshot.
        found: u32,
    },
    /// Two rows have one key.
    #[error("the snapshot has two rows {key:?}")]
    Duplicate {
        /// The key.
        key: RowKey,
    },
    /// A row that no `apply` wrote.
    #[error("the snapshot has a malformed row of kind {kind:?}: {problem}")]
    Malformed {
        /// Kind of the row.
        kind: RowKind,
        /// What is wrong.
        problem: String,
    },
    /// A row of a kind that this version does not know.
    #[error("the snapshot has a row of a kind that this version does not know; upgrade this member")]
    UnknownRow,
}

impl RowKey {
    /// The key that a row is stored under.
    ///
    /// # Errors
    /// `Malformed` or `UnknownRow` for a row that no `apply` wrote.
    pub fn of(row: &SnapshotRow) -> Result<RowKey, SnapshotError> {
        match row.row.as_ref().ok_or(SnapshotError::UnknownRow)? {
            Row::Header(_) => Ok(RowKey::header()),
            Row::Session(row) => {
                let problem = "a client id has 16 bytes".to_owned();
                let client_id = row.client_id.as_slice().try_into();
                let kind = RowKind::Session;
                Ok(RowKey::session(
                    client_id.map_err(|_| SnapshotError::Malformed { kind, problem })?,
                ))
            }
            Row::Secret(row) => key_of(row, RowKind::Secret),
            Row::JoinToken(row) => key_of(row, RowKind::JoinToken),
            Row::Component(row) => key_of(row, RowKind::Component),
            Row::EthernetInterface(row) => key_of(row, RowKind::EthernetInterface),
            Row::Group(row) => key_of(row, RowKind::Group),
            Row::RedfishEndpoint(row) => key_of(row, RowKind::RedfishEndpoint),
            Row::ComponentEndpoint(row) => key_of(row, RowKind::ComponentEndpoint),
            Row::ServiceEndpoint(row) => key_of(row, RowKind::ServiceEndpoint),
            Row::Partition(row) => key_of(row, RowKind::Partition),
            Row::NodeMap(row) => key_of(row, RowKind::NodeMap),
            Row::HardwareLocation(row) => key_of(row, RowKind::HardwareLocation),
            Row::HardwareFru(row) => key_of(row, RowKind::HardwareFru),
            Row::BootParameters(row) => key_of(row, RowKind::BootParameters),
            Row::BootRecord(row) => key_of(row, RowKind::BootRecord),
            Row::BootConfiguration(row) => key_of(row, RowKind::BootConfiguration),
            Row::BootRollout(row) => key_of(row, RowKind::BootRollout),
            Row::BootRolloutNode(row) => key_of(row, RowKind::BootRolloutNode),
            Row::ObjectRevision(row) => key_of(row, RowKind::ObjectRevision),
            Row::Instance(row) => key_of(row, RowKind::Instance),
            Row::ClusterDefaults(row) => key_of(row, RowKind::ClusterDefaults),
            Row::CloudInitGroup(row) => key_of(row, RowKind::CloudInitGroup),
            Row::InstanceInfo(row) => key_of(row, RowKind::InstanceInfo),
            Row::Profile(row) => key_of(row, RowKind::Profile),
            Row::BootSession(row) => key_of(row, RowKind::BootSession),
            Row::Subnet(row) => key_of(row, RowKind::Subnet),
            Row::DhcpLease(row) => key_of(row, RowKind::DhcpLease),
            Row::HeldAddress(row) => key_of(row, RowKind::HeldAddress),
            Row::UnknownClient(row) => key_of(row, RowKind::UnknownClient),
            Row::DhcpPolicy(row) => key_of(row, RowKind::DhcpPolicy),
            Row::DeletedSubnet(row) => key_of(row, RowKind::DeletedSubnet),
            Row::BootFile(row) => key_of(row, RowKind::BootFile),
            Row::Image(row) => key_of(row, RowKind::Image),
            Row::PowerMap(row) => key_of(row, RowKind::PowerMap),
            Row::ComponentReservation(row) => key_of(row, RowKind::ComponentReservation),
            Row::ScnSubscription(row) => key_of(row, RowKind::ScnSubscription),
            Row::HardwareHistory(row) => key_of(row, RowKind::HardwareHistory),
            Row::Role(row) => key_of(row, RowKind::Role),
            Row::Policy(row) => key_of(row, RowKind::Policy),
            Row::SigningKey(row) => key_of(row, RowKind::SigningKey),
            Row::ApiToken(row) => key_of(row, RowKind::ApiToken),
            Row::LoginSession(row) => key_of(row, RowKind::LoginSession),
            Row::DeviceApproval(row) => key_of(row, RowKind::DeviceApproval),
            Row::Revocation(row) => key_of(row, RowKind::Revocation),
            Row::OidcProvider(row) => key_of(row, RowKind::OidcProvider),
            Row::CertificateAuthority(row) => key_of(row, RowKind::CertificateAuthority),
            Row::Bmc(row) => key_of(row, RowKind::Bmc),
            Row::XnameRule(row) => key_of(row, RowKind::XnameRule),
            Row::BmcCredential(row) => key_of(row, RowKind::BmcCredential),
            Row::FirmwareInventory(row) => key_of(row, RowKind::FirmwareInventory),
            Row::Job(row) => key_of(row, RowKind::Job),
            Row::JobTarget(row) => key_of(row, RowKind::JobTarget),
            Row::Template(row) => key_of(row, RowKind::Template),
        }
    }
}

fn key_of<R: Record>(row: &R, kind: RowKind) -> Result<RowKey, SnapshotError> {
    let key = row
        .key()
        .map_err(|problem| SnapshotError::Malformed { kind, problem })?;
    Ok(R::row_key(&key))
}

impl State {
    /// Every row, sorted by key: the same bytes on every member at the same applied index.
    pub fn rows(&self) -> impl Iterator<Item = SnapshotRow> + '_ {
        std::iter::once(Row::Header(self.header()))
            .chain(self.sessions.rows().map(Row::Session))
            .chain(self.cluster.rows())
            .chain(self.smd.rows())
            .chain(self.bss.rows())
            .chain(self.revisions.rows())
            .chain(self.bss.later_rows())
            .chain(self.cloud_init.rows())
            .chain(self.dhcp.rows())
            .chain(self.boot_files.rows())
            .chain(self.smd.later_rows())
            .chain(self.auth.rows())
            .chain(self.discovery.rows())
            .chain(self.jobs.rows())
            .chain(self.configurator.rows())
            .map(|row| SnapshotRow { row: Some(row) })
    }

    /// One row; `None` if there is no object of that key (any more).
    pub fn row(&self, key: &RowKey) -> Option<SnapshotRow> {
        let row = match key.kind() {
            RowKind::Header => Row::Header(self.header()),
            RowKind::Session => Row::Session(self.sessions.row(key.key())?),
            RowKind::Secret | RowKind::JoinToken => self.cluster.row(key)?,
            RowKind::Component
            | RowKind::EthernetInterface
            | RowKind::Group
            | RowKind::RedfishEndpoint
            | RowKind::ComponentEndpoint
            | RowKind::ServiceEndpoint
            | RowKind::HardwareLocation
            | RowKind::HardwareFru
            | RowKind::Partition
            | RowKind::NodeMap
            | RowKind::PowerMap
            | RowKind::ComponentReservation
            | RowKind::ScnSubscription
            | RowKind::HardwareHistory => self.smd.row(key)?,
            RowKind::BootParameters
            | RowKind::BootRecord
            | RowKind::BootConfiguration
            | RowKind::BootRollout
            | RowKind::BootRolloutNode => self.bss.row(key)?,
            RowKind::ObjectRevision => self.revisions.row(key)?,
            RowKind::Instance
            | RowKind::ClusterDefaults
            | RowKind::CloudInitGroup
            | RowKind::InstanceInfo
            | RowKind::Profile
            | RowKind::BootSession => self.cloud_init.row(key)?,
            RowKind::Subnet
            | RowKind::DhcpLease
            | RowKind::HeldAddress
            | RowKind::UnknownClient
            | RowKind::DhcpPolicy
            | RowKind::DeletedSubnet => self.dhcp.row(key)?,
            RowKind::BootFile | RowKind::Image => self.boot_files.row(key)?,
            RowKind::Role
            | RowKind::Policy
            | RowKind::SigningKey
            | RowKind::ApiToken
            | RowKind::LoginSession
            | RowKind::DeviceApproval
            | RowKind::Revocation
            | RowKind::OidcProvider
            | RowKind::CertificateAuthority => self.auth.row(key)?,
            RowKind::Bmc | RowKind::XnameRule | RowKind::BmcCredential | RowKind::FirmwareInventory => {
                self.discovery.row(key)?
            }
            RowKind::Job | RowKind::JobTarget => self.jobs.row(key)?,
            RowKind::Template => self.configurator.row(key)?,
        };
        Some(SnapshotRow { row: Some(row) })
    }

    /// The state that has these rows, with its indexes and digest rebuilt. The order of the rows does not matter.
    ///
    /// # Errors
    /// See `SnapshotError`; in particular two owners of something unique.
    pub fn from_rows(rows: impl Iterator<Item = SnapshotRow>) -> Result<State, SnapshotError> {
        let mut state = State::new();
        let mut changes = Changes::silent();
        let mut headers = 0;
        for SnapshotRow { row } in rows {
            match row.ok_or(SnapshotError::UnknownRow)? {
                Row::Header(header) => {
                    headers += 1;
                    state.load_header(header)?;
                }
                Row::Session(row) => state.sessions.load(row, &mut changes)?,
                Row::Secret(row) => state.cluster.load_secret(row, &mut changes)?,
                Row::JoinToken(row) => state.cluster.load_join_token(row, &mut changes)?,
                Row::Component(row) => state.smd.load_component(row, &mut changes)?,
                Row::EthernetInterface(row) => state.smd.load_interface(row, &mut changes)?,
                Row::Group(row) => state.smd.load_group(row, &mut changes)?,
                Row::RedfishEndpoint(row) => state.smd.load_redfish_endpoint(row, &mut changes)?,
                Row::ComponentEndpoint(row) => state.smd.load_component_endpoint(row, &mut changes)?,
                Row::ServiceEndpoint(row) => state.smd.load_service_endpoint(row, &mut changes)?,
                Row::Partition(row) => state.smd.load_partition(row, &mut changes)?,
                Row::NodeMap(row) => state.smd.load_node_map(row, &mut changes)?,
                Row::HardwareLocation(row) => state.smd.load_hardware_location(row, &mut changes)?,
                Row::HardwareFru(row) => state.smd.load_hardware_fru(row, &mut changes)?,
                Row::HardwareHistory(row) => state.smd.load_hardware_history(row, &mut changes)?,
                Row::BootParameters(row) => state.bss.load_entry(row, &mut changes)?,
                Row::BootRecord(row) => state.bss.load_record(row, &mut changes)?,
                Row::BootConfiguration(row) => state.bss.load_configuration(row, &mut changes)?,
                Row::BootRolloutNode(row) => state.bss.load_rollout_node(row, &mut changes)?,
                Row::BootRollout(row) => state.bss.load_rollout(row, &mut changes)?,
                Row::ObjectRevision(row) => state.revisions.load(row, &mut changes)?,
                Row::Instance(row) => state.cloud_init.load_instance(row, &mut changes)?,
                Row::ClusterDefaults(row) => state.cloud_init.load_defaults(row, &mut changes)?,
                Row::CloudInitGroup(row) => state.cloud_init.load_group(row, &mut changes)?,
                Row::InstanceInfo(row) => state.cloud_init.load_info(row, &mut changes)?,
                Row::Profile(row) => state.cloud_init.load_profile(row, &mut changes)?,
                Row::BootSession(row) => state.cloud_init.load_boot_session(row, &mut changes)?,
                Row::Subnet(row) => state.dhcp.load(row, &mut changes)?,
                Row::DhcpLease(row) => state.dhcp.load_lease(row, &mut changes)?,
                Row::HeldAddress(row) => state.dhcp.load_held(row, &mut changes)?,
                Row::UnknownClient(row) => state.dhcp.load_unknown(row, &mut changes)?,
                Row::DhcpPolicy(row) => state.dhcp.load_policy(row, &mut changes)?,
                Row::DeletedSubnet(row) => state.dhcp.load_deleted_subnet(row, &mut changes)?,
                Row::BootFile(row) => state.boot_files.load(row, &mut changes)?,
                Row::Image(row) => state.boot_files.load_image(row, &mut changes)?,
                Row::PowerMap(row) => state.smd.load_power_map(row, &mut changes)?,
                Row::ComponentReservation(row) => state.smd.load_reservation(row, &mut changes)?,
                Row::ScnSubscription(row) => state.smd.load_subscription(row, &mut changes)?,
                Row::Role(row) => state.auth.load_role(row, &mut changes)?,
                Row::Policy(row) => state.auth.load_policy(row, &mut changes)?,
                Row::SigningKey(row) => state.auth.load_signing_key(row, &mut changes)?,
                Row::ApiToken(row) => state.auth.load_api_token(row, &mut changes)?,
                Row::LoginSession(row) => state.auth.load_login_session(row, &mut changes)?,
                Row::DeviceApproval(row) => state.auth.load_device_approval(row, &mut changes)?,
                Row::Revocation(row) => state.auth.load_revocation(row, &mut changes)?,
                Row::OidcProvider(row) => state.auth.load_oidc_provider(row, &mut changes)?,
                Row::CertificateAuthority(row) => state.auth.load_certificate_authority(row, &mut changes)?,
                Row::Bmc(row) => state.discovery.load_bmc(row, &mut changes)?,
                Row::XnameRule(row) => state.discovery.load_rule(row, &mut changes)?,
                Row::BmcCredential(row) => state.discovery.load_credential(row, &mut changes)?,
                Row::FirmwareInventory(row) => state.discovery.load_firmware(row, &mut changes)?,
                Row::Job(row) => state.jobs.load_job(row, &mut changes)?,
                Row::JobTarget(row) => state.jobs.load_target(row, &mut changes)?,
                Row::Template(row) => state.configurator.load_template(row, &mut changes)?,
            }
        }
        if headers != 1 {
            return Err(SnapshotError::Header { found: headers });
        }
        state.smd.check_loaded()?;
        state.revisions.index_loaded();
        state.boot_files.check_loaded()?;
        state.bss.check_loaded(&state.boot_files)?;
        state.jobs.check_loaded()?;
        state.auth.set_level(state.cluster.feature_level());
        state.digest = changes.into_parts().0;
        Ok(state)
    }

    pub(crate) fn header(&self) -> StateHeader {
        let (last_changes_since, last_changes) = self.last_changes.to_rows();
        StateHeader {
            format: FORMAT,
            feature_level: self.feature_level(),
            applied_index: self.applied_index,
            time_ms: self.time_ms,
            cluster_id: self.cluster_id().to_owned(),
            cluster_name: self.cluster_name().to_owned(),
            next_member_id: self.cluster.next_member_id(),
            last_changes_since,
            last_changes,
            policies_decide: self.auth.has_policies(),
            sealing_keys: self.cluster.sealing_keys().cloned(),
        }
    }

    fn load_header(&mut self, header: StateHeader) -> Result<(), SnapshotError> {
        if header.format != FORMAT {
            return Err(SnapshotError::Format { found: header.format });
        }
        self.last_changes = LastChanges::of_header(&header)?;
        self.applied_index = header.applied_index;
        self.time_ms = header.time_ms;
        self.auth.load_header(&header);
        self.cluster.load_header(header);
        Ok(())
    }
}
