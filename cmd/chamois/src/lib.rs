//! The executable's own modules: `chamois serve`, the address helper's and watchdog's processes, the log.
#![forbid(unsafe_code)]

pub mod address_helper;
pub mod address_watchdog;
pub mod logging;
pub mod serve;
