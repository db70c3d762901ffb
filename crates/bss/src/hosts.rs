//! BSS's `/boot/v1/hosts` and `/boot/v1/dumpstate`: nodes as SMD knows them, and all boot parameters.

use model::{MacAddr, Xname};
use proto::bss::v1::{
    BootParameters, DumpStateRequest, DumpStateResponse, Host, ListHostsRequest, ListHostsResponse,
    RefreshHostsRequest, RefreshHostsResponse, host_service_server,
};
use proto::smd::v1::Component;
use raft::Store;
use state::State;
use tonic::{Request, Response, Status};

use crate::lookup::{self, Asked};
use crate::parameter_query::items;
use crate::{go_number, legacy, parameters};

/// Nodes, from the state.
#[derive(Clone, Debug)]
pub struct HostService {
    store: Store,
}

impl HostService {
    /// A service that answers from `store`.
    #[must_use]
    pub fn new(store: Store) -> HostService {
        HostService { store }
    }
}

#[tonic::async_trait]
impl host_service_server::HostService for HostService {
    #[tracing::instrument(level = "debug", name = "bss.list_hosts", skip_all)]
    async fn list_hosts(
        &self,
        request: Request<ListHostsRequest>,
    ) -> Result<Response<ListHostsResponse>, Status> {
        let state = self.store.state();
        let ListHostsRequest { mac, name, nid } = request.get_ref();
        let named = items(name).map(|name| by_name(&state, name));
        let by_mac = items(mac).map(|mac| by_mac(&state, mac));
        let by_nid = items(nid).map(|nid| by_nid(&state, nid));
        let hosts: Vec<Host> = named.chain(by_mac).chain(by_nid).collect::<Result<_, _>>()?;
        let is_asked = [mac, name, nid]
            .into_iter()
            .any(|lists| items(lists).next().is_some());
        let hosts = if is_asked { hosts } else { all(&state) };
        Ok(Response::new(ListHostsResponse { hosts }))
    }

    /// Nothing is cached, so there is nothing to fetch again.
    async fn refresh_hosts(
        &self,
        _: Request<RefreshHostsRequest>,
    ) -> Result<Response<RefreshHostsResponse>, Status> {
        let mut response = Response::new(RefreshHostsResponse {});
        rpc::set_http_header(response.metadata_mut(), "cache-control", "no-cache");
        Ok(response)
    }

    #[tracing::instrument(level = "debug", name = "bss.dump_state", skip_all)]
    async fn dump_state(&self, _: Request<DumpStateRequest>) -> Result<Response<DumpStateResponse>, Status> {
        let state = self.store.state();
        let params = state.bss.entries().map(|entry| BootParameters {
            cloud_init: None,
            ..parameters::shown(entry)
        });
        Ok(Response::new(DumpStateResponse {
            components: all(&state),
            params: params.collect(),
        }))
    }
}

fn all(state: &State) -> Vec<Host> {
    let nodes = state.smd.components().filter(|component| is_node(component));
    nodes.map(|component| host(state, component)).collect()
}

fn is_node(component: &Component) -> bool {
    component.id.parse::<Xname>().is_ok_and(|id| id.is_node())
}

fn by_name(state: &State, text: &str) -> Result<Host, Status> {
    let component = text.parse().ok().and_then(|id: Xname| state.smd.component(&id));
    component
        .filter(|component| is_node(component))
        .map(|component| host(state, &component))
        .ok_or_else(|| legacy::unknown_host("host name", text))
}

fn by_mac(state: &State, text: &str) -> Result<Host, Status> {
    let component = text
        .parse()
        .ok()
        .and_then(|mac: MacAddr| Asked::Mac(mac).component(state));
    component
        .map(|component| host(state, &component))
        .ok_or_else(|| legacy::unknown_host("MAC address", text))
}

fn by_nid(state: &State, text: &str) -> Result<Host, Status> {
    // BSS looks for a negative number too, and finds nobody.
    let nid = go_number::parse(text).ok_or_else(|| legacy::invalid_nid(text))?;
    let component = u64::try_from(nid)
        .ok()
        .and_then(|nid| state.smd.component_by_nid(nid));
    component
        .filter(|component| is_node(component))
        .map(|component| host(state, &component))
        .ok_or_else(|| legacy::unknown_host("NID", text))
}

/// A component as BSS shows it.
fn host(state: &State, component: &Component) -> Host {
    let endpoint = component
        .id
        .parse()
        .ok()
        .and_then(|id| state.smd.component_endpoint(&id));
    let macs = lookup::macs_of(state, component);
    Host {
        id: component.id.clone(),
        r#type: component.r#type.clone(),
        state: component.state,
        flag: component.flag,
        enabled: component.enabled,
        software_status: component.software_status.clone(),
        role: component.role.clone(),
        sub_role: component.sub_role.clone(),
        nid: component.nid,
        subtype: component.subtype.clone(),
        net_type: component.net_type,
        arch: component.arch,
        class: component.class,
        reservation_disabled: component.reservation_disabled,
        locked: component.locked,
        fqdn: endpoint
            .as_ref()
            .map(|endpoint| endpoint.fqdn.clone())
            .unwrap_or_default(),
        macs: macs.iter().map(MacAddr::to_string).collect(),
        endpoint_enabled: endpoint.is_none_or(|endpoint| endpoint.enabled),
    }
}
