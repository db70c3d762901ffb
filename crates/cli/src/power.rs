//! `chamois power …`: nodes, and other components that a BMC switches, on and off.

mod status;
mod transition;

use clap::Subcommand;

use crate::args::GlobalArgs;
use crate::error::CliError;

use transition::{Operation, SwitchArgs};

/// Verbs of `power`.
#[derive(Debug, Subcommand)]
pub enum PowerCommand {
    /// Switch on
    #[command(after_help = "\
Examples:
  chamois power on x1000c0s0b0n0
  chamois power on 'x1000c0s[0-7]b0n0' --stagger 500ms --wait")]
    On(SwitchArgs),
    /// Shut down, and force it when the deadline passes
    #[command(after_help = "\
Example:
  chamois power off 'x1000c0s[0-7]b0n0' --deadline 10 --wait")]
    Off(SwitchArgs),
    /// Shut down, and never force it
    #[command(after_help = "Example:\n  chamois power soft-off x1000c0s0b0n0 --wait")]
    SoftOff(SwitchArgs),
    /// Cut the power at once
    #[command(after_help = "Example:\n  chamois power force-off x1000c0s0b0n0 --wait")]
    ForceOff(SwitchArgs),
    /// Restart in order
    #[command(after_help = "Example:\n  chamois power restart x1000c0s0b0n0 --wait")]
    Restart(SwitchArgs),
    /// Restart at once
    #[command(after_help = "Example:\n  chamois power hard-restart x1000c0s0b0n0 --wait")]
    HardRestart(SwitchArgs),
    /// Off as with `off`, then on
    #[command(after_help = "Example:\n  chamois power cycle 'x1000c0s[0-7]b0n0' --stagger 500ms --wait")]
    Cycle(SwitchArgs),
    /// Ask the BMCs how it is
    Status(status::StatusArgs),
}

pub(crate) async fn run(global: &GlobalArgs, command: PowerCommand) -> Result<(), CliError> {
    let (operation, args) = match command {
        PowerCommand::Status(args) => return status::run(global, args).await,
        PowerCommand::On(args) => (Operation::On, args),
        PowerCommand::Off(args) => (Operation::Off, args),
        PowerCommand::SoftOff(args) => (Operation::SoftOff, args),
        PowerCommand::ForceOff(args) => (Operation::ForceOff, args),
        PowerCommand::Restart(args) => (Operation::SoftRestart, args),
        PowerCommand::HardRestart(args) => (Operation::HardRestart, args),
        PowerCommand::Cycle(args) => (Operation::Init, args),
    };
    transition::run(global, operation, args).await
}
