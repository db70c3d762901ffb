//! DHCPv4 for nodes that SMD knows, and for others from pools: addresses, boot options and nothing that this member does not
//! have for certain.
//! And the Router Advertisements without which iPXE stalls, where a network asks for them.
//!
//! `OVERVIEW.md` tells what a packet goes through and what this crate never does.

// so that `testing.rs` reads the same here and in the integration tests
#[cfg(test)]
extern crate self as dhcp;

mod adoption;
mod answer;
mod batch;
mod binder;
mod boot;
mod counters;
mod explain;
mod first_script;
mod frame;
mod gauges;
mod guard;
mod holds;
mod lease_filter;
mod leases;
mod link;
mod missing_loader;
mod network;
mod offers;
mod option_text;
mod outbox;
mod pace;
mod pending;
mod policies;
mod policy;
mod pool;
mod precheck;
mod raw_options;
mod repeats;
mod reply;
mod request;
mod router_advert;
mod routing;
mod server;
mod servers;
mod share;
mod socket;
mod strangers;
mod subnets;
#[cfg(test)]
mod testing;
mod traffic;
mod waiting;

pub use boot::{http_loader, pxe_loader};
pub use counters::{Count, Counters};
pub use explain::ExplainService;
pub use first_script::FIRST_SCRIPT;
pub use gauges::{AddressGauges, address_gauges};
pub use guard::{
    Excess, GuardCount, GuardCounters, Limiter, Limits, Mode, PROXY_PORT, Rules, WatchService, is_answered,
};
pub use holds::confirm_held_addresses;
pub use leases::LeaseService;
pub use link::ipv4_addresses;
pub use network::{
    BIOS_LOADER, Loaders, Network, Site, UEFI_ARM32_LOADER, UEFI_ARM64_LOADER, UEFI_IA32_LOADER, UEFI_LOADER,
    UEFI_LOONG64_LOADER, UEFI_RISCV64_LOADER,
};
pub use policies::PolicyService;
pub use policy::{Binding, CLOCK_MARGIN_MS, Decision, decide, is_held_for_another};
pub use precheck::{Checked, OPTIONS_MAX, check};
pub use repeats::Repeats;
pub use reply::Reply;
pub use request::{Client, Request};
pub use router_advert::{RouterAdvertCounters, RouterAdverts, advertise_no_router};
pub use routing::{Destination, destination};
pub use server::Server;
pub use servers::Servers;
pub use share::Share;
pub use socket::DhcpSocket;
pub use subnets::{SubnetService, add_services};
pub use waiting::{Kept, LOOK_EVERY, Responder, Settled, Waiting};
