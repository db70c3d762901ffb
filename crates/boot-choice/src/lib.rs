//! What a node boots: which boot configuration, or which boot parameters of BSS v1, and what is fetched of an image. Pure.
//!
//! Members decide it for boot scripts (`state` has the data), and files of other programs say the same (`configurator`, of what a
//! watch has told). `OVERVIEW.md` tells how it goes.
#![forbid(unsafe_code)]
#![deny(clippy::float_arithmetic, clippy::float_cmp, clippy::iter_over_hash_type)]

mod choice;
mod data;
mod image;
mod index;
mod matches;
mod node;
mod parameters;
mod selectors;

pub use choice::{BootChoice, BootClass, BootMatch, BootSource, MERGED_MAX, ParamWord, choose};
pub use data::BootData;
pub use image::image_fits;
pub use index::{CONFIGURATIONS_PER_SELECTOR_MAX, ConfigurationIndex, NODE_SETS_MAX};
pub use matches::{choice_of, depends_on_arch, matches};
pub use node::{BootNode, is_there};
pub use parameters::{DEFAULT_KEY, nid_key, own_names, parameters_of};
pub use selectors::{BOOT_PRIORITY_DEFAULT, Selectors, priority, selection};
