//! `chamois import …`: what another system knows, into this one.

mod apply;
pub(crate) mod boot_entries;
pub(crate) mod bss;
mod claims;
pub(crate) mod cloud_init;
pub(crate) mod cloud_init_objects;
pub(crate) mod common;
mod components;
mod confirm;
pub(crate) mod dhcp;
pub(crate) mod diff;
mod groups;
mod interfaces;
mod maps;
mod partitions;
mod redfish_endpoints;
mod sets;
mod smd;
pub(crate) mod source;
pub(crate) mod source_http;
mod trial;
mod url_hosts;

use clap::Subcommand;

use crate::args::GlobalArgs;
use crate::error::CliError;

/// Verbs of `import`.
#[derive(Debug, Subcommand)]
pub enum ImportCommand {
    /// The inventory of a State Management Daemon, live or saved
    Smd(smd::SmdArgs),
    /// The boot parameters of a Boot Script Service, live or saved
    Bss(bss::BssArgs),
    /// What a cloud-init server tells the nodes, live or saved
    CloudInit(cloud_init::CloudInitArgs),
    /// Subnets and DHCP policies, as `chamois export --of dhcp` writes them
    Dhcp(dhcp::own::OwnArgs),
    /// The configuration of coredhcp with coresmd and bootloop
    Coredhcp(dhcp::CoredhcpArgs),
    /// The DHCP part of dnsmasq's configuration
    Dnsmasq(dhcp::DnsmasqArgs),
    /// The configuration of ISC's dhcpd
    Isc(dhcp::IscArgs),
    /// The configuration of Kea's DHCPv4 server
    Kea(dhcp::KeaArgs),
}

pub(crate) async fn run(global: &GlobalArgs, command: ImportCommand) -> Result<(), CliError> {
    match command {
        ImportCommand::Smd(args) => smd::run(global, args).await,
        ImportCommand::Bss(args) => bss::run(global, args).await,
        ImportCommand::CloudInit(args) => cloud_init::run(global, args).await,
        ImportCommand::Dhcp(args) => dhcp::own::run(global, args).await,
        ImportCommand::Coredhcp(args) => dhcp::coredhcp(global, args).await,
        ImportCommand::Dnsmasq(args) => dhcp::dnsmasq(global, args).await,
        ImportCommand::Isc(args) => dhcp::isc(global, args).await,
        ImportCommand::Kea(args) => dhcp::kea(global, args).await,
    }
}
