//! HSM's Inventory/Discover and Inventory/DiscoveryStatus. SMD asks no BMC: a request is written down with its endpoints,
//! for whoever discovers, and its status says just that, and how far the cluster's own crawls are with it.

use std::collections::BTreeSet;

use model::Xname;
use proto::job::v1::{Job, job};
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
    let mut pending = BTreeSet::new();
    let mut newest_ms = 0;
    for (endpoint, request) in requested {
        pending.insert(endpoint.id.clone());
        newest_ms = newest_ms.max(request.at_ms);
    }
    let (status, at_ms) = match (pending.is_empty(), last_crawl_ms(state)) {
        (false, _) if is_crawled(state, &pending) => ("InProgress", newest_ms),
        (false, _) => ("Pending", newest_ms),
        (true, 0) => ("NotStarted", 0),
        (true, ended_ms) => ("Complete", ended_ms),
    };
    let last_update_time = match at_ms {
        0 => String::new(),
        at_ms => state::time_text(at_ms),
    };
    DiscoveryStatus {
        id: 0,
        status: status.to_owned(),
        last_update_time,
        pending: pending.into_iter().collect(),
    }
}

/// The cluster's own crawls: they answer the requests.
fn crawls(state: &State) -> impl Iterator<Item = &Job> {
    let jobs = state.jobs.iter().map(|job| job.as_ref());
    jobs.filter(|job| matches!(job.work, Some(job::Work::Crawl(_))))
}

/// Whether a member reads one of these now.
fn is_crawled(state: &State, pending: &BTreeSet<String>) -> bool {
    let mut running = crawls(state).filter(|job| job.state() == job::State::Running);
    running.any(|job| {
        let mut targets = state.jobs.targets(&job.id);
        targets.any(|target| pending.contains(&target.target))
    })
}

/// When the last crawl was over; 0: there was none.
fn last_crawl_ms(state: &State) -> u64 {
    crawls(state).map(|job| job.ended_at_ms).max().unwrap_or(0)
}
