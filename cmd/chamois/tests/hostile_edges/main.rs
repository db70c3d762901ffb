//! What a stranger can do to the TLS ports of a real member: 7440 (members), 7441 (gRPC) and 8443 (HTTPS). Judged by counts: his
//! connection ends, what it cost is bounded, and a client beside him is answered every time.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as expected"
)]

mod bombs;
#[path = "../common/mod.rs"]
mod common;
mod connections;
mod floods;
mod frames;
mod site;
