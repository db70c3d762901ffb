//! SMD's services, asked as callers ask them.
#![allow(
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub,
    reason = "a test ends at the first thing that is not as expected"
)]

mod better;
mod common;
mod component_patches;
mod component_queries;
mod components;
mod create_ethernet_interfaces;
mod discovered_parts;
mod endpoints;
mod ethernet_interfaces;
mod groups;
mod hardware;
mod lock_enforcement;
mod locks;
mod maps;
mod memberships;
mod partitions;
mod passwords;
mod real_trees;
mod redfish_endpoints;
mod reservations;
mod routes;
mod scn;
mod scn_subscriptions;
