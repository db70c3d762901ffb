//! Emulated compute nodes by the thousand in one process: they boot as real ones do, obey the real clients' timers,
//! and check that everything they are given is meant for them. For tests, the demo and benchmarks.
//!
//! Nothing here shares code with the servers: DHCP packets, iPXE scripts and cloud-init documents are read
//! anew, so that a mistake in a server is not repeated by its judge. Start with [`Fleet`]; real guests by real
//! firmware are in [`machine`], and the BMCs that switch nodes on are in [`bmc`].
#![forbid(unsafe_code)]

pub mod bmc;
mod cloud_init;
mod dhcp_client;
mod dhcp_packet;
mod fleet;
mod http_client;
pub mod machine;
mod net;
mod node;
mod outage;
mod pace;
mod phase;
mod relay;
mod report;
mod rng;
mod script;
mod url;

pub use bmc::{BmcFleet, BmcHandle, BmcSpec, Fault, Faults, Power, PowerChange, Tree};
pub use fleet::{Fleet, FleetConfig, FleetError};
pub use http_client::FileDigest;
pub use net::{BMCS_MAX, LoopbackNet, MEMBERS_MAX, NODES_MAX, NetError, claim_loopback_net};
pub use node::NodeSpec;
pub use pace::Pace;
pub use phase::{Phase, Progress};
pub use report::{FleetReport, NodeFailure, NodeReport};
