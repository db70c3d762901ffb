//! Service endpoints: the Redfish services of an endpoint, found by endpoint and service.

use std::sync::Arc;

use model::{Rejection, Xname};
use prost::Message;
use proto::raft::v1::outcome::Applied;
use proto::raft::v1::snapshot_row::Row;
use proto::smd::v1::smd_command::DeleteServiceEndpoints;
use proto::smd::v1::{RedfishEndpoint, ServiceEndpoint};

use super::component_endpoints::{check_behind, with_fqdn};
use super::redfish_endpoints::RedfishEndpoints;
use super::stored_xname;
use crate::bounds::{
    CLOUD_INIT_DEPTH_MAX, COMPONENT_ENDPOINT_BYTES_MAX, NAME_BYTES_MAX, URL_BYTES_MAX, check_name, check_text,
};
use crate::bss::depth;
use crate::changes::Changes;
use crate::event::Object;
use crate::log_position::LogPosition;
use crate::outcome::deleted;
use crate::snapshot::SnapshotError;
use crate::table::{Record, Table};
use crate::{RowKey, RowKind};

/// Word for the kind in rejections.
const KIND: &str = "service endpoint";

/// Redfish endpoint and service.
type Key = (Xname, String);

/// Service endpoints, those of one Redfish endpoint beside each other.
#[derive(Clone, Default)]
pub(super) struct ServiceEndpoints(Table<ServiceEndpoint>);

impl ServiceEndpoints {
    pub(super) fn get(&self, endpoint: &Xname, service: &str) -> Option<&Arc<ServiceEndpoint>> {
        self.0.get(&(endpoint.clone(), service.to_owned()))
    }

    /// Sorted by endpoint and service.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<ServiceEndpoint>> {
        self.0.values()
    }

    pub(super) fn after(&self, key: Option<&Key>) -> impl Iterator<Item = &Arc<ServiceEndpoint>> {
        self.0.after(key)
    }

    fn keys_of(&self, endpoint: &Xname) -> Vec<Key> {
        let from = (endpoint.clone(), String::new());
        self.0
            .range(from..)
            .map(|(key, _)| key)
            .take_while(|(behind, _)| behind == endpoint)
            .cloned()
            .collect()
    }

    pub(super) fn store_found(
        &mut self,
        given: &ServiceEndpoint,
        behind: &RedfishEndpoint,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<(), Rejection> {
        let (key, mut after) = normalise(given, behind)?;
        let before = self.0.get(&key).cloned();
        after.meta = before.as_ref().and_then(|before| before.meta.clone());
        if before.as_deref() == Some(&after) {
            return Ok(());
        }
        after.meta = match &before {
            Some(before) => at.modified(before.meta.as_ref()),
            None => at.created(),
        };
        self.0.put(key, after, changes);
        Ok(())
    }

    /// The FQDN of a Redfish endpoint has changed: its services follow.
    pub(super) fn follow_fqdn(
        &mut self,
        behind: &Xname,
        fqdn: &str,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) {
        for key in self.keys_of(behind) {
            let Some(before) = self.0.get(&key).cloned() else {
                continue;
            };
            let after = ServiceEndpoint {
                redfish_url: with_fqdn(&before.redfish_url, &before.redfish_endpoint_fqdn, fqdn),
                redfish_endpoint_fqdn: fqdn.to_owned(),
                meta: at.modified(before.meta.as_ref()),
                ..before.as_ref().clone()
            };
            self.0.put(key, after, changes);
        }
    }

    pub(super) fn remove_of(&mut self, endpoint: &Xname, changes: &mut Changes) {
        for key in self.keys_of(endpoint) {
            self.0.remove(&key, changes);
        }
    }

    /// Removes one service of an endpoint, or all there are.
    pub(super) fn delete(
        &mut self,
        delete: &DeleteServiceEndpoints,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let keys: Vec<Key> = if delete.all {
            self.0.keys().cloned().collect()
        } else {
            check_name("service", &delete.service)?;
            let id: Xname = delete.id.parse().map_err(|e| Rejection::invalid("id", e))?;
            let key = (id, delete.service.clone());
            if self.0.get(&key).is_none() {
                let named = format!("{} of {}", key.1, key.0);
                return Err(Rejection::not_found(KIND, named));
            }
            vec![key]
        };
        if keys.is_empty() {
            return Err(Rejection::not_found(KIND, "there are none"));
        }
        for key in &keys {
            self.0.remove(key, changes);
        }
        Ok(deleted(
            keys.iter().map(|(id, service)| format!("{id}/{service}")),
        ))
    }

    pub(super) fn load(&mut self, row: ServiceEndpoint, changes: &mut Changes) -> Result<(), SnapshotError> {
        let key = self.0.check_load(&row, RowKind::ServiceEndpoint)?;
        self.0.put(key, row, changes);
        Ok(())
    }

    /// Checks, when all rows are there, that each is of an endpoint that exists.
    pub(super) fn check_loaded(&self, endpoints: &RedfishEndpoints) -> Result<(), SnapshotError> {
        for row in self.0.values() {
            check_behind(
                &row.redfish_endpoint_id,
                &row.redfish_type,
                endpoints,
                RowKind::ServiceEndpoint,
            )?;
        }
        Ok(())
    }
}

