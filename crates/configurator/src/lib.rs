//! Files that a cluster's programs are configured with, made of what the state says: pure, the same state gives the same bytes.
//!
//! `OVERVIEW.md` tells what goes through here and what this crate never does.
#![forbid(unsafe_code)]

pub mod apply;
mod boot_data;
mod error;
mod file;
mod fixed_hosts;
mod host;
mod host_name;
mod inventory;
mod lines;
mod natural;
mod network_boot;
mod options;
mod quoting;
mod raw_option;
mod reverse_name;
mod target;
mod targets;
mod template;
mod template_filters;
#[cfg(test)]
mod testing;
mod view;

pub use error::Error;
pub use file::{File, REVISION, SERIAL, header, revision_of};
pub use inventory::Inventory;
pub use natural::natural_order;
pub use options::{OptionSpec, Options};
pub use raw_option::RawOption;
pub use target::{Check, Target, render, target, targets};
pub use template::{FindLogin, Login, TEMPLATE_PREFIX, check_template, render_template};
pub use view::{Bmc, Boot, Group, Interface, Node, Other, Subnet, View};
