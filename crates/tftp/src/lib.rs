//! Read-only TFTP for boot loaders: the few files of the loaders folder, from memory, to firmware that knows
//! nothing better (RFC 1350 with options of RFC 2347, 2348, 2349 and 7440).
//!
//! `OVERVIEW.md` tells what a request goes through and what this crate never does.

mod completed;
mod counters;
mod files;
mod listen;
mod options;
mod packet;
mod resume;
mod sender;
mod server;
mod slots;
mod transfer;

pub use counters::{Count, Counters};
pub use files::{FILE_BYTES_MAX, FILES_MAX, Files, Skipped};
pub use server::Server;
pub use slots::Limits;
