//! `chamois iface …`: network interfaces, as SMD's Inventory/EthernetInterfaces has them.

mod add;
mod args;
mod delete;
mod list;
mod set;
mod show;

use clap::Subcommand;

use crate::args::GlobalArgs;
use crate::error::CliError;

/// Verbs of `iface`.
#[derive(Debug, Subcommand)]
pub enum IfaceCommand {
    /// List interfaces, sorted by MAC
    List(list::ListArgs),
    /// Show one interface with who changed it
    Show(show::ShowArgs),
    /// Add an interface that nothing has discovered
    Add(add::AddArgs),
    /// Change what is given of an interface; the rest stays
    Set(set::SetArgs),
    /// Delete interfaces
    Delete(delete::DeleteArgs),
}

pub(crate) async fn run(global: &GlobalArgs, command: IfaceCommand) -> Result<(), CliError> {
    match command {
        IfaceCommand::List(args) => list::run(global, args).await,
        IfaceCommand::Show(args) => show::run(global, args).await,
        IfaceCommand::Add(args) => add::run(global, args).await,
        IfaceCommand::Set(args) => set::run(global, args).await,
        IfaceCommand::Delete(args) => delete::run(global, args).await,
    }
}
