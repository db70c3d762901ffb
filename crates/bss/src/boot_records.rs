//! What the cluster knows of a node's boots.

use model::Xname;
use proto::bss::v1::{ListBootRecordsRequest, ListBootRecordsResponse, boot_record_service_server};
use raft::Store;
use rpc::Error;
use tonic::{Request, Response, Status};

/// Boot records of nodes, newest first.
#[derive(Clone, Debug)]
pub struct BootRecordService {
    store: Store,
}

impl BootRecordService {
    /// A service that answers from `store`.
    #[must_use]
    pub fn new(store: Store) -> BootRecordService {
        BootRecordService { store }
    }
}

#[tonic::async_trait]
impl boot_record_service_server::BootRecordService for BootRecordService {
    /// A node that never phoned home has no records; a node that nobody knows is an error.
    #[tracing::instrument(level = "debug", name = "bss.list_boot_records", skip_all, fields(node = ?request.get_ref().node))]
    async fn list_boot_records(
        &self,
        request: Request<ListBootRecordsRequest>,
    ) -> Result<Response<ListBootRecordsResponse>, Status> {
        let node: Xname = request
            .get_ref()
            .node
            .parse()
            .map_err(|problem| rpc::invalid("node", problem))?;
        let state = self.store.state();
        let records: Vec<_> = state
            .bss
            .boot_records(&node)
            .iter()
            .map(|record| record.as_ref().clone())
            .collect();
        if records.is_empty() && state.smd.component(&node).is_none() {
            return Err(Error::NotFound {
                kind: "component".to_owned(),
                id: node.to_string(),
            }
            .into());
        }
        Ok(Response::new(ListBootRecordsResponse { records }))
    }
}
