//! A Redfish client: one BMC at a time, bounded in everything, believing nothing. It knows no policy and no state of ours.
#![forbid(unsafe_code)]

mod account;
mod address;
mod answer;
mod bmc;
mod client;
mod connection;
mod connector;
mod error;
mod events;
mod held;
mod inventory;
mod json;
mod limits;
mod login;
mod power;
mod read;
mod session;
mod spki;
mod trust;
mod update;
mod uri;
mod value;
mod wire;

pub use account::set_password;
pub use address::{Address, AddressError};
pub use bmc::{Answer, Bmc};
pub use connection::Dial;
pub use connector::{Connector, Probe};
pub use error::Error;
pub use events::Event;
pub use inventory::{
    Chassis, ConsolePort, FirmwareItem, Inventory, Manager, NetworkInterface, Nic, Part, Problem,
    SerialConsole, ServiceRoot, System,
};
pub use limits::Limits;
pub use login::{Login, Password};
pub use power::{ResetType, ResetTypeError, SystemPower, reset, system_power};
pub use read::read_inventory;
pub use trust::Trust;
pub use update::{Task, TaskState, simple_update, task};
