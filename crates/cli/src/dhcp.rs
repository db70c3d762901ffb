//! `chamois dhcp …`: what a client hears and why, addresses of pools, held addresses, clients that SMD does not know, and
//! policies.

mod adopt;
mod explain;
mod held;
mod leases;
mod observed;
pub(crate) mod option_args;
pub(crate) mod policy;
pub(crate) mod raw_option;
mod servers;
mod unknown;
mod views;

use clap::Subcommand;

use crate::args::GlobalArgs;
use crate::error::CliError;

/// Verbs of `dhcp`.
#[derive(Debug, Subcommand)]
pub enum DhcpCommand {
    /// Say what a client would hear now, and why
    Explain(explain::ExplainArgs),
    /// List the leases of the pools
    Leases(leases::LeasesArgs),
    /// Take an address of a pool away from its client
    DeleteLease(leases::DeleteLeaseArgs),
    /// List addresses that have left their node and that nobody else gets yet
    #[command(after_help = "Example:\n  chamois dhcp held")]
    Held,
    /// Let go of a held address before its time
    DeleteHeld(held::DeleteHeldArgs),
    /// List clients that have asked and that SMD does not know
    #[command(after_help = "Example:\n  chamois dhcp unknown")]
    Unknown,
    /// List other DHCP servers that the members have seen on their networks
    #[command(after_help = "Example:\n  chamois dhcp servers")]
    Servers,
    /// In `dhcp-mode = "observe"`: list clients that the other server answers otherwise than Chamois would
    #[command(after_help = "Example:\n  chamois dhcp observed")]
    Observed,
    /// Make an unknown client a node or a BMC
    Adopt(adopt::AdoptArgs),
    /// What some clients are told beside what their subnet says, and what they are called
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
}

pub(crate) async fn run(global: &GlobalArgs, command: DhcpCommand) -> Result<(), CliError> {
    match command {
        DhcpCommand::Explain(args) => explain::run(global, args).await,
        DhcpCommand::Leases(args) => leases::list(global, args).await,
        DhcpCommand::DeleteLease(args) => leases::delete(global, args).await,
        DhcpCommand::Held => held::list(global).await,
        DhcpCommand::DeleteHeld(args) => held::delete(global, args).await,
        DhcpCommand::Unknown => unknown::list(global).await,
        DhcpCommand::Servers => servers::list(global).await,
        DhcpCommand::Observed => observed::list(global).await,
        DhcpCommand::Adopt(args) => adopt::run(global, args).await,
        DhcpCommand::Policy(command) => policy::run(global, command).await,
    }
}
