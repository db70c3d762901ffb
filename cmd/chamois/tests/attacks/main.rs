//! What is known to have worked against systems like this one, tried on real members: SECURITY.md lists each threat with its
//! test. Tokens have theirs in `tests/tokens`, rights in `tests/rights`, floods and bombs in `tests/hostile_edges`.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as expected"
)]

#[path = "../common/mod.rs"]
mod common;
mod injection;
mod replay;
mod site;
mod smuggling;
mod spoofing;
mod ssrf;
mod traversal;
