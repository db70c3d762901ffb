//! HSM's reservations: one holder at a time may work on a component. Keys are told once and stored as digests.

use model::Xname;
use proto::raft::v1::entry::Command;
use proto::smd::v1::smd_command::{Change, HeldReservation};
use proto::smd::v1::{
    CheckReservationsRequest, ComponentKey, HeldReservations, LockFailure, LockRequest, LockResponse,
    Reservation, Reservations, SmdCommand, reservation_service_server, smd_command,
};
use raft::{Committed, Store};
use rpc::{Author, Error};
use state::smd::{Grant, key_sha256};
use tonic::{Request, Response, Status};

use crate::lock_request::{failures, is_flexible, meant, minutes, time_text};
use crate::locks::response;

/// Who may work on which component, and until when.
#[derive(Clone, Debug)]
pub struct ReservationService {
    store: Store,
}

impl ReservationService {
    /// A service that changes and answers from `store`.
    #[must_use]
    pub fn new(store: Store) -> ReservationService {
        ReservationService { store }
    }

    async fn propose(&self, author: &Author, change: Change) -> Result<Committed, Error> {
        self.store
            .propose_by(author, Command::Smd(SmdCommand { change: Some(change) }))
            .await
    }

    /// `minutes` is 0 for a reservation of the administrator.
    async fn reserve(
        &self,
        author: &Author,
        request: &LockRequest,
        minutes: u32,
    ) -> Result<Response<Reservations>, Status> {
        let reserve = smd_command::Reserve {
            flexible: is_flexible(&request.processing_model)?,
            ids: meant(&self.store, request).await?,
            minutes,
        };
        let committed = self.propose(author, Change::Reserve(reserve)).await?;
        Ok(Response::new(granted(committed)?))
    }

    fn check(&self, keys: &[ComponentKey]) -> Result<Reservations, Error> {
        let (state, now_ms) = (self.store.state(), self.store.cluster_time_ms());
        let mut answer = Reservations {
            revision: state.applied_index(),
            ..Reservations::default()
        };
        for ComponentKey { id, key } in keys {
            let id: Xname = id
                .parse()
                .map_err(|problem| rpc::invalid("DeputyKeys", problem))?;
            let digest = key_sha256(key);
            let found = state
                .smd
                .reservation(&id, now_ms)
                .filter(|reservation| reservation.deputy_key_sha256 == digest);
            match found {
                Some(reservation) => {
                    let created = reservation.meta.as_ref().and_then(|meta| meta.created.as_ref());
                    answer.success.push(Reservation {
                        id: id.to_string(),
                        deputy_key: key.to_ascii_lowercase(),
                        reservation_key: String::new(),
                        creation_time: time_text(created.map_or(0, |change| change.at_ms)),
                        expiration_time: time_text(reservation.expires_at_ms),
                    });
                }
                None => answer.failure.push(LockFailure {
                    id: id.to_string(),
                    reason: "NotFound".to_owned(),
                }),
            }
        }
        Ok(answer)
    }
}

#[tonic::async_trait]
impl reservation_service_server::ReservationService for ReservationService {
    #[tracing::instrument(name = "smd.create_reservations", skip_all)]
    async fn create_reservations(
        &self,
        request: Request<LockRequest>,
    ) -> Result<Response<Reservations>, Status> {
        let author = rpc::author(&request);
        self.reserve(&author, request.get_ref(), 0).await
    }

    #[tracing::instrument(name = "smd.remove_reservations", skip_all)]
    async fn remove_reservations(
        &self,
        request: Request<LockRequest>,
    ) -> Result<Response<LockResponse>, Status> {
        let author = rpc::author(&request);
        let request = request.get_ref();
        let remove = smd_command::RemoveReservations {
            flexible: is_flexible(&request.processing_model)?,
            ids: meant(&self.store, request).await?,
        };
        let committed = self.propose(&author, Change::RemoveReservations(remove)).await?;
        Ok(Response::new(ended(committed)))
    }

