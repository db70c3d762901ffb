//! Jobs as members do them, and as people see them.
#![allow(
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub,
    reason = "a test ends at the first thing that is not as expected"
)]

mod claims;
mod common;
mod reports;
mod service;
