//! HSM's Inventory/HardwareByFRU: field-replaceable units, wherever they are.

use proto::raft::v1::entry::Command;
use proto::smd::v1::{
    DeleteHardwareFruRequest, DeleteHardwareFrusRequest, DeleteResponse, GetHardwareFruRequest, HardwareFru,
    HardwareFruRecord, ListHardwareFrusRequest, ListHardwareFrusResponse, SmdCommand,
    hardware_fru_service_server, smd_command,
};
use raft::{Committed, Store};
use rpc::{Author, Error};
use state::smd::Smd;
use tonic::{Request, Response, Status};

use crate::hardware_filter::FruFilter;
use crate::hardware_types::shown_fru;
use crate::{legacy, page};

/// The hardware of the system by unit.
#[derive(Clone, Debug)]
pub struct HardwareFruService {
    store: Store,
}

impl HardwareFruService {
    /// A service that changes and answers from `store`.
    #[must_use]
    pub fn new(store: Store) -> HardwareFruService {
        HardwareFruService { store }
    }

    async fn propose(
        &self,
        author: &Author,
        delete: smd_command::DeleteHardwareFrus,
    ) -> Result<Committed, Error> {
        let change = Some(smd_command::Change::DeleteHardwareFrus(delete));
        self.store
            .propose_by(author, Command::Smd(SmdCommand { change }))
            .await
    }
}

#[tonic::async_trait]
impl hardware_fru_service_server::HardwareFruService for HardwareFruService {
    #[tracing::instrument(level = "debug", name = "smd.list_hardware_frus", skip_all)]
    async fn list_hardware_frus(
        &self,
        request: Request<ListHardwareFrusRequest>,
    ) -> Result<Response<ListHardwareFrusResponse>, Status> {
        let mut request = request.into_inner();
        let asked = page::Asked::take(&mut request.page_size, &mut request.page_token);
        let filter = FruFilter::parse(&request)?;
        let state = self.store.state();
        let page = asked.of(&request, state.cluster_id())?;
        let wanted = state
            .smd
            .hardware_frus_after(page.after())
            .filter(|fru| filter.admits(fru));
        let (frus, next_page_token) = page.cut(wanted, |fru| &fru.fru_id, |fru| shown(fru, &state.smd));
        Ok(Response::new(ListHardwareFrusResponse {
            frus,
            revision: state.applied_index(),
            next_page_token,
        }))
    }

    #[tracing::instrument(level = "debug", name = "smd.get_hardware_fru", skip_all, fields(fru_id = ?request.get_ref().fru_id))]
    async fn get_hardware_fru(
        &self,
        request: Request<GetHardwareFruRequest>,
    ) -> Result<Response<HardwareFru>, Status> {
        let fru_id = &request.get_ref().fru_id;
        let state = self.store.state();
        let fru = state.smd.hardware_fru(fru_id);
        let fru = fru.ok_or_else(|| legacy::no_such_fru(fru_id))?;
        Ok(Response::new(shown(&fru, &state.smd)))
    }

    #[tracing::instrument(name = "smd.delete_hardware_fru", skip_all, fields(fru_id = ?request.get_ref().fru_id))]
    async fn delete_hardware_fru(
        &self,
        request: Request<DeleteHardwareFruRequest>,
    ) -> Result<Response<DeleteResponse>, Status> {
        let author = rpc::author(&request);
        let delete = smd_command::DeleteHardwareFrus {
            fru_ids: vec![request.into_inner().fru_id],
            all: false,
        };
        let committed = self.propose(&author, delete).await?;
        Ok(Response::new(legacy::deleted_one(&committed)))
    }

    #[tracing::instrument(name = "smd.delete_hardware_frus", skip_all)]
    async fn delete_hardware_frus(
        &self,
        request: Request<DeleteHardwareFrusRequest>,
    ) -> Result<Response<DeleteResponse>, Status> {
        let delete = smd_command::DeleteHardwareFrus {
            fru_ids: Vec::new(),
            all: true,
        };
        let outcome = self.propose(&rpc::author(&request), delete).await;
        Ok(Response::new(legacy::deleted_all(outcome)?))
    }
}

fn shown(fru: &HardwareFruRecord, smd: &Smd) -> HardwareFru {
    let place = smd.place_of_fru(&fru.fru_id);
    shown_fru(fru, place.map_or("", |place| place.as_str()))
}