    #[tracing::instrument(name = "smd.release_reservations", skip_all)]
    async fn release_reservations(
        &self,
        request: Request<HeldReservations>,
    ) -> Result<Response<LockResponse>, Status> {
        let author = rpc::author(&request);
        let request = request.get_ref();
        let release = smd_command::ReleaseReservations {
            flexible: is_flexible(&request.processing_model)?,
            held: held(&request.reservation_keys)?,
        };
        let committed = self
            .propose(&author, Change::ReleaseReservations(release))
            .await?;
        Ok(Response::new(ended(committed)))
    }

    #[tracing::instrument(name = "smd.create_service_reservations", skip_all)]
    async fn create_service_reservations(
        &self,
        request: Request<LockRequest>,
    ) -> Result<Response<Reservations>, Status> {
        let author = rpc::author(&request);
        let request = request.get_ref();
        is_flexible(&request.processing_model)?;
        let minutes = minutes(request.reservation_duration)?;
        self.reserve(&author, request, minutes).await
    }

    #[tracing::instrument(name = "smd.renew_service_reservations", skip_all)]
    async fn renew_service_reservations(
        &self,
        request: Request<HeldReservations>,
    ) -> Result<Response<LockResponse>, Status> {
        let author = rpc::author(&request);
        let request = request.get_ref();
        let renew = smd_command::RenewReservations {
            flexible: is_flexible(&request.processing_model)?,
            minutes: minutes(request.reservation_duration)?,
            held: held(&request.reservation_keys)?,
        };
        let Committed { revision, applied } = self.propose(&author, Change::RenewReservations(renew)).await?;
        let done = [applied.updated, applied.unchanged].concat();
        Ok(Response::new(response(done, failures(applied.refused), revision)))
    }

    #[tracing::instrument(level = "debug", name = "smd.check_service_reservations", skip_all)]
    async fn check_service_reservations(
        &self,
        request: Request<CheckReservationsRequest>,
    ) -> Result<Response<Reservations>, Status> {
        Ok(Response::new(self.check(&request.get_ref().deputy_keys)?))
    }
}

/// Only digests of keys go into the log.
fn held(keys: &[ComponentKey]) -> Result<Vec<HeldReservation>, Error> {
    if keys.is_empty() {
        return Err(rpc::invalid(
            "ReservationKeys",
            "none is given; name one at least",
        ));
    }
    keys.iter()
        .map(|ComponentKey { id, key }| {
            let id: Xname = id
                .parse()
                .map_err(|problem| rpc::invalid("ReservationKeys", problem))?;
            Ok(HeldReservation {
                id: id.to_string(),
                reservation_key_sha256: key_sha256(key),
            })
        })
        .collect()
}

/// The keys of what was reserved, made again from the outcome: a repeat of the request is told the same.
fn granted(committed: Committed) -> Result<Reservations, Error> {
    let Committed { revision, applied } = committed;
    let failure = failures(applied.refused);
    if applied.created.is_empty() {
        return Ok(Reservations {
            success: Vec::new(),
            failure,
            revision,
        });
    }
    let unreadable =
        || Error::Internal("the outcome of a reservation does not say what was granted".to_owned());
    let grant: Grant = applied.value.parse().map_err(|()| unreadable())?;
    let expiration_time = time_text(grant.expires_at_ms);
    let reservation = |id: String| {
        let xname: Xname = id.parse().map_err(|_| unreadable())?;
        let keys = grant.keys(&xname);
        Ok(Reservation {
            id,
            deputy_key: keys.deputy_key,
            reservation_key: keys.reservation_key,
            creation_time: String::new(),
            expiration_time: expiration_time.clone(),
        })
    };
    Ok(Reservations {
        success: applied
            .created
            .into_iter()
            .map(reservation)
            .collect::<Result<_, Error>>()?,
        failure,
        revision,
    })
}

fn ended(committed: Committed) -> LockResponse {
    let Committed { revision, applied } = committed;
    response(applied.deleted, failures(applied.refused), revision)
}
