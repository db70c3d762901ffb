//! The executable's own modules: `chamois serve`, the address helper's and watchdog's processes, the log, and what works
//! on files without a cluster.

pub mod address_helper;
pub mod address_watchdog;
pub mod authz_worker;
pub mod break_glass;
pub mod logging;
mod member_node;
mod random;
pub mod recover;
pub mod scale_worker;
pub mod serve;
pub mod snapshot_files;
