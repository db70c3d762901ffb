//! Scans and crawls of BMCs that run in this process, over plain HTTP: trees of several vendors' shapes, whole and broken.

#![allow(clippy::unwrap_used)] // a test fails by panicking
#![recursion_limit = "512"] // serde_json's `json!` of a whole computer system

mod crawls;
mod golden;
mod mutations;
mod mutator;
mod real_trees;
mod scans;
mod server;
mod trees;
