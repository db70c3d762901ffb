//! DNS for nodes and BMCs: authoritative answers, forward and reverse, from the applied state of this member.
//!
//! `OVERVIEW.md` tells which names there are, what a question goes through and what this crate never does.

#[cfg(test)]
extern crate self as dns; // `testing` is part of the integration tests, too

mod answer;
mod counters;
mod labels;
mod names;
mod network;
mod question;
mod rate_limit;
mod reply;
mod reverse;
mod server;
mod tcp;
#[cfg(test)]
mod testing;
mod udp;
mod zones;

pub use answer::{Decision, decide};
pub use counters::{Count, Counters};
pub use network::Network;
pub use question::{Client, Question, Refusal};
pub use reply::{BYTES_OVER_TCP_MAX, BYTES_OVER_UDP_MAX, Reply, Written};
pub use server::Server;
