//! HSM's Inventory/RedfishEndpoints.

use std::sync::Arc;

use auth::Sealer;
use model::Xname;
use proto::cluster::v1::SealedSecret;
use proto::raft::v1::entry::Command;
use proto::smd::v1::smd_command::{self, Change, DiscoveredEndpoint};
use proto::smd::v1::{
    DeleteRedfishEndpointRequest, DeleteRedfishEndpointsRequest, DeleteResponse, GetRedfishEndpointRequest,
    ListRedfishEndpointsRequest, PatchRedfishEndpointRequest, QueryRedfishEndpointsRequest, RedfishEndpoint,
    RedfishEndpointPayload, RedfishEndpoints, ResourceUri, ResourceUris, SmdCommand,
    redfish_endpoint_service_server,
};
use raft::{Committed, Store};
use rpc::{Author, Error};
use state::State;
use state::smd::password_name;
use tonic::{Request, Response, Status};

use crate::endpoint_filter::RedfishEndpointFilter;
use crate::{legacy, page, payload};

/// Where the collection is found.
const COLLECTION: &str = "/hsm/v2/Inventory/RedfishEndpoints";
/// Longest password, bytes.
const PASSWORD_BYTES_MAX: usize = 1024;

/// An endpoint that was stored with what is behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its xname.
    pub id: Xname,
    /// Log index of the change; of what was only tried out, that of the state before.
    pub revision: u64,
    /// It was not there before.
    pub is_new: bool,
}

/// Stores what was discovered of one endpoint as one change, as `UpdateRedfishEndpoint` does: for discoveries of the cluster itself.
///
/// # Errors
/// `Invalid` naming what cannot be meant; those of [`Store::propose_by`].
pub async fn store_discovered(
    store: &Store,
    sealer: &Sealer,
    author: &Author,
    payload: &RedfishEndpointPayload,
) -> Result<Stored, Error> {
    let service = RedfishEndpointService::new(store.clone(), sealer);
    service.update(author, payload).await
}

/// BMCs and other controllers that speak Redfish. Passwords are sealed here, before anything is proposed.
#[derive(Clone, Debug)]
pub struct RedfishEndpointService {
    store: Store,
    sealer: Sealer,
}

impl RedfishEndpointService {
    /// A service that changes and answers from `store`, and seals passwords with `sealer`.
    #[must_use]
    pub fn new(store: Store, sealer: &Sealer) -> RedfishEndpointService {
        RedfishEndpointService {
            store,
            sealer: sealer.seal_only(),
        }
    }

    async fn propose(&self, author: &Author, change: Change) -> Result<Committed, Error> {
        self.store
            .propose_by(author, Command::Smd(SmdCommand { change: Some(change) }))
            .await
    }

    /// The answer to a change: the endpoint as it is stored.
    fn stored_after(&self, author: &Author, id: &Xname) -> Result<Response<RedfishEndpoint>, Status> {
        let stored = endpoint(&self.store.state_after(author), id.as_str())?;
        let stored = stored.as_ref().clone();
        Ok(Response::new(RedfishEndpoint {
            meta: author.told_meta(stored.meta),
            ..stored
        }))
    }

    fn read(&self, payload: &RedfishEndpointPayload, state: &State) -> Result<DiscoveredEndpoint, Error> {
        let id = payload::id(payload)?;
        let known: Vec<_> = state.smd.component_endpoints_of(&id).map(Arc::as_ref).collect();
        let mut found = payload::read(payload, &known)?;
        found.password = self.sealed(&id, &payload.password, state)?;
        Ok(found)
    }

    /// What is behind the endpoint must be known as it is now, so that systems keep their xnames.
    async fn update(&self, author: &Author, payload: &RedfishEndpointPayload) -> Result<Stored, Error> {
        if !payload.redfish_endpoints.is_empty() {
            return Err(rpc::invalid(
                "RedfishEndpoints",
                "one endpoint is updated at a time",
            ));
        }
        self.store.linearize().await?;
        let found = self.read(payload, &self.store.state())?;
        let id = payload::id(payload)?;
        let store = smd_command::StoreDiscovery {
            endpoints: vec![found],
            update: true,
        };
        let committed = self.propose(author, Change::StoreDiscovery(store)).await?;
        Ok(Stored {
            id,
            revision: committed.revision,
            is_new: !committed.applied.created.is_empty(),
        })
    }

