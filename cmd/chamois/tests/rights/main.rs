//! Who may do what on a real member: every method and route by everybody, and what somebody with a part of the system tries to get
//! beyond it.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as expected"
)]

mod callers;
#[path = "../common/mod.rs"]
mod common;
mod escalation;
mod marks;
mod matrix;
mod policies;
