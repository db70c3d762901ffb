//! HSM's Inventory/Discover and Inventory/DiscoveryStatus. SMD asks no BMC: a request is written down with its endpoints,
//! for whoever discovers, and its status says just that.

use model::Xname;
use proto::raft::v1::entry::Command;
use proto::smd::v1::smd_command::{self, Change};
use proto::smd::v1::{
    DiscoveryStatus, GetDiscoveryStatusRequest, ListDiscoveryStatusRequest, ListDiscoveryStatusResponse,
    RequestDiscoveryRequest, ResourceUri, ResourceUris, SmdCommand, discovery_service_server,
};
use raft::Store;
use rpc::Error;
use state::State;
use tonic::{Request, Response, Status};

/// The only status that there is.
const STATUS_URI: &str = "/hsm/v2/Inventory/DiscoveryStatus/0";

/// Requests to discover, and how it stands with them.
#[derive(Clone, Debug)]
pub struct DiscoveryService {
    store: Store,
}

impl DiscoveryService {
    /// A service that changes and answers from `store`.
    #[must_use]
    pub fn new(store: Store) -> DiscoveryService {
        DiscoveryService { store }
    }
}

#[tonic::async_trait]
impl discovery_service_server::DiscoveryService for DiscoveryService {
    #[tracing::instrument(name = "smd.request_discovery", skip_all)]
    async fn request_discovery(
        &self,
        request: Request<RequestDiscoveryRequest>,
    ) -> Result<Response<ResourceUris>, Status> {
        let author = rpc::author(&request);
        let xname = |text: &String| {
            let parsed = text.parse::<Xname>();
            parsed
                .map(|xname| xname.to_string())
                .map_err(|_| no_such_endpoint(text))
        };
        let xnames = request.get_ref().xnames.iter();
        let ids: Vec<String> = xnames.map(xname).collect::<Result<_, _>>()?;
        let all = ids.is_empty();
        let discover = smd_command::RequestDiscovery { ids, all };
        let change = Some(Change::RequestDiscovery(discover));
        let outcome = self
            .store
            .propose_by(&author, Command::Smd(SmdCommand { change }))
            .await;
        let committed = match outcome {
            Err(Error::NotFound { .. }) if all => {
                return Err(Status::not_found("RedfishEndpoints collection is empty"));
            }
            Err(Error::NotFound { id, .. }) => return Err(no_such_endpoint(&id).into()),
            other => other?,
        };
        let uri = ResourceUri {
            uri: STATUS_URI.to_owned(),
            revision: 0,
        };
        Ok(Response::new(ResourceUris {
            uris: vec![uri],
            location: String::new(),
            revision: committed.revision,
        }))
    }

    #[tracing::instrument(level = "debug", name = "smd.list_discovery_status", skip_all)]
    async fn list_discovery_status(
        &self,
        _: Request<ListDiscoveryStatusRequest>,
    ) -> Result<Response<ListDiscoveryStatusResponse>, Status> {
        let statuses = vec![status(&self.store.state())];
        Ok(Response::new(ListDiscoveryStatusResponse { statuses }))
    }

    #[tracing::instrument(level = "debug", name = "smd.get_discovery_status", skip_all)]
    async fn get_discovery_status(
        &self,
        request: Request<GetDiscoveryStatusRequest>,
    ) -> Result<Response<DiscoveryStatus>, Status> {
        match request.get_ref().id.parse::<u32>() {
            Ok(0) => Ok(Response::new(status(&self.store.state()))),
            Ok(_) => Err(Status::not_found("no such DiscoveryStatus ID.")),
            Err(_) => Err(Status::invalid_argument(
                "DiscoveryStatus ID not an unsigned integer",
            )),
        }
    }
}

fn no_such_endpoint(id: &str) -> Error {
    Error::NotFound {
        kind: "RedfishEndpoint".to_owned(),
        id: id.escape_debug().to_string(),
    }
}

fn status(state: &State) -> DiscoveryStatus {
    let requested = state.smd.redfish_endpoints();
    let requested = requested.filter_map(|endpoint| Some((endpoint, endpoint.discovery_requested.as_ref()?)));
    let mut pending = Vec::new();
    let mut newest_ms = 0;
    for (endpoint, request) in requested {
        pending.push(endpoint.id.clone());
        newest_ms = newest_ms.max(request.at_ms);
    }
    let (status, last_update_time) = match pending.is_empty() {
        true => ("NotStarted", String::new()),
        false => ("Pending", state::time_text(newest_ms)),
    };
    DiscoveryStatus {
        id: 0,
        status: status.to_owned(),
        last_update_time,
        pending,
    }
}
