//! The replicated state through its one door: entries in, outcomes and rows out.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod boot_files;
mod boot_parameters;
mod boot_records;
mod cloud_init_groups;
mod cluster;
mod cluster_defaults;
mod components;
mod create_components;
mod create_ethernet_interfaces;
mod determinism;
mod discoveries;
mod ethernet_interfaces;
mod events;
mod groups;
mod groups_model;
mod hardware;
mod idempotency_keys;
mod instance_info;
mod instances;
mod ip_addresses;
mod join_tokens;
mod locks;
mod node_maps;
mod partitions;
mod patch_components;
mod power_maps;
mod random_hardware;
mod random_smd;
mod redfish_endpoints;
mod reservations;
mod sessions;
mod snapshots;
mod subnets;
mod subscriptions;
mod support;
