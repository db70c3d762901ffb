//! Changing and removing Redfish endpoints and what is behind them. What is removed leaves its components Empty.

use model::{Rejection, Xname};
use proto::raft::v1::outcome::Applied;
use proto::smd::v1::component::{Flag, State};
use proto::smd::v1::smd_command::{
    DeleteComponentEndpoints, DeleteRedfishEndpoints, PatchRedfishEndpoint, RequestDiscovery,
};
use proto::smd::v1::{Component, RedfishEndpoint};

use super::discovery::password;
use super::redfish_endpoints::{self, normalise, password_name, patched};
use super::{Smd, component_endpoints, ids_to_delete};
use crate::bounds::check_names_one;
use crate::changes::Changes;
use crate::cluster::Cluster;
use crate::log_position::{LogPosition, check_revision};
use crate::outcome::deleted;

impl Smd {
    pub(super) fn patch_redfish_endpoint(
        &mut self,
        patch: &PatchRedfishEndpoint,
        secrets: &mut Cluster,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let id: Xname = patch.id.parse().map_err(|e| Rejection::invalid("id", e))?;
        let before = self.redfish_endpoints.existing(&id)?;
        check_revision(id.as_str(), patch.if_revision, before.meta.as_ref())?;
        let (_, mut after) = normalise(&patched(&before, patch))?;
        after.meta.clone_from(&before.meta);
        self.redfish_endpoints.check_fqdn(&id, &after.fqdn)?;
        let password = password(&id, patch.password.as_ref())?;
        let keys = vec![id.to_string()];
        if after == *before && password.is_none() {
            return Ok(Applied {
                unchanged: keys,
                ..Default::default()
            });
        }
        after.meta = at.modified(before.meta.as_ref());
        self.replace_endpoint(&id, &before, after, at, changes);
        if let Some(password) = password {
            secrets.put_secret(password, changes);
        }
        Ok(Applied {
            updated: keys,
            ..Default::default()
        })
    }

    /// Removes endpoints with their passwords and all that is behind them, but for components and NICs.
    ///
    /// Source: SMD `DELETE /Inventory/RedfishEndpoints` (hmsds' DeleteRFEndpointByIDSetEmpty).
    pub(super) fn delete_redfish_endpoints(
        &mut self,
        delete: &DeleteRedfishEndpoints,
        secrets: &mut Cluster,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let table = &self.redfish_endpoints.table;
        let ids = ids_to_delete(redfish_endpoints::KIND, &delete.ids, delete.all, table)?;
        check_names_one(delete.if_revision, ids.len())?;
        for endpoint in ids.iter().filter_map(|id| table.get(id)) {
            check_revision(&endpoint.id, delete.if_revision, endpoint.meta.as_ref())?;
        }
        for id in &ids {
            let behind = self.component_endpoints.of(id);
            let behind: Vec<Xname> = behind.filter_map(|found| found.id.parse().ok()).collect();
            for component in behind {
                self.remove_component_endpoint(&component, at, changes);
            }
            self.service_endpoints.remove_of(id, changes);
            self.redfish_endpoints.remove(id, changes);
            secrets.forget_secret(&password_name(id), changes);
        }
        Ok(deleted(ids.iter().map(Xname::to_string)))
    }

    /// Source: SMD `DELETE /Inventory/ComponentEndpoints` (hmsds' DeleteCompEndpointByIDSetEmpty).
    pub(super) fn delete_component_endpoints(
        &mut self,
        delete: &DeleteComponentEndpoints,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let table = &self.component_endpoints.table;
        let ids = ids_to_delete(component_endpoints::KIND, &delete.ids, delete.all, table)?;
        for id in &ids {
            self.remove_component_endpoint(id, at, changes);
        }
        Ok(deleted(ids.iter().map(Xname::to_string)))
    }

    /// The user that the BMC of an endpoint is logged in to as, if there is such an endpoint.
    pub(crate) fn set_endpoint_user(
        &mut self,
        id: &Xname,
        user: &str,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) {
        let before = self.redfish_endpoints.get(id).cloned();
        let Some(before) = before.filter(|endpoint| endpoint.user != user) else {
            return;
        };
        let after = RedfishEndpoint {
            user: user.to_owned(),
            meta: at.modified(before.meta.as_ref()),
            ..before.as_ref().clone()
        };
        self.redfish_endpoints.put(id.clone(), after, changes);
    }

    pub(super) fn request_discovery(
        &mut self,
        request: &RequestDiscovery,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let table = &self.redfish_endpoints.table;
        let ids = ids_to_delete(redfish_endpoints::KIND, &request.ids, request.all, table)?;
        Ok(self.redfish_endpoints.request_discovery(ids, at, changes))
    }

    /// The component, if there is one, becomes Empty: it is not known to be there any more.
    fn remove_component_endpoint(&mut self, id: &Xname, at: &LogPosition<'_>, changes: &mut Changes) {
        self.component_endpoints.remove(id, changes);
        let Some(before) = self.components.get(id).cloned() else {
            return;
        };
        if before.state() == State::Empty && before.flag() == Flag::Ok {
            return;
        }
        let empty = Component {
            state: State::Empty.into(),
            flag: Flag::Ok.into(),
            meta: at.modified(before.meta.as_ref()),
            ..before.as_ref().clone()
        };
        self.components.put(id.clone(), empty, changes);
    }
}
