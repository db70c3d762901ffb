//! HSM's Inventory/Hardware: what is where.

use std::sync::Arc;

use model::Xname;
use proto::raft::v1::entry::Command;
use proto::smd::v1::{
    DeleteAllHardwareRequest, DeleteHardwareRequest, DeleteResponse, GetHardwareRequest, HardwareInventory,
    HardwareLocation, HardwareLocationRecord, ListHardwareRequest, ListHardwareResponse, PutHardwareRequest,
    PutHardwareResponse, QueryHardwareRequest, SmdCommand, hardware_service_server, smd_command,
};
use raft::{Committed, Store};
use rpc::{Author, Error};
use tonic::{Request, Response, Status};

use crate::hardware_filter::HardwareFilter;
use crate::hardware_query::HardwareQuery;
use crate::hardware_types::{partition_of, shown_location};
use crate::{hardware_input, legacy, page};

/// The hardware of the system by place.
#[derive(Clone, Debug)]
pub struct HardwareService {
    store: Store,
}

impl HardwareService {
    /// A service that changes and answers from `store`.
    #[must_use]
    pub fn new(store: Store) -> HardwareService {
        HardwareService { store }
    }

    async fn propose(&self, author: &Author, change: smd_command::Change) -> Result<Committed, Error> {
        self.store
            .propose_by(author, Command::Smd(SmdCommand { change: Some(change) }))
            .await
    }
}

#[tonic::async_trait]
impl hardware_service_server::HardwareService for HardwareService {
    #[tracing::instrument(level = "debug", name = "smd.list_hardware", skip_all)]
    async fn list_hardware(
        &self,
        request: Request<ListHardwareRequest>,
    ) -> Result<Response<ListHardwareResponse>, Status> {
        let mut request = request.into_inner();
        let asked = page::Asked::take(&mut request.page_size, &mut request.page_token);
        let state = self.store.state();
        let page = asked.of(&request, state.cluster_id())?;
        let filter = HardwareFilter::parse(request)?;
        let is_wanted = |place: &&Arc<HardwareLocationRecord>| {
            let fru = state.smd.hardware_fru(&place.fru_id);
            filter.admits(place, fru.as_deref(), partition_of(&place.id, &state.smd))
        };
        let wanted = state.smd.hardware_locations_after(page.after()).filter(is_wanted);
        let (hardware, next_page_token) = page.cut(
            wanted,
            |place| &place.id,
            |place| shown_location(place, &state.smd),
        );
        Ok(Response::new(ListHardwareResponse {
            hardware,
            revision: state.applied_index(),
            next_page_token,
        }))
    }

    #[tracing::instrument(name = "smd.put_hardware", skip_all, fields(count = request.get_ref().hardware.len()))]
    async fn put_hardware(
        &self,
        request: Request<PutHardwareRequest>,
    ) -> Result<Response<PutHardwareResponse>, Status> {
        let author = rpc::author(&request);
        let given = request.get_ref().hardware.iter().zip(0..);
        let hardware: Vec<_> = given
            .map(|(given, at)| hardware_input::entry(given, at))
            .collect::<Result<_, _>>()?;
        if hardware.is_empty() {
            let revision = self.store.state().applied_index();
            return Ok(Response::new(legacy::created_hardware(0, revision, None)));
        }
        let count = hardware.len();
        let put = smd_command::PutHardware { hardware };
        let committed = self
            .propose(&author, smd_command::Change::PutHardware(put))
            .await?;
        let Committed { revision, applied } = committed;
        Ok(Response::new(legacy::created_hardware(
            count,
            revision,
            Some(applied),
        )))
    }

    #[tracing::instrument(level = "debug", name = "smd.get_hardware", skip_all, fields(xname = ?request.get_ref().id))]
    async fn get_hardware(
        &self,
        request: Request<GetHardwareRequest>,
    ) -> Result<Response<HardwareLocation>, Status> {
        let id = &request.get_ref().id;
        let xname: Xname = id.parse().map_err(|_| legacy::no_such_xname(id))?;
        let state = self.store.state();
        let place = state.smd.hardware_location(&xname);
        let place = place.ok_or_else(|| legacy::no_such_xname(id))?;
        Ok(Response::new(shown_location(&place, &state.smd)))
    }

    #[tracing::instrument(level = "debug", name = "smd.query_hardware", skip_all, fields(xname = ?request.get_ref().id))]
    async fn query_hardware(
        &self,
        request: Request<QueryHardwareRequest>,
    ) -> Result<Response<HardwareInventory>, Status> {
        let query = HardwareQuery::parse(request.get_ref())?;
        let state = self.store.state();
        Ok(Response::new(HardwareInventory {
            revision: state.applied_index(),
            ..query.answer(&state.smd)
        }))
    }

    #[tracing::instrument(name = "smd.delete_hardware", skip_all, fields(xname = ?request.get_ref().id))]
    async fn delete_hardware(
        &self,
        request: Request<DeleteHardwareRequest>,
    ) -> Result<Response<DeleteResponse>, Status> {
        let author = rpc::author(&request);
        let id = &request.get_ref().id;
        let xname: Xname = id.parse().map_err(|_| legacy::no_such_xname(id))?;
        let delete = smd_command::DeleteHardware {
            ids: vec![xname.to_string()],
            all: false,
        };
        let committed = self
            .propose(&author, smd_command::Change::DeleteHardware(delete))
            .await?;
        Ok(Response::new(legacy::deleted_one(&committed)))
    }

    #[tracing::instrument(name = "smd.delete_all_hardware", skip_all)]
    async fn delete_all_hardware(
        &self,
        request: Request<DeleteAllHardwareRequest>,
    ) -> Result<Response<DeleteResponse>, Status> {
        let delete = smd_command::DeleteHardware {
            ids: Vec::new(),
            all: true,
        };
        let outcome = self
            .propose(
                &rpc::author(&request),
                smd_command::Change::DeleteHardware(delete),
            )
            .await;
        Ok(Response::new(legacy::deleted_all(outcome)?))
    }
}
