//! The client against BMCs in this process: trees in the shapes of several makers, and every way in which they misbehave.
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod actions;
mod captured;
mod crawl;
mod faults;
mod keys;
mod mutated;
mod server;
mod sessions;
mod trees;
