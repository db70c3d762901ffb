//! Certificates on real members: what is refused, what goes on while they are replaced, and the socket that needs none.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as expected"
)]

mod authorities;
mod break_glass;
#[path = "../common/mod.rs"]
mod common;
mod forged;
mod load;
mod one_connection;
mod refusals;
mod renewal;
mod revocation;
mod site;
mod site_files;
