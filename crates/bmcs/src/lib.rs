//! What a member knows of BMCs and does with them: where they are, how they are logged in to, which key they showed, what is in
//! them, and what becomes of their nodes.
//!
//! `OVERVIEW.md` beside `Cargo.toml` says how a scan, a crawl and a rotation go, and what is never done.
#![forbid(unsafe_code)]

use std::sync::Arc;

use jobs::Work;
use proto::discovery::v1::bmc_credential_service_server::BmcCredentialServiceServer;
use proto::discovery::v1::bmc_service_server::BmcServiceServer;
use proto::discovery::v1::crawl_service_server::CrawlServiceServer;
use proto::discovery::v1::firmware_inventory_service_server::FirmwareInventoryServiceServer;
use proto::discovery::v1::xname_rule_service_server::XnameRuleServiceServer;
use tonic::service::RoutesBuilder;

mod bmc_service;
mod bmcs;
mod component_state;
mod crawl_limits;
mod crawl_service;
mod crawl_work;
mod credentials;
mod events;
mod expand;
mod firmware_inventory;
mod follow;
mod identity;
mod known_endpoint;
mod leases;
mod partial_firmware;
mod password;
mod propose;
mod reach;
mod reached_targets;
mod reading;
mod requests;
mod rotation_work;
mod scan_work;
mod sealed;
mod xname_rules;

pub use bmc_service::BmcService;
pub use bmcs::{Bmcs, NodeSystem};
pub use crawl_service::CrawlService;
pub use crawl_work::CrawlWork;
pub use credentials::BmcCredentialService;
pub use expand::What;
pub use firmware_inventory::FirmwareInventoryService;
pub use follow::follow;
pub use reach::Reach;
pub use rotation_work::RotationWork;
pub use scan_work::ScanWork;
pub use xname_rules::XnameRuleService;

/// Adds the services of BMCs to `routes`.
pub fn add_services(routes: &mut RoutesBuilder, bmcs: &Bmcs) {
    let store = bmcs.store();
    routes
        .add_service(
            BmcServiceServer::new(BmcService::new(store.clone())).max_encoding_message_size(usize::MAX),
        )
        .add_service(CrawlServiceServer::new(CrawlService::new(bmcs.clone())))
        .add_service(
            XnameRuleServiceServer::new(XnameRuleService::new(store.clone()))
                .max_encoding_message_size(usize::MAX),
        )
        .add_service(
            BmcCredentialServiceServer::new(BmcCredentialService::new(bmcs.clone()))
                .max_encoding_message_size(usize::MAX),
        )
        .add_service(
            FirmwareInventoryServiceServer::new(FirmwareInventoryService::new(store.clone()))
                .max_encoding_message_size(usize::MAX),
        );
}

/// The works of this crate: scans, crawls and rotations of passwords.
#[must_use]
pub fn works(bmcs: &Bmcs) -> Vec<Arc<dyn Work>> {
    vec![
        Arc::new(ScanWork::new(bmcs.clone())),
        Arc::new(CrawlWork::new(bmcs.clone())),
        Arc::new(RotationWork::new(bmcs.clone())),
    ]
}
