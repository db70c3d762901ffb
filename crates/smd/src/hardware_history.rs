//! HSM's Inventory/Hardware/History and Inventory/HardwareByFRU/History: which unit came where, and when.

use std::sync::Arc;

use model::Xname;
use proto::raft::v1::entry::Command;
use proto::smd::v1::smd_command::delete_hardware_history::Of;
use proto::smd::v1::{
    DeleteAllHardwareHistoryRequest, DeleteFruHistoryRequest, DeleteHardwareHistoryRequest, DeleteResponse,
    GetFruHistoryRequest, GetHardwareHistoryRequest, HardwareEvent, HardwareHistory, HardwareHistoryRecord,
    ListFruHistoryRequest, ListHardwareHistoryRequest, ListHardwareHistoryResponse, SmdCommand,
    hardware_history_service_server, smd_command,
};
use raft::Store;
use rpc::Author;
use state::State;
use tonic::{Request, Response, Status};

use crate::hardware_event_filter::{HardwareEventFilter, shown_event};
use crate::legacy;
use crate::page::{self, Page};

/// What happened to the hardware of the system.
#[derive(Clone, Debug)]
pub struct HardwareHistoryService {
    store: Store,
}

impl HardwareHistoryService {
    /// A service that changes and answers from `store`.
    #[must_use]
    pub fn new(store: Store) -> HardwareHistoryService {
        HardwareHistoryService { store }
    }

    /// HSM writes "entries" for one, too, and 404 for none.
    async fn delete(&self, author: &Author, of: Of) -> Result<Response<DeleteResponse>, Status> {
        let delete = smd_command::DeleteHardwareHistory { of: Some(of) };
        let change = Some(smd_command::Change::DeleteHardwareHistory(delete));
        let outcome = self
            .store
            .propose_by(author, Command::Smd(SmdCommand { change }))
            .await;
        Ok(Response::new(legacy::deleted_all(outcome)?))
    }
}

#[tonic::async_trait]
impl hardware_history_service_server::HardwareHistoryService for HardwareHistoryService {
    #[tracing::instrument(level = "debug", name = "smd.list_hardware_history", skip_all)]
    async fn list_hardware_history(
        &self,
        request: Request<ListHardwareHistoryRequest>,
    ) -> Result<Response<ListHardwareHistoryResponse>, Status> {
        let mut request = request.into_inner();
        let asked = page::Asked::take(&mut request.page_size, &mut request.page_token);
        let filter = HardwareEventFilter::parse(&request.event_type, &request.start_time, &request.end_time)?
            .of(&request.id, &request.fru_id)?;
        let state = self.store.state();
        let page: Page<Xname> = asked.of(&request, state.cluster_id())?;
        let of_place = |record: &Arc<HardwareHistoryRecord>| {
            history_of(record.id.clone(), events(record, &filter).collect())
        };
        let histories = state.smd.hardware_histories_after(page.after()).map(of_place);
        Ok(Response::new(listed(histories, &page, &state)))
    }

    /// HSM answers an empty history for a place where nothing has happened.
    #[tracing::instrument(level = "debug", name = "smd.get_hardware_history", skip_all, fields(xname = ?request.get_ref().id))]
    async fn get_hardware_history(
        &self,
        request: Request<GetHardwareHistoryRequest>,
    ) -> Result<Response<HardwareHistory>, Status> {
        let request = request.get_ref();
        let id = place(&request.id)?;
        let filter = HardwareEventFilter::parse(&request.event_type, &request.start_time, &request.end_time)?;
        let state = self.store.state();
        let record = state.smd.hardware_history(&id);
        let history = record.map_or_else(Vec::new, |record| events(&record, &filter).collect());
        Ok(Response::new(history_of(id.to_string(), history)))
    }

