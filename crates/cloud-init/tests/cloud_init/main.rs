//! Cloud-Init as nodes and administrators see it.
#![allow(clippy::unwrap_used, unreachable_pub)] // helpers of tests: an unwrap is the assertion

mod address_changes_hands;
mod administration;
mod common;
mod groups;
mod node_data;
mod phone_home;
mod profiles;
mod routes;
mod secrets;
