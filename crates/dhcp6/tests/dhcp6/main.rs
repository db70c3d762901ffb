//! The crate from outside: whole answers as text, strangers' bytes, the server over sockets, real clients.

#![allow(clippy::unwrap_used, reason = "an unwrap in a test is an assertion")]

mod golden;
mod hostile;
#[allow(dead_code, reason = "shared with the tests of crates/dhcp")]
#[path = "../../../dhcp/tests/namespace/mod.rs"]
mod namespace;
#[path = "../../../dhcp/tests/random/mod.rs"]
mod random;
mod real_clients;
mod server;
#[allow(dead_code, reason = "shared with other tests")]
#[path = "../../src/testing.rs"]
mod testing;
