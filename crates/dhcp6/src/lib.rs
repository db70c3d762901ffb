//! DHCPv6 for nodes that SMD knows: their own addresses, boot options, and nothing that this member does not have for
//! certain. Strangers hear nothing.
//!
//! `OVERVIEW.md` tells what a packet goes through and what this crate never does.
#![forbid(unsafe_code)]

// so that `testing.rs` reads the same here and in the integration tests
#[cfg(test)]
extern crate self as dhcp6;

mod answer;
mod audience;
mod boot;
mod counters;
mod duid;
mod identity;
mod limits;
mod link;
mod message;
mod names;
mod network;
mod pending;
mod policy;
mod precheck;
mod relay;
mod reply;
mod request;
mod server;
mod socket;
#[cfg(test)]
mod testing;

pub use counters::{Count, Counters};
pub use duid::server_duid;
pub use network::{Network, Site};
pub use policy::{Decision, decide};
pub use precheck::{Checked, OPTIONS_MAX, check};
pub use relay::{RELAYS_MAX, Relay};
pub use reply::Reply;
pub use request::{Arrival, Client, Request};
pub use server::Server;
pub use socket::{PORT, Sender, Socket, destination};
