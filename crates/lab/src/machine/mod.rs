//! Real machines: namespaces joined by bridges, and guests that boot by real firmware in QEMU. Needs root.
//!
//! Nothing here judges what a guest was given: it builds networks and guests, and shows a guest's console.

mod command;
mod error;
mod firmware;
mod guest;
mod guest_image;
mod namespaces;
mod process;

pub use command::{ip, require_root, require_tool, run};
pub use error::MachineError;
pub use firmware::Firmware;
pub use guest::{Guest, GuestConfig};
pub use guest_image::GuestImage;
pub use namespaces::{Namespace, Network, member_address, member_mac};
pub use process::Process;