    /// The password as it may stand in the log; `None` for an empty one.
    fn sealed(&self, id: &Xname, password: &str, state: &State) -> Result<Option<SealedSecret>, Error> {
        if password.is_empty() {
            return Ok(None);
        }
        if password.len() > PASSWORD_BYTES_MAX {
            let problem = format!("at most {PASSWORD_BYTES_MAX} bytes are accepted");
            return Err(rpc::invalid("Password", problem));
        }
        let name = password_name(id);
        let version = state.cluster.secret(&name).map_or(0, |known| known.version);
        let sealed = self
            .sealer
            .seal(&name, version.saturating_add(1), password.as_bytes());
        sealed
            .map(Some)
            .map_err(|error| Error::Internal(error.to_string()))
    }
}

#[tonic::async_trait]
impl redfish_endpoint_service_server::RedfishEndpointService for RedfishEndpointService {
    #[tracing::instrument(level = "debug", name = "smd.list_redfish_endpoints", skip_all)]
    async fn list_redfish_endpoints(
        &self,
        request: Request<ListRedfishEndpointsRequest>,
    ) -> Result<Response<RedfishEndpoints>, Status> {
        let mut request = request.into_inner();
        let asked = page::Asked::take(&mut request.page_size, &mut request.page_token);
        let filter = RedfishEndpointFilter::parse(&request)?;
        let state = self.store.state();
        let page = asked.of(&request, state.cluster_id())?;
        let wanted = state
            .smd
            .redfish_endpoints_after(page.after())
            .filter(|endpoint| filter.admits(endpoint));
        let (redfish_endpoints, next_page_token) = page.cut(
            wanted,
            |endpoint| &endpoint.id,
            |endpoint| endpoint.as_ref().clone(),
        );
        Ok(Response::new(RedfishEndpoints {
            redfish_endpoints,
            revision: state.applied_index(),
            next_page_token,
        }))
    }

    #[tracing::instrument(name = "smd.create_redfish_endpoints", skip_all)]
    async fn create_redfish_endpoints(
        &self,
        request: Request<RedfishEndpointPayload>,
    ) -> Result<Response<ResourceUris>, Status> {
        let author = rpc::author(&request);
        author.asks(&without_passwords(request.get_ref()));
        let payloads = payload::endpoints_of(request.into_inner())?;
        if payloads.iter().any(|payload| payload.if_revision.is_some()) {
            let problem = "what is created is at no revision; update an endpoint under a condition";
            return Err(rpc::invalid("if_revision", problem).into());
        }
        let state = self.store.state();
        let read = |payload: &RedfishEndpointPayload| self.read(payload, &state);
        let endpoints = payloads.iter().map(read).collect::<Result<_, _>>()?;
        let update = false;
        let store = smd_command::StoreDiscovery { endpoints, update };
        let committed = self.propose(&author, Change::StoreDiscovery(store)).await?;
        Ok(Response::new(uris(&committed)))
    }

    #[tracing::instrument(name = "smd.delete_redfish_endpoints", skip_all)]
    async fn delete_redfish_endpoints(
        &self,
        request: Request<DeleteRedfishEndpointsRequest>,
    ) -> Result<Response<DeleteResponse>, Status> {
        let author = rpc::author(&request);
        let delete = smd_command::DeleteRedfishEndpoints {
            all: true,
            ..Default::default()
        };
        let outcome = self
            .propose(&author, Change::DeleteRedfishEndpoints(delete))
            .await;
        Ok(Response::new(legacy::deleted_all(outcome)?))
    }

    #[tracing::instrument(level = "debug", name = "smd.get_redfish_endpoint", skip_all, fields(xname = ?request.get_ref().id))]
    async fn get_redfish_endpoint(
        &self,
        request: Request<GetRedfishEndpointRequest>,
    ) -> Result<Response<RedfishEndpoint>, Status> {
        let endpoint = endpoint(&self.store.state(), &request.get_ref().id)?;
        Ok(Response::new(endpoint.as_ref().clone()))
    }

    #[tracing::instrument(name = "smd.update_redfish_endpoint", skip_all, fields(xname = ?request.get_ref().id))]
    async fn update_redfish_endpoint(
        &self,
        request: Request<RedfishEndpointPayload>,
    ) -> Result<Response<RedfishEndpoint>, Status> {
        let author = rpc::author(&request);
        let payload = request.into_inner();
        author.asks(&without_passwords(&payload));
        let Stored { id, .. } = self.update(&author, &payload).await?;
        self.stored_after(&author, &id)
    }

