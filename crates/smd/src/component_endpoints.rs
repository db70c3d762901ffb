//! HSM's Inventory/ComponentEndpoints.

use model::Xname;
use proto::raft::v1::entry::Command;
use proto::smd::v1::smd_command::{self, Change};
use proto::smd::v1::{
    ComponentEndpoint, DeleteComponentEndpointRequest, DeleteComponentEndpointsRequest, DeleteResponse,
    GetComponentEndpointRequest, ListComponentEndpointsRequest, ListComponentEndpointsResponse, SmdCommand,
    component_endpoint_service_server,
};
use raft::{Committed, Store};
use rpc::{Author, Error};
use tonic::{Request, Response, Status};

use crate::endpoint_filter::ComponentEndpointFilter;
use crate::{legacy, page};

/// How components are reached. Made by discovery, which is posted to Inventory/RedfishEndpoints.
#[derive(Clone, Debug)]
pub struct ComponentEndpointService {
    store: Store,
}

impl ComponentEndpointService {
    /// A service that changes and answers from `store`.
    #[must_use]
    pub fn new(store: Store) -> ComponentEndpointService {
        ComponentEndpointService { store }
    }

    async fn delete(&self, author: &Author, ids: Vec<String>) -> Result<Committed, Error> {
        let all = ids.is_empty();
        let delete = smd_command::DeleteComponentEndpoints { ids, all };
        let change = Some(Change::DeleteComponentEndpoints(delete));
        self.store
            .propose_by(author, Command::Smd(SmdCommand { change }))
            .await
    }
}

#[tonic::async_trait]
impl component_endpoint_service_server::ComponentEndpointService for ComponentEndpointService {
    #[tracing::instrument(level = "debug", name = "smd.list_component_endpoints", skip_all)]
    async fn list_component_endpoints(
        &self,
        request: Request<ListComponentEndpointsRequest>,
    ) -> Result<Response<ListComponentEndpointsResponse>, Status> {
        let mut request = request.into_inner();
        let asked = page::Asked::take(&mut request.page_size, &mut request.page_token);
        let filter = ComponentEndpointFilter::parse(&request)?;
        let state = self.store.state();
        let page = asked.of(&request, state.cluster_id())?;
        let wanted = state
            .smd
            .component_endpoints_after(page.after())
            .filter(|endpoint| filter.admits(endpoint));
        let (component_endpoints, next_page_token) = page.cut(
            wanted,
            |endpoint| &endpoint.id,
            |endpoint| endpoint.as_ref().clone(),
        );
        Ok(Response::new(ListComponentEndpointsResponse {
            component_endpoints,
            revision: state.applied_index(),
            next_page_token,
        }))
    }

    #[tracing::instrument(level = "debug", name = "smd.get_component_endpoint", skip_all, fields(xname = ?request.get_ref().id))]
    async fn get_component_endpoint(
        &self,
        request: Request<GetComponentEndpointRequest>,
    ) -> Result<Response<ComponentEndpoint>, Status> {
        let id = &request.get_ref().id;
        let xname: Xname = id.parse().map_err(|_| legacy::no_such_xname(id))?;
        let endpoint = self.store.state().smd.component_endpoint(&xname);
        let endpoint = endpoint.ok_or_else(|| legacy::no_such_xname(id))?;
        Ok(Response::new(endpoint.as_ref().clone()))
    }

    #[tracing::instrument(name = "smd.delete_component_endpoint", skip_all, fields(xname = ?request.get_ref().id))]
    async fn delete_component_endpoint(
        &self,
        request: Request<DeleteComponentEndpointRequest>,
    ) -> Result<Response<DeleteResponse>, Status> {
        let author = rpc::author(&request);
        let id = &request.get_ref().id;
        let id: Xname = id.parse().map_err(|_| legacy::no_such_xname(id))?;
        let committed = self.delete(&author, vec![id.to_string()]).await?;
        Ok(Response::new(legacy::deleted_one(&committed)))
    }

    #[tracing::instrument(name = "smd.delete_component_endpoints", skip_all)]
    async fn delete_component_endpoints(
        &self,
        request: Request<DeleteComponentEndpointsRequest>,
    ) -> Result<Response<DeleteResponse>, Status> {
        let author = rpc::author(&request);
        let outcome = self.delete(&author, Vec::new()).await;
        Ok(Response::new(legacy::deleted_all(outcome)?))
    }
}
