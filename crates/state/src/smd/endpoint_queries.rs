//! What readers and snapshots ask of Redfish endpoints, component endpoints and service endpoints.

use std::sync::Arc;

use model::Xname;
use proto::raft::v1::snapshot_row::Row;
use proto::smd::v1::{ComponentEndpoint, RedfishEndpoint, ServiceEndpoint};

use super::{Smd, row_of, rows_of, xname_of_key};
use crate::changes::Changes;
use crate::event::Object;
use crate::snapshot::SnapshotError;
use crate::{RowKey, RowKind};

impl Smd {
    /// A Redfish endpoint by its xname.
    pub fn redfish_endpoint(&self, id: &Xname) -> Option<Arc<RedfishEndpoint>> {
        self.redfish_endpoints.get(id).cloned()
    }

    /// A Redfish endpoint by its FQDN, whatever the case.
    pub fn redfish_endpoint_by_fqdn(&self, fqdn: &str) -> Option<Arc<RedfishEndpoint>> {
        self.redfish_endpoints.by_fqdn(fqdn).cloned()
    }

    /// Every Redfish endpoint, sorted by xname.
    pub fn redfish_endpoints(&self) -> impl Iterator<Item = &Arc<RedfishEndpoint>> {
        self.redfish_endpoints.iter()
    }

    /// As [`Smd::redfish_endpoints`], those after an xname if one is given.
    pub fn redfish_endpoints_after(&self, id: Option<&Xname>) -> impl Iterator<Item = &Arc<RedfishEndpoint>> {
        self.redfish_endpoints.after(id)
    }

    /// How a component is reached.
    pub fn component_endpoint(&self, id: &Xname) -> Option<Arc<ComponentEndpoint>> {
        self.component_endpoints.get(id).cloned()
    }

    /// Every component endpoint, sorted by xname.
    pub fn component_endpoints(&self) -> impl Iterator<Item = &Arc<ComponentEndpoint>> {
        self.component_endpoints.iter()
    }

    /// As [`Smd::component_endpoints`], those after an xname if one is given.
    pub fn component_endpoints_after(
        &self,
        id: Option<&Xname>,
    ) -> impl Iterator<Item = &Arc<ComponentEndpoint>> {
        self.component_endpoints.after(id)
    }

    /// The component endpoints behind a Redfish endpoint, sorted by xname.
    pub fn component_endpoints_of<'a>(
        &'a self,
        endpoint: &Xname,
    ) -> impl Iterator<Item = &'a Arc<ComponentEndpoint>> + use<'a> {
        self.component_endpoints.of(endpoint)
    }

    /// A service of a Redfish endpoint.
    pub fn service_endpoint(&self, endpoint: &Xname, service: &str) -> Option<Arc<ServiceEndpoint>> {
        self.service_endpoints.get(endpoint, service).cloned()
    }

    /// Every service endpoint, sorted by endpoint and service.
    pub fn service_endpoints(&self) -> impl Iterator<Item = &Arc<ServiceEndpoint>> {
        self.service_endpoints.iter()
    }

    /// As [`Smd::service_endpoints`], those after an endpoint's service if one is given.
    pub fn service_endpoints_after(
        &self,
        key: Option<&(Xname, String)>,
    ) -> impl Iterator<Item = &Arc<ServiceEndpoint>> {
        self.service_endpoints.after(key)
    }

    pub(super) fn endpoint_rows(&self) -> impl Iterator<Item = Row> + '_ {
        rows_of(self.redfish_endpoints.iter())
            .chain(rows_of(self.component_endpoints.iter()))
            .chain(rows_of(self.service_endpoints.iter()))
    }

    pub(super) fn endpoint_objects(&self) -> impl Iterator<Item = Object> + '_ {
        let redfish = self.redfish_endpoints.iter().cloned();
        let components = self.component_endpoints.iter().cloned();
        let services = self.service_endpoints.iter().cloned();
        redfish
            .map(Object::RedfishEndpoint)
            .chain(components.map(Object::ComponentEndpoint))
            .chain(services.map(Object::ServiceEndpoint))
    }

    pub(super) fn endpoint_row(&self, key: &RowKey) -> Option<Row> {
        match key.kind() {
            RowKind::RedfishEndpoint => row_of(self.redfish_endpoints.get(&xname_of_key(key)?)),
            RowKind::ComponentEndpoint => row_of(self.component_endpoints.get(&xname_of_key(key)?)),
            RowKind::ServiceEndpoint => {
                let (endpoint, service) = std::str::from_utf8(key.key()).ok()?.split_once('\0')?;
                row_of(self.service_endpoints.get(&endpoint.parse().ok()?, service))
            }
            _ => None,
        }
    }

    pub(crate) fn load_redfish_endpoint(
        &mut self,
        row: RedfishEndpoint,
        changes: &mut Changes,
    ) -> Result<(), SnapshotError> {
        self.redfish_endpoints.load(row, changes)
    }

    pub(crate) fn load_component_endpoint(
        &mut self,
        row: ComponentEndpoint,
        changes: &mut Changes,
    ) -> Result<(), SnapshotError> {
        self.component_endpoints.load(row, changes)
    }

    pub(crate) fn load_service_endpoint(
        &mut self,
        row: ServiceEndpoint,
        changes: &mut Changes,
    ) -> Result<(), SnapshotError> {
        self.service_endpoints.load(row, changes)
    }
}
