//! `chamois boot rollout …`: a change of a boot configuration, step by step.

mod control;
mod delete;
mod list;
mod show;
mod start;

use clap::Subcommand;

use crate::args::GlobalArgs;
use crate::error::CliError;

/// Verbs of `boot rollout`.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
The nodes of a step get what is new with their next boot. When each of them has phoned home, the next step begins; after the
last the boot configuration itself is changed. More failures than are allowed stop the rollout, and every node gets the
old again.

Examples:
  chamois boot rollout start new-kernel --config compute --group compute \\
      --kernel /files/6.12/vmlinuz --initrd /files/6.12/initrd --steps 1,10%,50% --failures-max 2
  chamois boot rollout show new-kernel --watch
  chamois boot rollout pause new-kernel
  chamois boot rollout stop new-kernel")]
pub enum RolloutCommand {
    /// Begin to change what nodes boot
    Start(start::StartArgs),
    /// List rollouts
    #[command(after_help = "Example:\n  chamois boot rollout list")]
    List,
    /// Show how far one is
    Show(show::ShowArgs),
    /// Begin no further step for now
    #[command(after_help = "Example:\n  chamois boot rollout pause new-kernel")]
    Pause(control::ControlArgs),
    /// Go on
    #[command(after_help = "Example:\n  chamois boot rollout resume new-kernel")]
    Resume(control::ControlArgs),
    /// Do not wait for the nodes of this step that are not up yet
    #[command(after_help = "Example:\n  chamois boot rollout skip new-kernel")]
    Skip(control::ControlArgs),
    /// Give every node the old again
    #[command(after_help = "Example:\n  chamois boot rollout stop new-kernel")]
    Stop(control::ControlArgs),
    /// Forget one that is over
    #[command(after_help = "Example:\n  chamois boot rollout delete new-kernel")]
    Delete(delete::DeleteArgs),
}

pub(crate) async fn run(global: &GlobalArgs, command: RolloutCommand) -> Result<(), CliError> {
    match command {
        RolloutCommand::Start(args) => start::run(global, args).await,
        RolloutCommand::List => list::run(global).await,
        RolloutCommand::Show(args) => show::run(global, args).await,
        RolloutCommand::Pause(args) => control::run(global, args, "pause").await,
        RolloutCommand::Resume(args) => control::run(global, args, "resume").await,
        RolloutCommand::Skip(args) => control::run(global, args, "skip").await,
        RolloutCommand::Stop(args) => control::run(global, args, "stop").await,
        RolloutCommand::Delete(args) => delete::run(global, args).await,
    }
}
