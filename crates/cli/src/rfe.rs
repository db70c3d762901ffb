//! `chamois rfe …`: Redfish endpoints, as SMD's Inventory/RedfishEndpoints has them. Their passwords are those of `bmc credential`.

mod add;
mod delete;
mod list;
mod set;
mod show;

use clap::Subcommand;

use crate::args::GlobalArgs;
use crate::error::CliError;

/// Verbs of `rfe`.
#[derive(Debug, Subcommand)]
pub enum RfeCommand {
    /// List endpoints, sorted by xname
    List(list::ListArgs),
    /// Show one endpoint with its last discovery
    Show(show::ShowArgs),
    /// Add an endpoint that nothing has found
    Add(add::AddArgs),
    /// Change what is given of an endpoint; the rest stays
    Set(set::SetArgs),
    /// Delete endpoints with what was found behind them; components stay, as Empty
    Delete(delete::DeleteArgs),
}

pub(crate) async fn run(global: &GlobalArgs, command: RfeCommand) -> Result<(), CliError> {
    match command {
        RfeCommand::List(args) => list::run(global, args).await,
        RfeCommand::Show(args) => show::run(global, args).await,
        RfeCommand::Add(args) => add::run(global, args).await,
        RfeCommand::Set(args) => set::run(global, args).await,
        RfeCommand::Delete(args) => delete::run(global, args).await,
    }
}
