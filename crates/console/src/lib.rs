//! `ConsoleService` and `RemoteConsoleService`: the serial consoles of nodes, over the SSH servers of their BMCs. OpenSSH's own client is the child process
//! that speaks SSH; here is who may look, where the console is, and what goes in and out.
//!
//! `OVERVIEW.md` beside `Cargo.toml` says how it goes, what ends a console, and what is never done.
#![forbid(unsafe_code)]

mod ended;
mod limits;
mod log;
mod password;
mod place;
mod pump;
mod remote;
mod service;
mod session;
mod ssh;

use bmcs::Bmcs;
use proto::console::v1::console_service_server::ConsoleServiceServer;
use proto::console::v1::remote_console_service_server::RemoteConsoleServiceServer;
use tonic::service::RoutesBuilder;

pub use log::ConsoleLog;
pub use password::answer_for_ssh;
pub use session::{Session, Step};
pub use ssh::{Line, SshProgram};

/// Adds both services to `routes`. Consoles end when `stop` completes; `log` is told of each that is opened and ended.
pub fn add_services(
    routes: &mut RoutesBuilder,
    bmcs: &Bmcs,
    ssh: SshProgram,
    log: ConsoleLog,
    stop: impl Future<Output = ()> + Send + 'static,
) {
    let service = service::ConsoleService::new(bmcs.clone(), ssh, log, stop);
    let remote = remote::RemoteConsoleService::new(service.clone());
    routes
        .add_service(
            ConsoleServiceServer::new(service)
                .max_decoding_message_size(limits::MESSAGE_BYTES_MAX)
                .max_encoding_message_size(usize::MAX),
        )
        .add_service(
            RemoteConsoleServiceServer::new(remote)
                .max_decoding_message_size(limits::MESSAGE_BYTES_MAX)
                .max_encoding_message_size(usize::MAX),
        );
}
