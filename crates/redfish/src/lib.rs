//! A Redfish client: one BMC at a time, bounded in everything, believing nothing. It knows no policy and no state of ours.
#![forbid(unsafe_code)]

mod error;
mod inventory;

pub use error::Error;
pub use inventory::{
    Chassis, ConsolePort, FirmwareItem, Inventory, Manager, NetworkInterface, Nic, Part, Problem,
    SerialConsole, ServiceRoot, System,
};
