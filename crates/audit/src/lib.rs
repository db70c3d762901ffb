//! Who did what to which object at which revision: a journal beside the log on every member, a log of what was refused, and both
//! for whoever collects them.
//!
//! `OVERVIEW.md` beside `Cargo.toml` says what is written when, what is lost, and what is never done.
#![forbid(unsafe_code)]

mod clean;
mod counters;
mod denial_limit;
mod denials;
mod export;
mod follow;
mod journal;
mod names;
mod options;
mod query;
mod record;
mod segments;
mod service;
mod tail;
mod wire;
mod writer;

use proto::audit::v1::audit_service_server::AuditServiceServer;
use raft::Store;
use tonic::service::RoutesBuilder;

pub use counters::{CountersReading, ExportReading};
pub use denials::DenialLog;
pub use export::{JsonLinesTarget, SyslogTarget};
pub use options::{KEEP_DAYS_MAX, Options, SIZE_MIB_MAX, SIZE_MIB_MIN};
pub use writer::Audit;

/// Adds the service to `routes`. What follows the journal ends when `ending` completes.
pub fn add_services(
    routes: &mut RoutesBuilder,
    store: &Store,
    audit: &Audit,
    ending: impl Future<Output = ()> + Send + 'static,
) {
    let service = service::Service::new(store.clone(), audit, ending);
    routes.add_service(AuditServiceServer::new(service));
}
