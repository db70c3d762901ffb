//! Cloud-Init: NoCloud's four documents and phone-home, for nodes that are known by the address they call from, and
//! what administrators set for the cluster, its groups and single nodes.
//!
//! `OVERVIEW.md` beside `Cargo.toml` says how a request is answered and what is never done.

use std::sync::Arc;

use auth::BootTokens;
use model::NodeUrls;
use proto::cloud_init::v1::cluster_defaults_service_server::ClusterDefaultsServiceServer;
use proto::cloud_init::v1::group_service_server::GroupServiceServer;
use proto::cloud_init::v1::impersonation_service_server::ImpersonationServiceServer;
use proto::cloud_init::v1::instance_info_service_server::InstanceInfoServiceServer;
use proto::cloud_init::v1::instance_service_server::InstanceServiceServer;
use proto::cloud_init::v1::node_data_service_server::NodeDataServiceServer;
use proto::cloud_init::v1::profile_service_server::ProfileServiceServer;
use proto::cloud_init::v1::service_version_service_server::ServiceVersionServiceServer;
use raft::Store;
use timeline::Timeline;
use tonic::service::RoutesBuilder;

mod cluster_defaults;
mod document;
mod group_data;
mod groups;
mod impersonation;
mod instance_info;
mod instances;
pub mod meta_data;
pub mod network_config;
mod node;
mod node_data;
mod phone_home;
mod profiles;
mod sealing;
mod secrets;
mod service_version;
pub mod user_data;
pub mod vendor_data;
mod yaml;

pub use cluster_defaults::ClusterDefaultsService;
pub use groups::GroupService;
pub use impersonation::{ImpersonationService, documents};
pub use instance_info::InstanceInfoService;
pub use instances::InstanceService;
pub use node_data::NodeDataService;
pub use profiles::ProfileService;
pub use service_version::ServiceVersionService;

/// Largest request, bytes: what the gateway takes. A change may have half of that, which `Store::propose` checks
/// and explains (413); a smaller limit here would answer first, without a remedy.
const REQUEST_BYTES_MAX: usize = 16 << 20;

/// What Cloud-Init needs to know of this member.
#[derive(Clone, Debug)]
pub struct Config {
    /// Service addresses of the networks that nodes are on.
    pub urls: Arc<NodeUrls>,
    /// Where documents that nodes get are noted.
    pub timeline: Timeline,
}

/// Adds Cloud-Init's services to `routes`. `tokens` seals what is secret, and opens it for boots.
pub fn add_services(routes: &mut RoutesBuilder, store: &Store, config: &Config, tokens: &BootTokens) {
    let urls = || Arc::clone(&config.urls);
    routes
        .add_service(NodeDataServiceServer::new(
            NodeDataService::new(store.clone(), urls(), tokens.clone()).noting_in(config.timeline.clone()),
        ))
        .add_service(ImpersonationServiceServer::new(ImpersonationService::new(
            store.clone(),
            urls(),
        )))
        .add_service(ClusterDefaultsServiceServer::new(ClusterDefaultsService::new(
            store.clone(),
        )))
        .add_service(
            GroupServiceServer::new(GroupService::new(store.clone(), tokens.sealer()))
                .max_decoding_message_size(REQUEST_BYTES_MAX)
                .max_encoding_message_size(usize::MAX),
        )
        .add_service(
            InstanceInfoServiceServer::new(InstanceInfoService::new(store.clone(), tokens.sealer()))
                .max_decoding_message_size(REQUEST_BYTES_MAX)
                .max_encoding_message_size(usize::MAX),
        )
        .add_service(
            ProfileServiceServer::new(ProfileService::new(store.clone()))
                .max_decoding_message_size(REQUEST_BYTES_MAX)
                .max_encoding_message_size(usize::MAX),
        )
        .add_service(InstanceServiceServer::new(InstanceService::new(store.clone())))
        .add_service(ServiceVersionServiceServer::new(ServiceVersionService));
}
