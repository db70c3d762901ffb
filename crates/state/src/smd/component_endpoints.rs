//! Component endpoints: how components are reached, found by xname and by the Redfish endpoint they are behind.

use std::sync::Arc;

use imbl::OrdSet;
use model::{Rejection, Xname};
use prost::Message;
use proto::raft::v1::snapshot_row::Row;
use proto::smd::v1::{ComponentEndpoint, RedfishEndpoint};

use super::redfish_endpoints::RedfishEndpoints;
use super::stored_xname;
use crate::bounds::{COMPONENT_ENDPOINT_BYTES_MAX, NAME_BYTES_MAX, URL_BYTES_MAX, check_text};
use crate::changes::Changes;
use crate::event::Object;
use crate::log_position::LogPosition;
use crate::snapshot::SnapshotError;
use crate::table::{Record, Table};
use crate::{RowKey, RowKind};

/// Word for the kind in rejections.
pub(super) const KIND: &str = "component endpoint";

/// Redfish types, and what SMD calls the component endpoint of each.
const TYPES: [(&str, &str); 5] = [
    ("Chassis", "ComponentEndpointChassis"),
    ("ComputerSystem", "ComponentEndpointComputerSystem"),
    ("Manager", "ComponentEndpointManager"),
    ("PowerDistribution", "ComponentEndpointPowerDistribution"),
    ("Outlet", "ComponentEndpointOutlet"),
];

/// Component endpoints by xname, and those of each Redfish endpoint.
#[derive(Clone, Default)]
pub(super) struct ComponentEndpoints {
    pub(super) table: Table<ComponentEndpoint>,
    /// Redfish endpoint, then component: always some, as nothing sorts before the first.
    by_endpoint: OrdSet<(Xname, Option<Xname>)>,
}

impl ComponentEndpoints {
    pub(super) fn get(&self, id: &Xname) -> Option<&Arc<ComponentEndpoint>> {
        self.table.get(id)
    }

    /// Sorted by xname.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<ComponentEndpoint>> {
        self.table.values()
    }

    pub(super) fn after(&self, id: Option<&Xname>) -> impl Iterator<Item = &Arc<ComponentEndpoint>> {
        self.table.after(id)
    }

    /// Those behind a Redfish endpoint, sorted by xname.
    pub(super) fn of<'a>(
        &'a self,
        endpoint: &Xname,
    ) -> impl Iterator<Item = &'a Arc<ComponentEndpoint>> + use<'a> {
        let endpoint = endpoint.clone();
        self.by_endpoint
            .range((endpoint.clone(), None)..)
            .take_while(move |(behind, _)| *behind == endpoint)
            .filter_map(|(_, id)| self.table.get(id.as_ref()?))
    }

    pub(super) fn put(&mut self, id: Xname, endpoint: ComponentEndpoint, changes: &mut Changes) {
        let behind: Option<Xname> = endpoint.redfish_endpoint_id.parse().ok();
        if let Some(before) = self.table.put(id.clone(), endpoint, changes) {
            self.unindex(&id, &before);
        }
        self.by_endpoint.extend(behind.map(|behind| (behind, Some(id))));
    }

    pub(super) fn remove(&mut self, id: &Xname, changes: &mut Changes) {
        if let Some(before) = self.table.remove(id, changes) {
            self.unindex(id, &before);
        }
    }

    fn unindex(&mut self, id: &Xname, endpoint: &ComponentEndpoint) {
        if let Ok(behind) = endpoint.redfish_endpoint_id.parse() {
            self.by_endpoint.remove(&(behind, Some(id.clone())));
        }
    }

    /// Stores what was found behind `behind`. One that is behind another Redfish endpoint moves with `update` only.
    pub(super) fn store_found(
        &mut self,
        given: &ComponentEndpoint,
        behind: &RedfishEndpoint,
        update: bool,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<(), Rejection> {
        let (id, mut after) = normalise(given, behind)?;
        let before = self.table.get(&id).cloned();
        if let Some(before) = &before {
            if before.redfish_endpoint_id != behind.id && !update {
                let detail = format!(
                    "it is behind {}, so it cannot be behind {}; update {} to move it",
                    before.redfish_endpoint_id, behind.id, behind.id
                );
                return Err(Rejection::AlreadyExists {
                    kind: KIND.into(),
                    id: id.to_string(),
                    detail,
                });
            }
            after.meta.clone_from(&before.meta);
            if after == **before {
                return Ok(());
            }
        }
        after.meta = match &before {
            Some(before) => at.modified(before.meta.as_ref()),
            None => at.created(),
        };
        self.put(id, after, changes);
        Ok(())
    }

    /// The FQDN of a Redfish endpoint has changed: those behind it follow, and their URLs.
    pub(super) fn follow_fqdn(
        &mut self,
        behind: &Xname,
        fqdn: &str,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) {
        let affected: Vec<_> = self.of(behind).cloned().collect();
        for before in affected {
            let Ok(id) = stored_xname(&before.id) else {
                continue;
            };
            let after = ComponentEndpoint {
                redfish_url: with_fqdn(&before.redfish_url, &before.redfish_endpoint_fqdn, fqdn),
                redfish_endpoint_fqdn: fqdn.to_owned(),
                meta: at.modified(before.meta.as_ref()),
                ..before.as_ref().clone()
            };
            self.put(id, after, changes);
        }
    }

    pub(super) fn load(
        &mut self,
        row: ComponentEndpoint,
        changes: &mut Changes,
    ) -> Result<(), SnapshotError> {
        let id = self.table.check_load(&row, RowKind::ComponentEndpoint)?;
        self.put(id, row, changes);
        Ok(())
    }

    /// Checks, when all rows are there, that each is behind an endpoint that exists.
    pub(super) fn check_loaded(&self, endpoints: &RedfishEndpoints) -> Result<(), SnapshotError> {
        for row in self.table.values() {
            check_behind(
                &row.redfish_endpoint_id,
                &row.id,
                endpoints,
                RowKind::ComponentEndpoint,
            )?;
        }
        Ok(())
    }
}

