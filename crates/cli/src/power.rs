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

/// An xname or a nodeset; checked here, so that a slip shows what is accepted before anything is sent.
pub(crate) fn node_set(text: &str) -> Result<String, String> {
    let sets = model::NodeSet::list(text).map_err(|problem| problem.to_string())?;
    match sets.as_slice() {
        [_] => Ok(text.to_owned()),
        _ => Err("write several nodesets as several words".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nodeset_is_checked_before_anything_is_switched() {
        assert_eq!(node_set("x1000c0s[0-3,7]b0n0").unwrap(), "x1000c0s[0-3,7]b0n0");
        assert!(node_set("nid0001").is_err());
        assert!(
            node_set("x0c0s0b0n0,x0c0s1b0n0")
                .unwrap_err()
                .contains("several words")
        );
    }
}
