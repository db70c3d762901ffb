//! BSS: boot parameters and boot configurations of nodes, and the iPXE script that each node gets.
//!
//! `OVERVIEW.md` beside `Cargo.toml` says how a script is answered, how parameters are written, and what is never
//! done.

use std::fmt;
use std::sync::Arc;

use auth::BootTokens;
use model::{NodeUrls, Xname};
use proto::bss::v1::BootDocument;
use proto::bss::v1::bmc_resource_service_server::BmcResourceServiceServer;
use proto::bss::v1::boot_configuration_service_server::BootConfigurationServiceServer;
use proto::bss::v1::boot_explain_service_server::BootExplainServiceServer;
use proto::bss::v1::boot_parameters_service_server::BootParametersServiceServer;
use proto::bss::v1::boot_record_service_server::BootRecordServiceServer;
use proto::bss::v1::boot_rollout_service_server::BootRolloutServiceServer;
use proto::bss::v1::boot_script_service_server::BootScriptServiceServer;
use proto::bss::v1::boot_service_service_server::BootServiceServiceServer;
use proto::bss::v1::boot_status_service_server::BootStatusServiceServer;
use proto::bss::v1::endpoint_history_service_server::EndpointHistoryServiceServer;
use proto::bss::v1::host_service_server::HostServiceServer;
use proto::bss::v1::legacy_cloud_init_service_server::LegacyCloudInitServiceServer;
use proto::bss::v1::service_status_service_server::ServiceStatusServiceServer;
use proto::bss::v1::state_change_service_server::StateChangeServiceServer;
use proto::smd::v1::component::Arch;
use raft::Store;
use state::State;
use timeline::Timeline;
use tonic::service::RoutesBuilder;

mod alternatives;
mod answer;
mod bmc_resources;
mod boot_configurations;
mod boot_parameters;
mod boot_records;
mod boot_rollouts;
mod boot_script;
mod boot_seen;
mod boot_service;
mod boot_status;
mod candidates;
mod data_source;
mod endpoint_history;
mod explain;
mod go_number;
mod hosts;
pub mod ipxe;
mod json_data;
mod legacy;
mod legacy_cloud_init;
mod loaders;
mod lookup;
mod node_changes;
mod parameter_query;
mod parameters;
mod phase_deadlines;
mod profile;
mod resources;
mod s3;
mod service_status;
mod state_changes;

pub use bmc_resources::BmcResourceService;
pub use boot_configurations::BootConfigurationService;
pub use boot_parameters::BootParametersService;
pub use boot_records::BootRecordService;
pub use boot_rollouts::{BootRolloutService, advance_rollouts};
pub use boot_script::BootScriptService;
pub use boot_seen::phase_of_file;
pub use boot_service::BootServiceService;
pub use boot_status::BootStatusService;
pub use endpoint_history::EndpointHistoryService;
pub use explain::BootExplainService;
pub use hosts::HostService;
pub use ipxe::RetryDelay;
pub use legacy_cloud_init::LegacyCloudInitService;
pub use phase_deadlines::PhaseDeadlines;
pub use s3::S3Signer;
pub use service_status::ServiceStatusService;
pub use state_changes::StateChangeService;

/// Largest request, bytes: what the gateway takes. A change may have half of that, which `Store::propose` checks
/// and explains (413); a smaller limit here would answer first, without a remedy.
const REQUEST_BYTES_MAX: usize = 16 << 20;

/// What BSS needs to know of this member.
#[derive(Clone, Debug)]
pub struct Config {
    /// Service addresses of the networks that nodes are on.
    pub urls: Arc<NodeUrls>,
    /// `bss.retry-delay-s`.
    pub retry_delay: RetryDelay,
    /// Where the ids of boots come from.
    pub boot_ids: BootIds,
    /// Architectures that this member has a boot loader for; `None`: it hands out none, so nodes bring their own or get
    /// it elsewhere.
    pub architectures: Option<Arc<[Arch]>>,
    /// Where scripts that nodes get are noted.
    pub timeline: Timeline,
    /// Signs `s3://` images; without it they are refused when they are written.
    pub s3: Option<Arc<S3Signer>>,
    /// What cloud-init would give a node, for `ExplainBoot`.
    pub documents: Documents,
    /// How long a node may stay in a phase of its boot.
    pub deadlines: PhaseDeadlines,
}

/// Renders a node's cloud-init documents from a state, with the URLs of this member, at a cluster time in milliseconds.
/// Cloud-Init's own function, given by whoever puts the services together.
pub type Documents = fn(&State, &NodeUrls, &Xname, u64) -> Vec<BootDocument>;

/// A source of random boot ids: an argument, so that a simulation can repeat a run.
#[derive(Clone)]
pub struct BootIds(Arc<dyn Fn() -> u64 + Send + Sync>);

impl BootIds {
    /// From a function that gives another unforeseeable number each time.
    pub fn new(next: impl Fn() -> u64 + Send + Sync + 'static) -> BootIds {
        BootIds(Arc::new(next))
    }

    fn next(&self) -> u64 {
        (self.0)()
    }
}

impl fmt::Debug for BootIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BootIds")
    }
}

/// Adds BSS's services to `routes`. With `tokens` scripts open what is secret of cloud-init's data.
pub fn add_services(routes: &mut RoutesBuilder, store: &Store, config: &Config, tokens: &BootTokens) {
    let parameters =
        BootParametersService::new(store.clone(), config.s3.clone()).with_urls(Arc::clone(&config.urls));
    let scripts = BootScriptService::new(store.clone(), config.clone()).with_tokens(tokens.clone());
    routes
        .add_service(
            BootParametersServiceServer::new(parameters)
                .max_decoding_message_size(REQUEST_BYTES_MAX)
                .max_encoding_message_size(usize::MAX),
        )
        .add_service(BootScriptServiceServer::new(scripts))
        .add_service(LegacyCloudInitServiceServer::new(LegacyCloudInitService::new(
            store.clone(),
        )))
        .add_service(
            BootConfigurationServiceServer::new(BootConfigurationService::new(store.clone(), config.clone()))
                .max_decoding_message_size(REQUEST_BYTES_MAX)
                .max_encoding_message_size(usize::MAX),
        )
        .add_service(
            BootExplainServiceServer::new(BootExplainService::new(store.clone(), config.clone()))
                .max_encoding_message_size(usize::MAX),
        )
        .add_service(
            BootServiceServiceServer::new(BootServiceService::new(store.clone(), config.clone()))
                .max_decoding_message_size(REQUEST_BYTES_MAX)
                .max_encoding_message_size(usize::MAX),
        )
        .add_service(
            BmcResourceServiceServer::new(BmcResourceService::new(store.clone()))
                .max_encoding_message_size(usize::MAX),
        )
        .add_service(
            BootRolloutServiceServer::new(BootRolloutService::new(store.clone()))
                .max_encoding_message_size(usize::MAX),
        )
        .add_service(BootRecordServiceServer::new(BootRecordService::new(
            store.clone(),
        )))
        .add_service(
            BootStatusServiceServer::new(BootStatusService::new(store.clone(), config.deadlines))
                .max_encoding_message_size(usize::MAX),
        )
        .add_service(
            HostServiceServer::new(HostService::new(store.clone())).max_encoding_message_size(usize::MAX),
        )
        .add_service(
            EndpointHistoryServiceServer::new(EndpointHistoryService::new(store.clone()))
                .max_encoding_message_size(usize::MAX),
        )
        .add_service(StateChangeServiceServer::new(StateChangeService::new()))
        .add_service(ServiceStatusServiceServer::new(ServiceStatusService::new(
            store.clone(),
        )));
}