/// A row of a snapshot must be behind a Redfish endpoint of the same snapshot.
pub(super) fn check_behind(
    behind: &str,
    id: &str,
    endpoints: &RedfishEndpoints,
    kind: RowKind,
) -> Result<(), SnapshotError> {
    let known = stored_xname(behind).is_ok_and(|behind| endpoints.get(&behind).is_some());
    if known {
        return Ok(());
    }
    let problem = format!("{id} is behind {behind:?}, which is no Redfish endpoint");
    Err(SnapshotError::Malformed { kind, problem })
}

/// A URL that begins with one FQDN, with another; others stay.
pub(super) fn with_fqdn(url: &str, before: &str, after: &str) -> String {
    match url.strip_prefix(before) {
        Some(path) if !before.is_empty() && path.starts_with('/') => format!("{after}{path}"),
        Some(_) | None => url.to_owned(),
    }
}

/// The component endpoint as it is stored, without its meta. Without a URL, it is at its path below the FQDN.
fn normalise(
    given: &ComponentEndpoint,
    behind: &RedfishEndpoint,
) -> Result<(Xname, ComponentEndpoint), Rejection> {
    let field = |name: &str| format!("component_endpoint.{name}");
    let id: Xname = given
        .id
        .parse()
        .map_err(|e| Rejection::invalid(&field("id"), e))?;
    let Some((_, endpoint_type)) = TYPES.iter().find(|(name, _)| *name == given.redfish_type) else {
        let known = TYPES.map(|(name, _)| name).join(", ");
        return Err(Rejection::invalid(
            &field("redfish_type"),
            format!("{id}: write one of {known}"),
        ));
    };
    let texts = [
        ("domain", &given.domain, NAME_BYTES_MAX),
        ("fqdn", &given.fqdn, NAME_BYTES_MAX),
        ("redfish_subtype", &given.redfish_subtype, NAME_BYTES_MAX),
        ("mac_addr", &given.mac_addr, NAME_BYTES_MAX),
        ("uuid", &given.uuid, NAME_BYTES_MAX),
        ("odata_id", &given.odata_id, URL_BYTES_MAX),
        ("redfish_url", &given.redfish_url, URL_BYTES_MAX),
    ];
    for (name, text, bytes_max) in texts {
        check_text(&field(name), text, bytes_max)?;
    }
    let bytes = given.encoded_len();
    if bytes > COMPONENT_ENDPOINT_BYTES_MAX {
        let problem =
            format!("{id}: it has {bytes} bytes, at most {COMPONENT_ENDPOINT_BYTES_MAX} are accepted");
        return Err(Rejection::invalid("component_endpoint", problem));
    }
    let redfish_url = match given.redfish_url.as_str() {
        "" => format!("{}{}", behind.fqdn, given.odata_id),
        given => given.to_owned(),
    };
    let endpoint = ComponentEndpoint {
        id: id.to_string(),
        r#type: id.hms_type().to_string(),
        redfish_url,
        redfish_endpoint_id: behind.id.clone(),
        redfish_endpoint_fqdn: behind.fqdn.clone(),
        component_endpoint_type: (*endpoint_type).to_owned(),
        meta: None,
        ..given.clone()
    };
    Ok((id, endpoint))
}

impl Record for ComponentEndpoint {
    type Key = Xname;

    fn row_key(id: &Xname) -> RowKey {
        RowKey::component_endpoint(id)
    }

    fn key(&self) -> Result<Xname, String> {
        stored_xname(&self.id)
    }

    fn into_row(self) -> Row {
        Row::ComponentEndpoint(self)
    }

    fn object(self: Arc<Self>) -> Option<Object> {
        Some(Object::ComponentEndpoint(self))
    }
}
