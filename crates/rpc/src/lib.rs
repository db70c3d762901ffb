//! What every gRPC port of Chamois shares: TLS with pinned members, the accept loop, who calls, the one
//! authorizer, the read barrier, and the one map from errors to status codes.
//!
//! `OVERVIEW.md` beside `Cargo.toml` shows how a request passes through.

mod admission;
mod areas;
mod authority;
pub mod authorizer;
mod barrier;
mod bytes_codec;
mod calls;
pub mod client;
mod deadline;
mod denials;
mod error;
mod error_details;
mod etag;
mod frame;
mod guard;
mod held_keys;
mod histogram;
mod identity;
mod kept_answers;
mod kept_unary;
mod known_tokens;
mod live_stream;
mod log_limit;
mod object_change;
pub mod page;
mod page_token;
mod part_caller;
mod part_pages;
mod permission_id;
mod reason;
mod request_id;
mod rights;
mod rules;
mod scoped_answer;
mod seen_as;
pub mod server;
mod standard_services;
pub mod tls;
pub mod token;
mod trial;

pub use areas::area_of_kind;
pub use authority::{Access, Authority, Part, Principal, Scope};
pub use barrier::{Barrier, Freshness};
pub use bytes_codec::BytesCodec;
pub use calls::{Calls, Handled};
pub use denials::{Denial, Denials};
pub use error::{
    Error, HTTP_HEADER_PREFIX, HTTP_STATUS, OLDEST_REVISION, OUTCOME, OUTCOME_UNKNOWN, RETRY_AFTER_S,
    REVISION, invalid, set_etag, set_http_header, set_http_status,
};
pub use error_details::ERROR_DOMAIN;
pub use etag::{ETAG, Etag, IF_NONE_MATCH, is_current};
pub use guard::{AGE_MS, CONSISTENCY, CONSISTENCY_LOCAL, Guard, Guarded, LOCAL_REVISION};
pub use held_keys::{HeldKeys, RESERVATION_KEY};
pub use histogram::{Histogram, HistogramReading};
pub use identity::{Caller, Identity, caller};
pub use kept_answers::KeptAnswers;
pub use kept_unary::KeepsAnswers;
pub use known_tokens::{KnownTokens, TokenDigest, token_digest};
pub use log_limit::LogLimit;
pub use object_change::object_change;
pub use page_token::PageScope;
pub use permission_id::PermissionId;
pub use reason::Reason;
pub use request_id::{
    ACK_BELOW, Author, CLIENT_ID, IDEMPOTENCY_KEY, RequestSession, SEQ, SESSION_AGE_MS, author,
};
pub use rights::{Rights, rights, scope};
pub use rules::{Kinds, Rule, Rules, RulesError};
pub use seen_as::SeenAs;
pub use standard_services::add_standard_services;
pub use trial::{Trial, VALIDATE_ONLY, WOULD_CHANGE};
