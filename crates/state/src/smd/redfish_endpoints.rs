//! Redfish endpoints: found by xname and FQDN. What is found behind them has files of its own.

use std::collections::BTreeSet;
use std::sync::Arc;

use imbl::OrdMap;
use model::{HmsType, MacAddr, Rejection, Xname};
use proto::raft::v1::outcome::Applied;
use proto::raft::v1::snapshot_row::Row;
use proto::smd::v1::smd_command::PatchRedfishEndpoint;
use proto::smd::v1::{DiscoveryInfo, RedfishEndpoint};

use super::endpoint_address::EndpointAddress;
use super::stored_xname;
use crate::bounds::{NAME_BYTES_MAX, check_text};
use crate::changes::Changes;
use crate::event::Object;
use crate::log_position::LogPosition;
use crate::snapshot::SnapshotError;
use crate::table::{Record, Table};
use crate::{RowKey, RowKind};

/// Word for the kind in rejections.
pub(super) const KIND: &str = "redfish endpoint";
/// What is known of an endpoint that nobody has told about.
const STATUS_DEFAULT: &str = "NotYetQueried";

/// SMD's words for how the last discovery of an endpoint went.
pub const DISCOVERY_STATUSES: [&str; 16] = [
    "NotYetQueried",
    "DiscoveryStarted",
    "DiscoverOK",
    "EndpointInvalid",
    "EPResponseFailedDecode",
    "HTTPsGetFailed",
    "HTTPsGetOk",
    "NoEthIfacesFound",
    "VerifyingData",
    "VerificationFailed",
    "ChildVerificationFailed",
    "RedfishSubtypeNoSupport",
    "EndpointTypeNotSupported",
    "EndpointNotEnabled",
    "StoreFailed",
    "UnexpectedErrorPreStore",
];

/// The name of the sealed secret that is an endpoint's password.
pub fn password_name(endpoint: &Xname) -> String {
    format!("bmc/{endpoint}")
}

/// Endpoints by xname, and the owner of each FQDN.
#[derive(Clone, Default)]
pub(super) struct RedfishEndpoints {
    pub(super) table: Table<RedfishEndpoint>,
    /// FQDNs in lower case.
    by_fqdn: OrdMap<String, Xname>,
}

impl RedfishEndpoints {
    pub(super) fn get(&self, id: &Xname) -> Option<&Arc<RedfishEndpoint>> {
        self.table.get(id)
    }

    /// Sorted by xname.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<RedfishEndpoint>> {
        self.table.values()
    }

    pub(super) fn after(&self, id: Option<&Xname>) -> impl Iterator<Item = &Arc<RedfishEndpoint>> {
        self.table.after(id)
    }

    /// Whatever the case.
    pub(super) fn by_fqdn(&self, fqdn: &str) -> Option<&Arc<RedfishEndpoint>> {
        let owner = self.by_fqdn.get(&fqdn.to_lowercase())?;
        self.table.get(owner)
    }

    pub(super) fn existing(&self, id: &Xname) -> Result<Arc<RedfishEndpoint>, Rejection> {
        self.table
            .get(id)
            .cloned()
            .ok_or_else(|| Rejection::not_found(KIND, id))
    }

    /// Nobody else may have `fqdn`.
    pub(super) fn check_fqdn(&self, id: &Xname, fqdn: &str) -> Result<(), Rejection> {
        match self.by_fqdn.get(&fqdn.to_lowercase()) {
            Some(owner) if owner != id => Err(Rejection::AlreadyExists {
                kind: "FQDN".into(),
                id: fqdn.to_owned(),
                detail: format!("it belongs to {owner}, so {id} cannot have it"),
            }),
            Some(_) | None => Ok(()),
        }
    }

    /// Stores an endpoint and keeps the index in step.
    pub(super) fn put(&mut self, id: Xname, endpoint: RedfishEndpoint, changes: &mut Changes) {
        let fqdn = endpoint.fqdn.to_lowercase();
        if let Some(before) = self.table.put(id.clone(), endpoint, changes) {
            self.by_fqdn.remove(&before.fqdn.to_lowercase());
        }
        self.by_fqdn.insert(fqdn, id);
    }

    pub(super) fn remove(&mut self, id: &Xname, changes: &mut Changes) {
        if let Some(before) = self.table.remove(id, changes) {
            self.by_fqdn.remove(&before.fqdn.to_lowercase());
        }
    }

    /// Marks endpoints to be discovered.
    pub(super) fn request_discovery(
        &mut self,
        ids: BTreeSet<Xname>,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Applied {
        let mut applied = Applied::default();
        for id in ids {
            let Some(before) = self.table.get(&id).cloned() else {
                continue;
            };
            applied.updated.push(id.to_string());
            let after = RedfishEndpoint {
                discovery_requested: Some(at.change()),
                meta: at.modified(before.meta.as_ref()),
                ..before.as_ref().clone()
            };
            self.put(id, after, changes);
        }
        applied
    }

    pub(super) fn load(&mut self, row: RedfishEndpoint, changes: &mut Changes) -> Result<(), SnapshotError> {
        let id = self.table.check_load(&row, RowKind::RedfishEndpoint)?;
        self.check_fqdn(&id, &row.fqdn)
            .map_err(|rejection| SnapshotError::Malformed {
                kind: RowKind::RedfishEndpoint,
                problem: rejection.to_string(),
            })?;
        self.put(id, row, changes);
        Ok(())
    }
}

