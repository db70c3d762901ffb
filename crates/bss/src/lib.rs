//! BSS: boot parameters of nodes, and the iPXE script that each node gets.
//!
//! `OVERVIEW.md` beside `Cargo.toml` says how a script is answered, how parameters are written, and what is never
//! done.

use std::fmt;
use std::sync::Arc;

use auth::BootTokens;
use model::NodeUrls;
use proto::bss::v1::boot_parameters_service_server::BootParametersServiceServer;
use proto::bss::v1::boot_record_service_server::BootRecordServiceServer;
use proto::bss::v1::boot_script_service_server::BootScriptServiceServer;
use proto::bss::v1::legacy_cloud_init_service_server::LegacyCloudInitServiceServer;
use proto::bss::v1::service_status_service_server::ServiceStatusServiceServer;
use raft::Store;
use tonic::service::RoutesBuilder;

mod alternatives;
mod answer;
mod boot_parameters;
mod boot_records;
mod boot_script;
mod data_source;
pub mod ipxe;
mod json_data;
mod legacy;
mod legacy_cloud_init;
mod lookup;
mod parameters;
mod profile;
mod service_status;

pub use boot_parameters::BootParametersService;
pub use boot_records::BootRecordService;
pub use boot_script::BootScriptService;
pub use ipxe::RetryDelay;
pub use legacy_cloud_init::LegacyCloudInitService;
pub use service_status::ServiceStatusService;

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
}

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
    let parameters = BootParametersService::new(store.clone()).with_urls(Arc::clone(&config.urls));
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
        .add_service(BootRecordServiceServer::new(BootRecordService::new(
            store.clone(),
        )))
        .add_service(ServiceStatusServiceServer::new(ServiceStatusService::new()));
}
