//! BMCs as members find, read and follow them, against small ones of this process.
#![allow(
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub,
    reason = "a test ends at the first thing that is not as expected"
)]

mod common;
mod crawls;
mod credentials;
mod follow;
mod identity;
mod knows;
mod plans;
mod rotations;
mod scans;
mod services;
