//! Storing what was discovered: Redfish endpoints with the components, component endpoints, services, NICs and
//! hardware behind them, in one step.

use std::collections::BTreeSet;

use model::{Rejection, Xname};
use proto::cluster::v1::SealedSecret;
use proto::raft::v1::outcome::Applied;
use proto::smd::v1::component::State;
use proto::smd::v1::smd_command::{DiscoveredComponent, DiscoveredEndpoint, StoreDiscovery};
use proto::smd::v1::{Component, RedfishEndpoint};

use super::Smd;
use super::components::Components;
use super::node_maps::NodeMaps;
use super::redfish_endpoints::{self, normalise, password_name};
use crate::bounds::{
    COMPONENTS_PER_ENDPOINT_MAX, INTERFACES_PER_COMPONENT_MAX, SERVICES_PER_ENDPOINT_MAX, check_count,
    check_ids,
};
use crate::changes::Changes;
use crate::cluster::{Cluster, check_secret};
use crate::log_position::{LogPosition, check_revision};

impl Smd {
    /// Stores endpoints and what is behind them. `applied` lists the endpoints.
    ///
    /// It works on a clone, which costs nothing, so that whatever is refused, wherever in the command, leaves no trace.
    ///
    /// Source: SMD `POST` and `PUT /Inventory/RedfishEndpoints`, parseRedfishEndpointDataV2.
    pub(super) fn store_discovery(
        &mut self,
        store: &StoreDiscovery,
        secrets: &mut Cluster,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        check_ids("endpoints", store.endpoints.len())?;
        let (mut next, mut part, mut applied) = (self.clone(), Changes::default(), Applied::default());
        let (mut seen, mut passwords) = (BTreeSet::new(), Vec::new());
        let level = secrets.feature_level();
        for found in &store.endpoints {
            let id = next.store_endpoint(found, store.update, level, at, &mut part, &mut applied)?;
            passwords.extend(password(&id, found.password.as_ref())?);
            if !seen.insert(id.clone()) {
                return Err(Rejection::invalid(
                    "ID",
                    format!("{id} is given twice in one request"),
                ));
            }
        }
        *self = next;
        changes.append(part);
        for password in passwords {
            secrets.put_secret(password, changes);
        }
        Ok(applied)
    }

    fn store_endpoint(
        &mut self,
        found: &DiscoveredEndpoint,
        update: bool,
        level: u32,
        at: &LogPosition<'_>,
        changes: &mut Changes,
        applied: &mut Applied,
    ) -> Result<Xname, Rejection> {
        let given = found
            .endpoint
            .as_ref()
            .ok_or_else(|| Rejection::invalid("endpoint", "it is missing"))?;
        let (id, mut after) = normalise(given)?;
        let before = self.redfish_endpoints.get(&id).cloned();
        let meta = before.as_ref().and_then(|before| before.meta.as_ref());
        check_revision(id.as_str(), found.if_revision, meta)?;
        if let Some(before) = before.as_ref().filter(|_| !update) {
            return Err(Rejection::AlreadyExists {
                kind: redfish_endpoints::KIND.into(),
                id: id.to_string(),
                detail: format!("its FQDN is {}; update it to change it", before.fqdn),
            });
        }
        let was_discovered = given.discovery_info.is_some() || !found.components.is_empty();
        if let Some(before) = before.as_deref() {
            keep(before, given, was_discovered, &mut after);
        }
        self.redfish_endpoints.check_fqdn(&id, &after.fqdn)?;
        self.store_behind(found, &after, update, at, changes)?;
        self.store_found_hardware(found, id.as_str(), level, at, changes)?;
        match before.as_deref() {
            Some(before) if *before == after && found.password.is_none() => {
                applied.unchanged.push(id.to_string());
            }
            Some(before) => {
                after.meta = at.modified(before.meta.as_ref());
                self.replace_endpoint(&id, before, after, at, changes);
                applied.updated.push(id.to_string());
            }
            None => {
                after.meta = at.created();
                self.redfish_endpoints.put(id.clone(), after, changes);
                applied.created.push(id.to_string());
            }
        }
        Ok(id)
    }

    /// Stores a changed endpoint; what is behind it follows its FQDN.
    pub(super) fn replace_endpoint(
        &mut self,
        id: &Xname,
        before: &RedfishEndpoint,
        after: RedfishEndpoint,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) {
        if after.fqdn != before.fqdn {
            self.component_endpoints.follow_fqdn(id, &after.fqdn, at, changes);
            self.service_endpoints.follow_fqdn(id, &after.fqdn, at, changes);
        }
        self.redfish_endpoints.put(id.clone(), after, changes);
    }

