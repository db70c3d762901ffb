//! `WatchService`: the state and its changes as a stream, for whoever keeps a copy outside the Raft group; and
//! `HistoryService`: the latest changes of one object.
//! `OVERVIEW.md` beside `Cargo.toml` says how it goes and what is never done.
#![forbid(unsafe_code)]

mod above;
mod filter;
mod history;
mod hub;
mod index;
mod interest;
mod limits;
mod line;
mod messages;
mod service;
mod sight;
mod telling;
mod versions;
mod visible;
mod wire;

use futures::future::{BoxFuture, Shared};
use proto::watch::v1::history_service_server::HistoryServiceServer;
use proto::watch::v1::watch_service_server::WatchServiceServer;
use raft::Store;
use tonic::service::RoutesBuilder;

pub use history::HistoryService;
pub use limits::{
    Limits, PROGRESS_INTERVAL_DEFAULT, PROGRESS_INTERVAL_MAX, PROGRESS_INTERVAL_MIN, XNAMES_MAX,
};
pub use messages::Messages;
pub use service::Service;
pub use visible::visible;

/// Completes when this member is to end its watches.
pub(crate) type Ending = Shared<BoxFuture<'static, ()>>;

/// Adds the services of member `member_id` to `routes`. Its watches end when `ending` completes.
pub fn add_services(
    routes: &mut RoutesBuilder,
    store: &Store,
    member_id: u64,
    ending: impl Future<Output = ()> + Send + 'static,
) {
    let service = Service::new(store.clone(), member_id, ending);
    routes
        .add_service(WatchServiceServer::new(service).max_decoding_message_size(limits::REQUEST_BYTES_MAX))
        .add_service(
            HistoryServiceServer::new(HistoryService::new(store.clone()))
                .max_encoding_message_size(usize::MAX),
        );
}
