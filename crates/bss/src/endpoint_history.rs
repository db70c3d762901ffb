//! BSS's `/boot/v1/endpoint-history`: when a node last asked for its script and its user-data.

use std::collections::BTreeSet;

use model::Xname;
use proto::bss::v1::boot_phase::Phase;
use proto::bss::v1::{
    EndpointAccess, ListEndpointAccessesRequest, ListEndpointAccessesResponse,
    endpoint_history_service_server,
};
use raft::Store;
use state::State;
use tonic::{Request, Response, Status};

/// What a node asks for, as BSS names it, in its order.
const ENDPOINTS: [&str; 2] = ["bootscript", "user-data"];

/// Accesses, from the boots that are known.
#[derive(Clone, Debug)]
pub struct EndpointHistoryService {
    store: Store,
}

impl EndpointHistoryService {
    /// A service that answers from `store`.
    #[must_use]
    pub fn new(store: Store) -> EndpointHistoryService {
        EndpointHistoryService { store }
    }
}

#[tonic::async_trait]
impl endpoint_history_service_server::EndpointHistoryService for EndpointHistoryService {
    /// A node that nobody knows has no accesses, as in BSS.
    #[tracing::instrument(level = "debug", name = "bss.list_endpoint_accesses", skip_all)]
    async fn list_endpoint_accesses(
        &self,
        request: Request<ListEndpointAccessesRequest>,
    ) -> Result<Response<ListEndpointAccessesResponse>, Status> {
        let ListEndpointAccessesRequest { name, endpoint } = request.get_ref();
        let state = self.store.state();
        let nodes: BTreeSet<Xname> = match name.as_str() {
            "" => nodes_that_booted(&state),
            name => name.parse().into_iter().collect(),
        };
        let accesses = nodes.iter().flat_map(|node| {
            let asked = ENDPOINTS
                .iter()
                .filter(|known| endpoint.is_empty() || endpoint == **known);
            asked.filter_map(|known| Some(access(node.as_str(), known, last_access_ms(&state, node, known)?)))
        });
        Ok(Response::new(ListEndpointAccessesResponse {
            accesses: accesses.collect(),
        }))
    }
}

fn nodes_that_booted(state: &State) -> BTreeSet<Xname> {
    let records = state.bss.all_boot_records();
    records.filter_map(|record| record.node.parse().ok()).collect()
}

/// When a node was last seen to be given this, as far as its boots tell. Boots of which no phases are known, those of an earlier
/// release, tell by their phone-home: it had both before, and a boot without an id began with a script of somebody else.
fn last_access_ms(state: &State, node: &Xname, endpoint: &str) -> Option<u64> {
    let phase = if endpoint == ENDPOINTS[0] {
        Phase::Script
    } else {
        Phase::UserData
    };
    state.bss.last_access(node, phase).or_else(|| {
        let boot = state.bss.boot_records(node).into_iter().next()?;
        let is_ours = endpoint != ENDPOINTS[0] || !boot.boot_id.is_empty();
        Some(boot.phoned_home_at_ms).filter(|at_ms| boot.phases.is_empty() && is_ours && *at_ms > 0)
    })
}

fn access(node: &str, endpoint: &str, at_ms: u64) -> EndpointAccess {
    EndpointAccess {
        name: node.to_owned(),
        endpoint: endpoint.to_owned(),
        last_epoch: i64::try_from(at_ms / 1000).unwrap_or(i64::MAX),
    }
}
