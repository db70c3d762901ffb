//! HSM's Inventory/ServiceEndpoints.

use std::str::FromStr;

use model::Xname;
use proto::raft::v1::entry::Command;
use proto::smd::v1::smd_command::{Change, DeleteServiceEndpoints};
use proto::smd::v1::{
    DeleteResponse, DeleteServiceEndpointRequest, DeleteServiceEndpointsRequest, GetServiceEndpointRequest,
    ListEndpointsOfServiceRequest, ListServiceEndpointsRequest, ListServiceEndpointsResponse,
    ServiceEndpoint, SmdCommand, service_endpoint_service_server,
};
use raft::{Committed, Store};
use rpc::{Author, Error};
use tonic::{Request, Response, Status};

use crate::endpoint_filter::ServiceEndpointFilter;
use crate::legacy;
use crate::page::{self, Page};

/// The Redfish services of endpoints. Made by discovery.
#[derive(Clone, Debug)]
pub struct ServiceEndpointService {
    store: Store,
}

impl ServiceEndpointService {
    /// A service that changes and answers from `store`.
    #[must_use]
    pub fn new(store: Store) -> ServiceEndpointService {
        ServiceEndpointService { store }
    }

    fn list(&self, mut request: ListServiceEndpointsRequest) -> Result<ListServiceEndpointsResponse, Error> {
        let asked = page::Asked::take(&mut request.page_size, &mut request.page_token);
        let filter = ServiceEndpointFilter::parse(&request)?;
        let state = self.store.state();
        let page: Page<Place> = asked.of(&request, state.cluster_id())?;
        let wanted = state
            .smd
            .service_endpoints_after(page.after().map(|place| &place.0))
            .filter(|endpoint| filter.admits(endpoint))
            .map(|endpoint| (place_of(endpoint), endpoint));
        let (service_endpoints, next_page_token) = page.cut(
            wanted,
            |(place, _)| place,
            |(_, endpoint)| endpoint.as_ref().clone(),
        );
        Ok(ListServiceEndpointsResponse {
            service_endpoints,
            revision: state.applied_index(),
            next_page_token,
        })
    }

    async fn delete(&self, author: &Author, delete: DeleteServiceEndpoints) -> Result<Committed, Error> {
        let change = Some(Change::DeleteServiceEndpoints(delete));
        self.store
            .propose_by(author, Command::Smd(SmdCommand { change }))
            .await
    }
}

/// Where a service is in the list: its endpoint, and the service there.
#[derive(Debug)]
struct Place((Xname, String));

impl FromStr for Place {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Place, &'static str> {
        let (endpoint, service) = text.split_once('/').ok_or("there is no service")?;
        let endpoint = endpoint.parse().map_err(|_| "the endpoint is no xname")?;
        Ok(Place((endpoint, service.to_owned())))
    }
}

fn place_of(endpoint: &ServiceEndpoint) -> String {
    format!("{}/{}", endpoint.redfish_endpoint_id, endpoint.redfish_type)
}

#[tonic::async_trait]
impl service_endpoint_service_server::ServiceEndpointService for ServiceEndpointService {
    #[tracing::instrument(level = "debug", name = "smd.list_service_endpoints", skip_all)]
    async fn list_service_endpoints(
        &self,
        request: Request<ListServiceEndpointsRequest>,
    ) -> Result<Response<ListServiceEndpointsResponse>, Status> {
        Ok(Response::new(self.list(request.into_inner())?))
    }

    #[tracing::instrument(name = "smd.delete_service_endpoints", skip_all)]
    async fn delete_service_endpoints(
        &self,
        request: Request<DeleteServiceEndpointsRequest>,
    ) -> Result<Response<DeleteResponse>, Status> {
        let author = rpc::author(&request);
        let all = DeleteServiceEndpoints {
            all: true,
            ..DeleteServiceEndpoints::default()
        };
        let outcome = self.delete(&author, all).await;
        Ok(Response::new(legacy::deleted_all(outcome)?))
    }

    #[tracing::instrument(level = "debug", name = "smd.list_endpoints_of_service", skip_all, fields(service = ?request.get_ref().service))]
    async fn list_endpoints_of_service(
        &self,
        request: Request<ListEndpointsOfServiceRequest>,
    ) -> Result<Response<ListServiceEndpointsResponse>, Status> {
        let ListEndpointsOfServiceRequest {
            service,
            redfish_endpoint,
            page_size,
            page_token,
        } = request.into_inner();
        let filter = ListServiceEndpointsRequest {
            service: vec![service],
            redfish_endpoint,
            page_size,
            page_token,
        };
        Ok(Response::new(self.list(filter)?))
    }

    #[tracing::instrument(level = "debug", name = "smd.get_service_endpoint", skip_all, fields(xname = ?request.get_ref().id))]
    async fn get_service_endpoint(
        &self,
        request: Request<GetServiceEndpointRequest>,
    ) -> Result<Response<ServiceEndpoint>, Status> {
        let GetServiceEndpointRequest { service, id } = request.get_ref();
        let missing = || legacy::no_such_service(service, id);
        let xname: Xname = id.parse().map_err(|_| missing())?;
        let endpoint = self.store.state().smd.service_endpoint(&xname, service);
        Ok(Response::new(endpoint.ok_or_else(missing)?.as_ref().clone()))
    }

    #[tracing::instrument(name = "smd.delete_service_endpoint", skip_all, fields(xname = ?request.get_ref().id))]
    async fn delete_service_endpoint(
        &self,
        request: Request<DeleteServiceEndpointRequest>,
    ) -> Result<Response<DeleteResponse>, Status> {
        let author = rpc::author(&request);
        let DeleteServiceEndpointRequest { service, id } = request.get_ref();
        let xname: Xname = id.parse().map_err(|_| legacy::no_such_service(service, id))?;
        let one = DeleteServiceEndpoints {
            service: service.clone(),
            id: xname.to_string(),
            all: false,
        };
        let committed = self.delete(&author, one).await?;
        Ok(Response::new(legacy::deleted_one(&committed)))
    }
}
