//! Finds BMCs, reads them whole, makes SMD's inventory of what they say, and tells which place of the machine each one is.
//! It knows neither the log nor the state: what it finds it hands over, so that members and the command line use it alike.
#![forbid(unsafe_code)]

mod crawl;
mod firmware;
pub mod identity;
mod interfaces;
mod invalid;
pub mod magellan;
mod parts;
mod payload;
pub mod scan;
mod systems;
mod template;
mod words;

pub use crawl::{Crawled, crawl};
pub use firmware::firmware;
pub use invalid::Invalid;
pub use payload::{PAYLOAD_BYTES_MAX, payload};
pub use scan::Found;
