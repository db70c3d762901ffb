//! BSS as its callers see it: scripts, parameters, configurations, boots.
#![allow(clippy::unwrap_used, unreachable_pub)] // helpers of tests: an unwrap is the assertion

mod bmc_resources;
mod boot_configurations;
mod boot_explain;
mod boot_of_files;
mod boot_parameters;
mod boot_records;
mod boot_rollouts;
mod boot_script;
mod boot_service;
mod boot_status;
mod boot_tokens;
mod common;
mod configured_image;
mod configured_script;
mod hosts;
mod legacy_cloud_init;
mod node_resources;
mod put_boot_parameters;
mod routes;
