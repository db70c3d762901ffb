//! Power: what PCS does for OpenCHAMI, on the jobs of the cluster. Nodes are switched over Redfish, verified by reading back, and
//! never told twice.
//!
//! `OVERVIEW.md` beside `Cargo.toml` says how a transition goes, and what is never done.
#![forbid(unsafe_code)]

use std::sync::Arc;

use bmcs::Bmcs;
use jobs::Work;
use proto::power::v1::power_health_service_server::PowerHealthServiceServer;
use proto::power::v1::power_status_service_server::PowerStatusServiceServer;
use proto::power::v1::transition_service_server::TransitionServiceServer;
use tonic::service::RoutesBuilder;

mod component_states;
#[cfg(test)]
mod fake_bmc;
mod health;
mod holds;
mod link;
mod note;
mod operation;
mod plan;
mod read_back;
mod stagger;
mod start;
mod status;
mod switch;
#[cfg(test)]
mod switch_test;
mod targets;
mod times;
mod transition;
mod transitions;
mod work;
#[cfg(test)]
mod work_test;

pub use health::PowerHealthService;
pub use status::PowerStatusService;
pub use transitions::TransitionService;

/// Largest request, bytes: what the gateway takes.
const REQUEST_BYTES_MAX: usize = 16 << 20;

/// Adds the services of power to `routes`.
pub fn add_services(routes: &mut RoutesBuilder, bmcs: &Bmcs) {
    routes
        .add_service(
            TransitionServiceServer::new(TransitionService::new(bmcs.clone()))
                .max_decoding_message_size(REQUEST_BYTES_MAX)
                .max_encoding_message_size(usize::MAX),
        )
        .add_service(
            PowerStatusServiceServer::new(PowerStatusService::new(bmcs.clone()))
                .max_decoding_message_size(REQUEST_BYTES_MAX)
                .max_encoding_message_size(usize::MAX),
        )
        .add_service(PowerHealthServiceServer::new(PowerHealthService::new(
            bmcs.store().clone(),
        )));
}

/// What does power transitions on this member.
#[must_use]
pub fn work(bmcs: &Bmcs) -> Arc<dyn Work> {
    Arc::new(work::PowerWork::new(bmcs.clone()))
}