    #[tracing::instrument(name = "smd.patch_redfish_endpoint", skip_all, fields(xname = ?request.get_ref().id))]
    async fn patch_redfish_endpoint(
        &self,
        request: Request<PatchRedfishEndpointRequest>,
    ) -> Result<Response<RedfishEndpoint>, Status> {
        let author = rpc::author(&request);
        let request = request.into_inner();
        author.asks(&PatchRedfishEndpointRequest {
            password: String::new(),
            ..request.clone()
        });
        let id: Xname = request
            .id
            .parse()
            .map_err(|problem| rpc::invalid("ID", problem))?;
        let password = self.sealed(&id, &request.password, &self.store.state())?;
        let patch = patch_of(&id, request, password);
        self.propose(&author, Change::PatchRedfishEndpoint(patch)).await?;
        self.stored_after(&author, &id)
    }

    #[tracing::instrument(name = "smd.delete_redfish_endpoint", skip_all, fields(xname = ?request.get_ref().id))]
    async fn delete_redfish_endpoint(
        &self,
        request: Request<DeleteRedfishEndpointRequest>,
    ) -> Result<Response<DeleteResponse>, Status> {
        let author = rpc::author(&request);
        let DeleteRedfishEndpointRequest { id, if_revision } = request.get_ref();
        let id: Xname = id.parse().map_err(|_| legacy::no_such_xname(id))?;
        let delete = smd_command::DeleteRedfishEndpoints {
            ids: vec![id.to_string()],
            all: false,
            if_revision: *if_revision,
        };
        let committed = self
            .propose(&author, Change::DeleteRedfishEndpoints(delete))
            .await?;
        Ok(Response::new(legacy::deleted_one(&committed)))
    }

    #[tracing::instrument(level = "debug", name = "smd.query_redfish_endpoints", skip_all, fields(xname = ?request.get_ref().id))]
    async fn query_redfish_endpoints(
        &self,
        request: Request<QueryRedfishEndpointsRequest>,
    ) -> Result<Response<RedfishEndpoints>, Status> {
        let place = place(&request.get_ref().id)?;
        let state = self.store.state();
        let is_wanted = |endpoint: &&Arc<RedfishEndpoint>| {
            place
                .as_ref()
                .is_none_or(|place| is_at_or_below(&endpoint.id, place))
        };
        let wanted = state.smd.redfish_endpoints().filter(is_wanted);
        Ok(Response::new(RedfishEndpoints {
            redfish_endpoints: wanted.map(|endpoint| endpoint.as_ref().clone()).collect(),
            revision: state.applied_index(),
            ..RedfishEndpoints::default()
        }))
    }
}

fn without_passwords(payload: &RedfishEndpointPayload) -> RedfishEndpointPayload {
    RedfishEndpointPayload {
        password: String::new(),
        redfish_endpoints: payload.redfish_endpoints.iter().map(without_passwords).collect(),
        ..payload.clone()
    }
}

fn endpoint(state: &State, id: &str) -> Result<Arc<RedfishEndpoint>, Error> {
    let xname: Xname = id.parse().map_err(|_| legacy::no_such_xname(id))?;
    let found = state.smd.redfish_endpoint(&xname);
    found.ok_or_else(|| legacy::no_such_xname(id))
}

/// The place that a query is about; `None` for everything.
fn place(text: &str) -> Result<Option<Xname>, Error> {
    match text {
        "all" | "s0" => Ok(None),
        text => text
            .parse()
            .map(Some)
            .map_err(|problem| rpc::invalid("xname", problem)),
    }
}

fn is_at_or_below(id: &str, place: &Xname) -> bool {
    std::iter::successors(id.parse::<Xname>().ok(), Xname::parent).any(|above| above == *place)
}

fn uris(committed: &Committed) -> ResourceUris {
    let uri = |id: &String| ResourceUri {
        uri: format!("{COLLECTION}/{id}"),
        revision: 0,
    };
    let uris: Vec<ResourceUri> = committed.applied.created.iter().map(uri).collect();
    let location = match uris.as_slice() {
        [only] => only.uri.clone(),
        _ => COLLECTION.to_owned(),
    };
    ResourceUris {
        uris,
        location,
        revision: committed.revision,
    }
}

fn patch_of(
    id: &Xname,
    request: PatchRedfishEndpointRequest,
    password: Option<SealedSecret>,
) -> smd_command::PatchRedfishEndpoint {
    smd_command::PatchRedfishEndpoint {
        id: id.to_string(),
        name: request.name,
        hostname: request.hostname,
        domain: request.domain,
        fqdn: request.fqdn,
        enabled: request.enabled,
        uuid: request.uuid,
        user: request.user,
        password,
        use_ssdp: request.use_ssdp,
        mac_required: request.mac_required,
        mac_addr: request.mac_addr,
        ip_address: request.ip_address,
        rediscover_on_update: request.rediscover_on_update,
        template_id: request.template_id,
        if_revision: request.if_revision,
    }
}
