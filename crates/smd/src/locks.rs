//! HSM's locks: which components are kept for the administrator, and which nobody may reserve.

use proto::raft::v1::entry::Command;
use proto::smd::v1::smd_command::set_locks::Action;
use proto::smd::v1::{
    ComponentLock, ListLockStatusRequest, LockCounts, LockRequest, LockResponse, LockStatus, LockedIds,
    SmdCommand, lock_service_server, smd_command,
};
use raft::{Committed, Store};
use rpc::Error;
use state::State;
use tonic::{Request, Response, Status};

use crate::filter::parse_bool;
use crate::lock_request::{Selection, failures, is_flexible, meant, nothing_meant, time_text};

/// Locked components, and those whose reservations are disabled.
#[derive(Clone, Debug)]
pub struct LockService {
    store: Store,
}

impl LockService {
    /// A service that changes and answers from `store`.
    #[must_use]
    pub fn new(store: Store) -> LockService {
        LockService { store }
    }

    async fn set(
        &self,
        request: Request<LockRequest>,
        action: Action,
    ) -> Result<Response<LockResponse>, Status> {
        let author = rpc::author(&request);
        let request = request.get_ref();
        let set = smd_command::SetLocks {
            action: action.into(),
            flexible: is_flexible(&request.processing_model)?,
            ids: meant(&self.store, request).await?,
        };
        let change = Some(smd_command::Change::SetLocks(set));
        let command = Command::Smd(SmdCommand { change });
        let Committed { revision, applied } = self.store.propose_by(&author, command).await?;
        let done = [applied.updated, applied.unchanged].concat();
        Ok(Response::new(response(done, failures(applied.refused), revision)))
    }

    fn status(&self, request: &LockRequest) -> Result<LockStatus, Error> {
        let selection = Selection::parse(request)?;
        let reserved = reserved_filter(&request.reserved)?;
        let (state, now_ms) = (self.store.state(), self.store.cluster_time_ms());
        let locks = selection
            .admitted(&state)
            .into_iter()
            .filter_map(|id| lock_of(&state, id, now_ms));
        let components: Vec<ComponentLock> = locks
            .filter(|lock| reserved.is_none_or(|reserved| lock.reserved == reserved))
            .collect();
        if components.is_empty() {
            return Err(nothing_meant());
        }
        Ok(LockStatus {
            components,
            not_found: selection.missing(&state),
            revision: state.applied_index(),
        })
    }
}

#[tonic::async_trait]
impl lock_service_server::LockService for LockService {
    #[tracing::instrument(name = "smd.lock_components", skip_all)]
    async fn lock_components(&self, request: Request<LockRequest>) -> Result<Response<LockResponse>, Status> {
        self.set(request, Action::Lock).await
    }

    #[tracing::instrument(name = "smd.unlock_components", skip_all)]
    async fn unlock_components(
        &self,
        request: Request<LockRequest>,
    ) -> Result<Response<LockResponse>, Status> {
        self.set(request, Action::Unlock).await
    }

    #[tracing::instrument(name = "smd.disable_reservations", skip_all)]
    async fn disable_reservations(
        &self,
        request: Request<LockRequest>,
    ) -> Result<Response<LockResponse>, Status> {
        self.set(request, Action::Disable).await
    }

    #[tracing::instrument(name = "smd.repair_reservations", skip_all)]
    async fn repair_reservations(
        &self,
        request: Request<LockRequest>,
    ) -> Result<Response<LockResponse>, Status> {
        self.set(request, Action::Repair).await
    }

    #[tracing::instrument(level = "debug", name = "smd.query_lock_status", skip_all)]
    async fn query_lock_status(&self, request: Request<LockRequest>) -> Result<Response<LockStatus>, Status> {
        is_flexible(&request.get_ref().processing_model)?;
        Ok(Response::new(self.status(request.get_ref())?))
    }

    #[tracing::instrument(level = "debug", name = "smd.list_lock_status", skip_all)]
    async fn list_lock_status(
        &self,
        request: Request<ListLockStatusRequest>,
    ) -> Result<Response<LockStatus>, Status> {
        let ListLockStatusRequest {
            r#type,
            state,
            role,
            sub_role,
            locked,
            reserved,
            reservation_disabled,
        } = request.into_inner();
        let request = LockRequest {
            r#type,
            state,
            role,
            sub_role,
            locked,
            reserved,
            reservation_disabled,
            ..LockRequest::default()
        };
        Ok(Response::new(self.status(&request)?))
    }
}

/// What was done, sorted, and what was not.
pub(crate) fn response(
    mut done: Vec<String>,
    failure: Vec<proto::smd::v1::LockFailure>,
    revision: u64,
) -> LockResponse {
    done.sort_unstable();
    let count = |items: usize| u32::try_from(items).unwrap_or(u32::MAX);
    LockResponse {
        counts: Some(LockCounts {
            total: count(done.len() + failure.len()),
            success: count(done.len()),
            failure: count(failure.len()),
        }),
        success: Some(LockedIds { component_ids: done }),
        failure,
        revision,
    }
}

/// HSM takes the first value only, and has its own text for one that is none.
fn reserved_filter(values: &[String]) -> Result<Option<bool>, Error> {
    match values.first() {
        None => Ok(None),
        Some(text) => parse_bool(text)
            .map(Some)
            .map_err(|_| rpc::invalid("bad 'Reserved' query parameter", text.escape_debug())),
    }
}

fn lock_of(state: &State, id: String, now_ms: u64) -> Option<ComponentLock> {
    let xname = id.parse().ok()?;
    let component = state.smd.component(&xname)?;
    let reservation = state.smd.reservation(&xname, now_ms);
    let created = reservation
        .as_ref()
        .and_then(|reservation| reservation.meta.as_ref())
        .and_then(|meta| meta.created.clone())
        .unwrap_or_default();
    Some(ComponentLock {
        id,
        locked: component.locked,
        reserved: reservation.is_some(),
        creation_time: time_text(created.at_ms),
        expiration_time: time_text(reservation.map_or(0, |reservation| reservation.expires_at_ms)),
        reservation_disabled: component.reservation_disabled,
        reserved_by: created.principal,
    })
}