    #[tracing::instrument(level = "debug", name = "smd.list_fru_history", skip_all)]
    async fn list_fru_history(
        &self,
        request: Request<ListFruHistoryRequest>,
    ) -> Result<Response<ListHardwareHistoryResponse>, Status> {
        let mut request = request.into_inner();
        let asked = page::Asked::take(&mut request.page_size, &mut request.page_token);
        let filter = HardwareEventFilter::parse(&request.event_type, &request.start_time, &request.end_time)?
            .of(&request.id, &request.fru_id)?;
        let state = self.store.state();
        let page: Page<String> = asked.of(&request, state.cluster_id())?;
        let of_unit = |fru_id: &str| {
            let records = state.smd.hardware_histories_of_fru(fru_id);
            let events = records.flat_map(|record| events(record, &filter));
            let events = events.filter(|event| event.fru_id == fru_id);
            history_of(fru_id.to_owned(), events.collect())
        };
        let histories = state.smd.frus_with_history_after(page.after()).map(of_unit);
        Ok(Response::new(listed(histories, &page, &state)))
    }

    #[tracing::instrument(level = "debug", name = "smd.get_fru_history", skip_all, fields(fru_id = ?request.get_ref().fru_id))]
    async fn get_fru_history(
        &self,
        request: Request<GetFruHistoryRequest>,
    ) -> Result<Response<HardwareHistory>, Status> {
        let request = request.get_ref();
        let filter = HardwareEventFilter::parse(&request.event_type, &request.start_time, &request.end_time)?
            .of(&[], std::slice::from_ref(&request.fru_id))?;
        let state = self.store.state();
        let records = state.smd.hardware_histories_of_fru(&request.fru_id);
        let history = records.flat_map(|record| events(record, &filter));
        Ok(Response::new(history_of(
            request.fru_id.clone(),
            history.collect(),
        )))
    }

    #[tracing::instrument(name = "smd.delete_hardware_history", skip_all, fields(xname = ?request.get_ref().id))]
    async fn delete_hardware_history(
        &self,
        request: Request<DeleteHardwareHistoryRequest>,
    ) -> Result<Response<DeleteResponse>, Status> {
        let id = place(&request.get_ref().id)?;
        self.delete(&rpc::author(&request), Of::Id(id.to_string())).await
    }

    #[tracing::instrument(name = "smd.delete_fru_history", skip_all, fields(fru_id = ?request.get_ref().fru_id))]
    async fn delete_fru_history(
        &self,
        request: Request<DeleteFruHistoryRequest>,
    ) -> Result<Response<DeleteResponse>, Status> {
        let author = rpc::author(&request);
        self.delete(&author, Of::FruId(request.into_inner().fru_id)).await
    }

    #[tracing::instrument(name = "smd.delete_all_hardware_history", skip_all)]
    async fn delete_all_hardware_history(
        &self,
        request: Request<DeleteAllHardwareHistoryRequest>,
    ) -> Result<Response<DeleteResponse>, Status> {
        self.delete(&rpc::author(&request), Of::All(true)).await
    }
}

/// The page of those histories that an event is left of.
fn listed<K>(
    histories: impl Iterator<Item = HardwareHistory>,
    page: &Page<K>,
    state: &State,
) -> ListHardwareHistoryResponse {
    let some = histories.filter(|history| !history.history.is_empty());
    let (components, next_page_token) = page.cut(some, |history| &history.id, |history| history);
    ListHardwareHistoryResponse {
        components,
        revision: state.applied_index(),
        next_page_token,
    }
}

/// # Errors
/// HSM's `Invalid xname`; here it is 400, not 404.
fn place(text: &str) -> Result<Xname, Status> {
    let parsed: Result<Xname, _> = text.parse();
    Ok(parsed.map_err(|problem| rpc::invalid("Invalid xname", problem))?)
}

/// The events of one place that the filter admits: all that are stored, however old. Their ETag tells of changes, and time
/// alone changes nothing.
fn events(
    record: &HardwareHistoryRecord,
    filter: &HardwareEventFilter,
) -> impl Iterator<Item = HardwareEvent> {
    record
        .events
        .iter()
        .filter(move |event| filter.admits(&record.id, event))
        .map(|event| shown_event(&record.id, event))
}

/// Oldest first; of one revision what left a place before what came to one.
fn history_of(id: String, mut history: Vec<HardwareEvent>) -> HardwareHistory {
    history.sort_by(|one, other| {
        let key = |event: &HardwareEvent| (event.revision, std::cmp::Reverse(event.event_type.clone()));
        key(one).cmp(&key(other))
    });
    HardwareHistory { id, history }
}