    fn store_behind(
        &mut self,
        found: &DiscoveredEndpoint,
        behind: &RedfishEndpoint,
        update: bool,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<(), Rejection> {
        check_count("components", found.components.len(), COMPONENTS_PER_ENDPOINT_MAX)?;
        check_count(
            "service_endpoints",
            found.service_endpoints.len(),
            SERVICES_PER_ENDPOINT_MAX,
        )?;
        if update {
            let nics = found
                .components
                .iter()
                .flat_map(|component| &component.interfaces);
            self.interfaces.let_go_of_moved(nics, at, changes);
        }
        for component in &found.components {
            self.store_component(component, behind, update, at, changes)?;
        }
        for service in &found.service_endpoints {
            self.service_endpoints.store_found(service, behind, at, changes)?;
        }
        Ok(())
    }

    fn store_component(
        &mut self,
        found: &DiscoveredComponent,
        behind: &RedfishEndpoint,
        update: bool,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<(), Rejection> {
        let id = xname_of(found)?;
        check_count("interfaces", found.interfaces.len(), INTERFACES_PER_COMPONENT_MAX)?;
        if let Some(component) = &found.component {
            self.components
                .store_found(&id, component, &self.node_maps, at, changes)?;
        }
        if let Some(endpoint) = &found.endpoint {
            self.component_endpoints
                .store_found(endpoint, behind, update, at, changes)?;
        }
        for interface in &found.interfaces {
            self.interfaces.store_found(&id, interface, update, at, changes)?;
        }
        Ok(())
    }
}

impl Components {
    /// Creates a component that was found; a node gets the NID and the roles of its map, or the lowest free NID. One that
    /// exists keeps what it has, but for State Empty: it is there again.
    fn store_found(
        &mut self,
        id: &Xname,
        given: &Component,
        maps: &NodeMaps,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<(), Rejection> {
        if State::try_from(given.state).is_err() {
            return Err(Rejection::invalid(
                "State",
                format!("{} is no state", given.state),
            ));
        }
        match self.get(id).cloned() {
            Some(before) if before.state() == State::Empty && given.state() != State::Empty => {
                let after = Component {
                    state: given.state,
                    meta: at.modified(before.meta.as_ref()),
                    ..before.as_ref().clone()
                };
                self.put(id.clone(), after, changes);
            }
            Some(_) => {}
            None => {
                let map = maps.get(id);
                let component = Component {
                    id: id.to_string(),
                    r#type: id.hms_type().to_string(),
                    state: given.state,
                    enabled: Some(given.enabled.unwrap_or(true)),
                    nid: given.nid,
                    role: map.map_or_else(String::new, |map| map.role.clone()),
                    sub_role: map.map_or_else(String::new, |map| map.sub_role.clone()),
                    meta: at.created(),
                    ..Component::default()
                };
                let new = (id.clone(), component);
                let nid = self.assign_nids(&[&new], maps)?.remove(id);
                let (id, component) = new;
                self.put(id, Component { nid, ..component }, changes);
            }
        }
        Ok(())
    }
}

/// What an update does not say stays: how the last discovery went, and that another one is waited for.
fn keep(
    before: &RedfishEndpoint,
    given: &RedfishEndpoint,
    was_discovered: bool,
    after: &mut RedfishEndpoint,
) {
    after.meta.clone_from(&before.meta);
    if given.discovery_info.is_none() {
        after.discovery_info.clone_from(&before.discovery_info);
    }
    if !was_discovered {
        after.discovery_requested.clone_from(&before.discovery_requested);
    }
}

/// The xname that component and component endpoint share.
fn xname_of(found: &DiscoveredComponent) -> Result<Xname, Rejection> {
    let parse = |text: &str| {
        text.parse::<Xname>()
            .map_err(|e| Rejection::invalid("component", e))
    };
    let component = found
        .component
        .as_ref()
        .map(|found| parse(&found.id))
        .transpose()?;
    let endpoint = found
        .endpoint
        .as_ref()
        .map(|found| parse(&found.id))
        .transpose()?;
    match (component, endpoint) {
        (Some(component), Some(endpoint)) if component != endpoint => {
            let problem = format!("{component} has the endpoint of {endpoint}");
            Err(Rejection::invalid("component", problem))
        }
        (Some(id), _) | (None, Some(id)) => Ok(id),
        (None, None) => Err(Rejection::invalid("component", "it is missing")),
    }
}

/// A sealed password must be that of the endpoint.
pub(super) fn password(id: &Xname, sealed: Option<&SealedSecret>) -> Result<Option<SealedSecret>, Rejection> {
    let Some(sealed) = sealed else { return Ok(None) };
    check_secret("password", sealed)?;
    if sealed.name != password_name(id) {
        let problem = format!("it is sealed as another one than that of {id}");
        return Err(Rejection::invalid("password", problem));
    }
    Ok(Some(sealed.clone()))
}
