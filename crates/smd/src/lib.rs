//! SMD: the components of the system and what is known of them, with the routes and semantics of HSM v2.
//!
//! `OVERVIEW.md` beside `Cargo.toml` says how a read and a write go, and what is never done.

use auth::Sealer;
use proto::smd::v1::component_endpoint_service_server::ComponentEndpointServiceServer;
use proto::smd::v1::component_patch_service_server::ComponentPatchServiceServer;
use proto::smd::v1::component_query_service_server::ComponentQueryServiceServer;
use proto::smd::v1::component_service_server::ComponentServiceServer;
use proto::smd::v1::discovery_service_server::DiscoveryServiceServer;
use proto::smd::v1::ethernet_interface_service_server::EthernetInterfaceServiceServer;
use proto::smd::v1::group_service_server::GroupServiceServer;
use proto::smd::v1::hardware_fru_service_server::HardwareFruServiceServer;
use proto::smd::v1::hardware_history_service_server::HardwareHistoryServiceServer;
use proto::smd::v1::hardware_service_server::HardwareServiceServer;
use proto::smd::v1::lock_service_server::LockServiceServer;
use proto::smd::v1::membership_service_server::MembershipServiceServer;
use proto::smd::v1::node_map_service_server::NodeMapServiceServer;
use proto::smd::v1::partition_service_server::PartitionServiceServer;
use proto::smd::v1::power_map_service_server::PowerMapServiceServer;
use proto::smd::v1::redfish_endpoint_service_server::RedfishEndpointServiceServer;
use proto::smd::v1::reservation_service_server::ReservationServiceServer;
use proto::smd::v1::scn_subscription_service_server::ScnSubscriptionServiceServer;
use proto::smd::v1::service_endpoint_service_server::ServiceEndpointServiceServer;
use proto::smd::v1::service_status_service_server::ServiceStatusServiceServer;
use raft::Store;
use rpc::page;
use tonic::service::RoutesBuilder;

mod component_endpoints;
mod component_filter;
mod component_patches;
mod component_queries;
mod components;
mod discovery;
mod endpoint_filter;
mod etag;
mod ethernet_interface_filter;
mod ethernet_interfaces;
mod filter;
mod fru_id;
mod group_filter;
mod groups;
mod hardware;
mod hardware_event_filter;
mod hardware_filter;
mod hardware_frus;
mod hardware_history;
mod hardware_input;
mod hardware_query;
mod hardware_types;
mod legacy;
mod lock_request;
mod locks;
mod membership_filter;
mod memberships;
mod node_maps;
mod partitions;
mod payload;
mod power_maps;
mod redfish_endpoints;
mod reservations;
pub mod scn;
mod scn_subscriptions;
mod service_endpoints;
mod service_status;
mod uuid;

pub use component_endpoints::ComponentEndpointService;
pub use component_patches::ComponentPatchService;
pub use component_queries::ComponentQueryService;
pub use components::ComponentService;
pub use discovery::DiscoveryService;
pub use ethernet_interfaces::EthernetInterfaceService;
pub use groups::GroupService;
pub use hardware::HardwareService;
pub use hardware_frus::HardwareFruService;
pub use hardware_history::HardwareHistoryService;
pub use locks::LockService;
pub use memberships::MembershipService;
pub use node_maps::NodeMapService;
pub use partitions::PartitionService;
pub use power_maps::PowerMapService;
pub use redfish_endpoints::{RedfishEndpointService, Stored, store_discovered};
pub use reservations::ReservationService;
pub use scn_subscriptions::ScnSubscriptionService;
pub use service_endpoints::ServiceEndpointService;
pub use service_status::ServiceStatusService;

/// Largest request, bytes: what the gateway takes. A change may have half of that, which `Store::propose` checks
/// and explains (413); a smaller limit here would answer first, without a remedy.
const REQUEST_BYTES_MAX: usize = 16 << 20;

