//! Cloud-Init: NoCloud's four documents and phone-home, for nodes that are known by the address they call from.
//!
//! `OVERVIEW.md` beside `Cargo.toml` says how a request is answered and what is never done.

use std::sync::Arc;

use model::NodeUrls;
use proto::cloud_init::v1::node_data_service_server::NodeDataServiceServer;
use raft::Store;
use tonic::service::RoutesBuilder;

pub mod meta_data;
pub mod network_config;
mod node;
mod node_data;
mod phone_home;
pub mod user_data;
pub mod vendor_data;

pub use node_data::NodeDataService;

/// What Cloud-Init needs to know of this member.
#[derive(Clone, Debug)]
pub struct Config {
    /// Service addresses of the networks that nodes are on.
    pub urls: Arc<NodeUrls>,
}

/// Adds Cloud-Init's services to `routes`.
pub fn add_services(routes: &mut RoutesBuilder, store: &Store, config: &Config) {
    routes.add_service(NodeDataServiceServer::new(NodeDataService::new(
        store.clone(),
        Arc::clone(&config.urls),
    )));
}
