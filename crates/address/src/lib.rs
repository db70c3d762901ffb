//! Service addresses: which member holds the address that nodes know on a network, and how it gets there.
//!
//! Ways to hold one, behind the same [`Held`]:
//! - [`Holder`]: members advertise to each other over UDP ([`advert`]), a pure state machine decides
//!   ([`election`]), and a separate privileged process ([`helper`]) adds and removes the address.
//! - [`loopback`]: rootless; binding a UDP port on the 127/8 address is the lock.
//! - [`external`]: somebody else moves it; this side sees whether it is here.
//! - [`Held::always`]: there is none that moves; nodes know every member's own.
//!
//! Start with `OVERVIEW.md`.
#![forbid(unsafe_code)]

pub mod advert;
mod answers;
mod arp;
mod arp_rules;
pub mod claim;
mod claim_table;
pub mod client;
mod client_news;
mod clients;
mod connections;
pub mod election;
mod exchange;
pub mod external;
pub mod freshness;
mod head;
mod held;
pub mod helper;
pub mod holder;
mod known_clients;
pub mod loopback;
mod neighbours;
mod netlink;
mod probe;
mod responders;
pub mod watchdog;

pub use advert::AdvertKey;
pub use answers::Answers;
pub use clients::{ClientNotes, OpenConnection};
pub use held::{Held, Holding};
pub use holder::{AdvertCounters, Holder, HolderConfig};
pub use neighbours::Neighbours;
pub use responders::{Responder, responder_among};