/// Adds SMD's services to `routes`. Passwords of Redfish endpoints are sealed with `sealer`.
pub fn add_services(routes: &mut RoutesBuilder, store: &Store, sealer: &Sealer) {
    add_endpoint_services(routes, store, sealer);
    routes
        .add_service(
            ComponentServiceServer::new(ComponentService::new(store.clone()))
                .max_decoding_message_size(REQUEST_BYTES_MAX)
                .max_encoding_message_size(usize::MAX),
        )
        .add_service(
            ComponentPatchServiceServer::new(ComponentPatchService::new(store.clone()))
                .max_decoding_message_size(REQUEST_BYTES_MAX)
                .max_encoding_message_size(usize::MAX),
        )
        .add_service(
            ComponentQueryServiceServer::new(ComponentQueryService::new(store.clone()))
                .max_decoding_message_size(REQUEST_BYTES_MAX)
                .max_encoding_message_size(usize::MAX),
        )
        .add_service(
            EthernetInterfaceServiceServer::new(EthernetInterfaceService::new(store.clone()))
                .max_decoding_message_size(REQUEST_BYTES_MAX)
                .max_encoding_message_size(usize::MAX),
        )
        .add_service(
            GroupServiceServer::new(GroupService::new(store.clone()))
                .max_decoding_message_size(REQUEST_BYTES_MAX)
                .max_encoding_message_size(usize::MAX),
        )
        .add_service(
            HardwareServiceServer::new(HardwareService::new(store.clone()))
                .max_decoding_message_size(REQUEST_BYTES_MAX)
                .max_encoding_message_size(usize::MAX),
        )
        .add_service(
            HardwareFruServiceServer::new(HardwareFruService::new(store.clone()))
                .max_decoding_message_size(REQUEST_BYTES_MAX)
                .max_encoding_message_size(usize::MAX),
        )
        .add_service(
            HardwareHistoryServiceServer::new(HardwareHistoryService::new(store.clone()))
                .max_decoding_message_size(REQUEST_BYTES_MAX)
                .max_encoding_message_size(usize::MAX),
        )
        .add_service(
            MembershipServiceServer::new(MembershipService::new(store.clone()))
                .max_decoding_message_size(REQUEST_BYTES_MAX)
                .max_encoding_message_size(usize::MAX),
        )
        .add_service(
            LockServiceServer::new(LockService::new(store.clone()))
                .max_decoding_message_size(REQUEST_BYTES_MAX)
                .max_encoding_message_size(usize::MAX),
        )
        .add_service(
            ReservationServiceServer::new(ReservationService::new(store.clone()))
                .max_decoding_message_size(REQUEST_BYTES_MAX)
                .max_encoding_message_size(usize::MAX),
        )
        .add_service(
            PartitionServiceServer::new(PartitionService::new(store.clone()))
                .max_decoding_message_size(REQUEST_BYTES_MAX)
                .max_encoding_message_size(usize::MAX),
        )
        .add_service(
            NodeMapServiceServer::new(NodeMapService::new(store.clone()))
                .max_decoding_message_size(REQUEST_BYTES_MAX)
                .max_encoding_message_size(usize::MAX),
        )
        .add_service(
            PowerMapServiceServer::new(PowerMapService::new(store.clone()))
                .max_decoding_message_size(REQUEST_BYTES_MAX)
                .max_encoding_message_size(usize::MAX),
        )
        .add_service(
            ScnSubscriptionServiceServer::new(ScnSubscriptionService::new(store.clone()))
                .max_decoding_message_size(REQUEST_BYTES_MAX)
                .max_encoding_message_size(usize::MAX),
        )
        .add_service(ServiceStatusServiceServer::new(ServiceStatusService::new(
            store.clone(),
        )));
}

/// The services of Redfish endpoints and what is behind them.
fn add_endpoint_services(routes: &mut RoutesBuilder, store: &Store, sealer: &Sealer) {
    routes
        .add_service(
            RedfishEndpointServiceServer::new(RedfishEndpointService::new(store.clone(), sealer))
                .max_decoding_message_size(REQUEST_BYTES_MAX)
                .max_encoding_message_size(usize::MAX),
        )
        .add_service(
            ComponentEndpointServiceServer::new(ComponentEndpointService::new(store.clone()))
                .max_decoding_message_size(REQUEST_BYTES_MAX)
                .max_encoding_message_size(usize::MAX),
        )
        .add_service(
            ServiceEndpointServiceServer::new(ServiceEndpointService::new(store.clone()))
                .max_decoding_message_size(REQUEST_BYTES_MAX)
                .max_encoding_message_size(usize::MAX),
        )
        .add_service(
            DiscoveryServiceServer::new(DiscoveryService::new(store.clone()))
                .max_decoding_message_size(REQUEST_BYTES_MAX),
        );
}
