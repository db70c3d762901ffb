//! A member's side of the configurator: templates as they are stored, and files made of the state for whoever asks over gRPC or HTTP.
//! What files say is `configurator`'s.
//!
//! `OVERVIEW.md` beside `Cargo.toml` says how a file is made, and what is never done.
#![forbid(unsafe_code)]

mod error;
mod etag;
mod generate_service;
mod logins;
mod maker;
mod put_target;
mod secret_log;
mod template_service;

use auth::Sealer;
use proto::configurator::v1::generate_service_server::GenerateServiceServer;
use proto::configurator::v1::template_service_server::TemplateServiceServer;
use raft::Store;
use tonic::service::RoutesBuilder;

pub use generate_service::GenerateService;
pub use secret_log::SecretLog;
pub use template_service::TemplateService;

/// Adds the services of the configurator to `routes`; `sealer` opens the passwords that templates were granted, and `log` is told who
/// was handed them.
pub fn add_services(routes: &mut RoutesBuilder, store: &Store, sealer: &Sealer, log: SecretLog) {
    let generate = GenerateService::new(store.clone(), sealer.clone(), log);
    routes
        .add_service(
            TemplateServiceServer::new(TemplateService::new(store.clone()))
                .max_encoding_message_size(usize::MAX),
        )
        .add_service(GenerateServiceServer::new(generate).max_encoding_message_size(usize::MAX));
}
