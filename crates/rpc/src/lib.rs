//! What every gRPC port of Chamois shares: TLS with pinned members, the accept loop, who calls, the one
//! authorizer, the read barrier, and the one map from errors to status codes.
//!
//! `OVERVIEW.md` beside `Cargo.toml` shows how a request passes through.

pub mod authorizer;
mod barrier;
mod calls;
pub mod client;
mod deadline;
mod error;
mod guard;
mod histogram;
mod identity;
mod known_tokens;
mod log_limit;
mod request_id;
mod rules;
pub mod server;
mod standard_services;
pub mod tls;
pub mod token;

pub use barrier::{Barrier, Freshness};
pub use calls::{Calls, Handled};
pub use error::{
    Error, HTTP_HEADER_PREFIX, HTTP_STATUS, OLDEST_REVISION, OUTCOME, OUTCOME_UNKNOWN, RETRY_AFTER_S,
    REVISION, invalid, set_http_header, set_http_status,
};
pub use guard::{AGE_MS, CONSISTENCY, CONSISTENCY_LOCAL, Guard, Guarded, LOCAL_REVISION};
pub use histogram::{Histogram, HistogramReading};
pub use identity::{Caller, Identity, caller};
pub use request_id::{
    ACK_BELOW, Author, CLIENT_ID, IDEMPOTENCY_KEY, RequestSession, SEQ, SESSION_AGE_MS, author,
};
pub use rules::{Rule, Rules, RulesError};
pub use standard_services::add_standard_services;
