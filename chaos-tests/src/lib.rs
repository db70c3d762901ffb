//! Proofs by breaking things: power cuts, crash images, and what must hold after them.

pub mod bridge_filter;
pub mod checker;
pub mod cluster;
pub mod dhcp_clients;
pub mod dice;
pub mod disk;
pub mod faults;
pub mod invariants;
pub mod members;
pub mod never_twice;
pub mod privileged;
pub mod probe;
pub mod stepped_clock;
