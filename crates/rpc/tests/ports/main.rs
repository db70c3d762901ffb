//! The ports over real sockets on 127.0.0.1: who gets in, as whom, and what a stranger cannot do.
#![allow(clippy::unwrap_used)] // in helpers of tests an unwrap is the assertion

mod api_port;
mod authority;
mod authority_support;
mod channel;
mod client_errors;
mod error_details;
mod exactly_once;
mod follow;
mod guard;
mod limits;
mod peer_port;
mod support;
mod tokens;