/// The service endpoint as it is stored, without its meta.
fn normalise(given: &ServiceEndpoint, behind: &RedfishEndpoint) -> Result<(Key, ServiceEndpoint), Rejection> {
    let field = |name: &str| format!("service_endpoint.{name}");
    check_name(&field("redfish_type"), &given.redfish_type)?;
    if given.redfish_type.contains('/') {
        return Err(Rejection::invalid(
            &field("redfish_type"),
            "write a service, e.g. UpdateService",
        ));
    }
    let texts = [
        ("redfish_subtype", &given.redfish_subtype, NAME_BYTES_MAX),
        ("uuid", &given.uuid, NAME_BYTES_MAX),
        ("odata_id", &given.odata_id, URL_BYTES_MAX),
        ("redfish_url", &given.redfish_url, URL_BYTES_MAX),
    ];
    for (name, text, bytes_max) in texts {
        check_text(&field(name), text, bytes_max)?;
    }
    let too_deep = |info| depth(info, CLOUD_INIT_DEPTH_MAX) > CLOUD_INIT_DEPTH_MAX;
    if given.encoded_len() > COMPONENT_ENDPOINT_BYTES_MAX || given.service_info.as_ref().is_some_and(too_deep)
    {
        let problem = format!(
            "at most {COMPONENT_ENDPOINT_BYTES_MAX} bytes and {CLOUD_INIT_DEPTH_MAX} levels of nesting are accepted"
        );
        return Err(Rejection::invalid("service_endpoint", problem));
    }
    let id: Xname = behind.id.parse().map_err(|e| Rejection::invalid("ID", e))?;
    let endpoint = ServiceEndpoint {
        redfish_endpoint_id: behind.id.clone(),
        redfish_endpoint_fqdn: behind.fqdn.clone(),
        meta: None,
        ..given.clone()
    };
    Ok(((id, given.redfish_type.clone()), endpoint))
}

impl Record for ServiceEndpoint {
    type Key = Key;

    fn row_key((endpoint, service): &Key) -> RowKey {
        RowKey::service_endpoint(endpoint, service)
    }

    fn key(&self) -> Result<Key, String> {
        if self.redfish_type.is_empty() {
            return Err("a service endpoint names no service".into());
        }
        Ok((
            stored_xname(&self.redfish_endpoint_id)?,
            self.redfish_type.clone(),
        ))
    }

    fn into_row(self) -> Row {
        Row::ServiceEndpoint(self)
    }

    fn object(self: Arc<Self>) -> Option<Object> {
        Some(Object::ServiceEndpoint(self))
    }
}
