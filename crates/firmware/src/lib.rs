//! Firmware updates: staged, by Redfish's SimpleUpdate, followed to the end, stopped when too many fail.
//!
//! `OVERVIEW.md` beside `Cargo.toml` says how an update goes, and what is never done.
#![forbid(unsafe_code)]

use std::sync::Arc;

use bmcs::Bmcs;
use jobs::Work;
use model::NodeUrls;
use proto::firmware::v1::firmware_update_service_server::FirmwareUpdateServiceServer;
use tonic::service::RoutesBuilder;

#[cfg(test)]
mod fake_bmc;
mod follow;
mod image;
mod link;
mod service;
mod stages;
mod start;
mod times;
mod update;
#[cfg(test)]
mod update_test;
mod versions;
mod work;
#[cfg(test)]
mod work_test;

pub use service::FirmwareUpdateService;

/// Adds the service of firmware updates to `routes`.
pub fn add_services(routes: &mut RoutesBuilder, bmcs: &Bmcs) {
    routes.add_service(FirmwareUpdateServiceServer::new(FirmwareUpdateService::new(
        bmcs.clone(),
    )));
}

/// What does firmware updates on this member. Boot files are fetched by BMCs below the URLs of `urls`.
#[must_use]
pub fn work(bmcs: &Bmcs, urls: NodeUrls) -> Arc<dyn Work> {
    Arc::new(work::FirmwareWork::new(bmcs.clone(), urls))
}