/// The endpoint as it is stored, without its meta: xname of a controller, host name, domain, FQDN and address made to
/// agree, and a discovery status that SMD knows.
///
/// Source: SMD's NewRedfishEPDescription (pkg/redfish).
pub(super) fn normalise(given: &RedfishEndpoint) -> Result<(Xname, RedfishEndpoint), Rejection> {
    let id: Xname = given.id.parse().map_err(|e| Rejection::invalid("ID", e))?;
    if !may_be_endpoint(id.hms_type()) {
        let problem = format!(
            "{id} is a {}, not a controller; write e.g. x1000c0s0b0 (NodeBMC), x1000c0b0, x1000c0r1b0 or x1000m0",
            id.hms_type()
        );
        return Err(Rejection::invalid("ID", problem));
    }
    let texts = [
        ("Name", &given.name),
        ("UUID", &given.uuid),
        ("User", &given.user),
        ("TemplateID", &given.template_id),
    ];
    for (field, text) in texts {
        check_text(field, text, NAME_BYTES_MAX)?;
    }
    let address = EndpointAddress::resolve(
        id.as_str(),
        &given.hostname,
        &given.domain,
        &given.fqdn,
        &given.ip_address,
    )?;
    let endpoint = RedfishEndpoint {
        id: id.to_string(),
        r#type: id.hms_type().to_string(),
        hostname: address.hostname,
        domain: address.domain,
        fqdn: address.fqdn,
        ip_address: address.ip_address,
        mac_addr: mac(&given.mac_addr)?,
        discovery_info: Some(discovery_info(given.discovery_info.as_ref())?),
        meta: None,
        ..given.clone()
    };
    Ok((id, endpoint))
}

/// Whether something of this type may be a Redfish endpoint: controllers, and as HSM has it the management switches, which speak Redfish
/// here and there.
pub(crate) fn may_be_endpoint(hms_type: HmsType) -> bool {
    hms_type.is_controller()
        || matches!(
            hms_type,
            HmsType::MgmtSwitch | HmsType::MgmtHlSwitch | HmsType::CduMgmtSwitch
        )
}

fn mac(text: &str) -> Result<String, Rejection> {
    if text.is_empty() {
        return Ok(String::new());
    }
    let mac: MacAddr = text.parse().map_err(|e| Rejection::invalid("MACAddr", e))?;
    Ok(mac.to_string())
}

fn discovery_info(given: Option<&DiscoveryInfo>) -> Result<DiscoveryInfo, Rejection> {
    let mut info = given.cloned().unwrap_or_default();
    check_text("DiscoveryInfo", &info.last_discovery_attempt, NAME_BYTES_MAX)?;
    check_text("DiscoveryInfo", &info.redfish_version, NAME_BYTES_MAX)?;
    if info.last_discovery_status.is_empty() {
        STATUS_DEFAULT.clone_into(&mut info.last_discovery_status);
    }
    if !DISCOVERY_STATUSES.contains(&info.last_discovery_status.as_str()) {
        let problem = format!(
            "LastDiscoveryStatus must be one of {}",
            DISCOVERY_STATUSES.join(", ")
        );
        return Err(Rejection::invalid("DiscoveryInfo", problem));
    }
    Ok(info)
}

/// The endpoint as the patch would have it. A new FQDN decides host name and domain, unless these are given; a new
/// host name or domain decides the FQDN.
///
/// Source: SMD `PATCH /Inventory/RedfishEndpoints/{xname}`.
pub(super) fn patched(before: &RedfishEndpoint, patch: &PatchRedfishEndpoint) -> RedfishEndpoint {
    let or = |new: &Option<String>, old: &String| new.clone().unwrap_or_else(|| old.clone());
    let renamed = patch.hostname.is_some() || patch.domain.is_some() || patch.fqdn.is_some();
    let was_address = !before.ip_address.is_empty() && before.fqdn.contains(&before.ip_address);
    let (hostname, domain, fqdn) = match &patch.fqdn {
        Some(fqdn) => (
            patch.hostname.clone().unwrap_or_default(),
            patch.domain.clone().unwrap_or_default(),
            fqdn.clone(),
        ),
        None if renamed => (
            or(&patch.hostname, &before.hostname),
            or(&patch.domain, &before.domain),
            String::new(),
        ),
        None => (
            before.hostname.clone(),
            before.domain.clone(),
            before.fqdn.clone(),
        ),
    };
    let ip_address = match &patch.ip_address {
        Some(address) => address.clone(),
        None if renamed && was_address => String::new(), // it came from the old name
        None => before.ip_address.clone(),
    };
    RedfishEndpoint {
        name: or(&patch.name, &before.name),
        hostname,
        domain,
        fqdn,
        ip_address,
        enabled: patch.enabled.unwrap_or(before.enabled),
        uuid: or(&patch.uuid, &before.uuid),
        user: or(&patch.user, &before.user),
        use_ssdp: patch.use_ssdp.unwrap_or(before.use_ssdp),
        mac_required: patch.mac_required.unwrap_or(before.mac_required),
        mac_addr: or(&patch.mac_addr, &before.mac_addr),
        rediscover_on_update: patch.rediscover_on_update.unwrap_or(before.rediscover_on_update),
        template_id: or(&patch.template_id, &before.template_id),
        ..before.clone()
    }
}

impl Record for RedfishEndpoint {
    type Key = Xname;

    fn row_key(id: &Xname) -> RowKey {
        RowKey::redfish_endpoint(id)
    }

    fn key(&self) -> Result<Xname, String> {
        stored_xname(&self.id)
    }

    fn into_row(self) -> Row {
        Row::RedfishEndpoint(self)
    }

    fn object(self: Arc<Self>) -> Option<Object> {
        Some(Object::RedfishEndpoint(self))
    }
}
