//! The replicated state through its one door: entries in, outcomes and rows out.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod boot_files;
mod boot_parameters;
mod boot_records;
mod cluster;
mod components;
mod create_components;
mod determinism;
mod ethernet_interfaces;
mod instances;
mod ip_addresses;
mod sessions;
mod snapshots;
mod subnets;
mod support;
