//! The executable's own modules: `chamois serve`, the address helper's process, the log.
#![forbid(unsafe_code)]

pub mod address_helper;
pub mod logging;
pub mod serve;
