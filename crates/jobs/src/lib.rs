//! Jobs: work that takes long and is done by one member for the whole cluster, under a claim of the log.
//!
//! `OVERVIEW.md` beside `Cargo.toml` says how a job is claimed, reported, taken over and ended, and what is never done.
#![forbid(unsafe_code)]

use proto::job::v1::job_service_server::JobServiceServer;
use raft::Store;
use tonic::service::RoutesBuilder;

mod claim;
mod create;
mod engine;
mod kind;
mod pending;
mod running;
mod service;
mod work;

pub use create::create;
pub use engine::{Jobs, Pace};
pub use kind::JobKind;
pub use running::Running;
pub use service::JobService;
pub use work::{Outcome, Work};

/// Adds the service of jobs to `routes`.
pub fn add_services(routes: &mut RoutesBuilder, store: &Store) {
    routes.add_service(
        JobServiceServer::new(JobService::new(store.clone())).max_encoding_message_size(usize::MAX),
    );
}
