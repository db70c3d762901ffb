//! Tokens on real members: who gets one, who is refused, keys that are moved on under load, and what is taken back.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as expected"
)]

mod attacks;
#[path = "../common/mod.rs"]
mod common;
mod oauth;
mod revocation;
mod rotation;
mod site;
