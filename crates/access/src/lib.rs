//! Who may do what: policies and roles as replicated resources, and the decision that the guard of `rpc` asks for.
//! `OVERVIEW.md` beside `Cargo.toml` shows how one call is decided.
#![forbid(unsafe_code)]

mod actions;
mod authority;
mod explain;
mod parts;
mod policies;
mod question;
mod roles;
mod service;
mod table;
#[cfg(test)]
mod testing;

use proto::auth::v1::policy_service_server::PolicyServiceServer;
use raft::Store;
use rpc::{Rules, RulesError};
use tonic::service::RoutesBuilder;

pub use authority::Authorities;
pub use explain::{Explained, explain};
pub use question::{Object, Question};
pub use service::PolicyService;
pub use table::{PolicyId, Table};

/// Adds the services to `routes`.
///
/// # Errors
/// A descriptor that does not decode, which `rules` were read from.
pub fn add_services(
    routes: &mut RoutesBuilder,
    store: &Store,
    authorities: &Authorities,
    rules: &Rules,
) -> Result<(), RulesError> {
    let service = PolicyService::new(store.clone(), authorities.clone(), rules)?;
    routes.add_service(PolicyServiceServer::new(service));
    Ok(())
}
