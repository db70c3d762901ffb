//! The timeline of boots: what this member sees of them, told to the cluster in batches.
//!
//! `OVERVIEW.md` beside `Cargo.toml` says what is told when, what is lost, and what is never done.

use std::net::IpAddr;

use model::Xname;
use state::State;

mod batch;
mod counters;
mod pending;
mod reporter;
mod seen;

pub use counters::{Count, Counters};
pub use reporter::{Pace, Reporter};
pub use seen::{Seen, Timeline};

/// The node that has an address; none for an address of something that does not boot, or that several have.
pub fn node_at(state: &State, address: IpAddr) -> Option<Xname> {
    let interface = state.smd.interface_by_ip(address.to_canonical())?;
    let node: Xname = interface.component_id.parse().ok()?;
    node.is_node().then_some(node)
}
