//! `chamois cloud-init node …`: what one node is told, and the documents that it gets.

mod data;
mod delete;
mod renew;
mod set;
mod show;

use clap::Subcommand;

use crate::args::GlobalArgs;
use crate::error::CliError;

/// Verbs of `cloud-init node`.
#[derive(Debug, Subcommand)]
pub enum NodeCommand {
    /// Show what is set for a node
    Show(show::ShowArgs),
    /// Set what a node is told instead of the cluster's defaults
    Set(Box<set::SetArgs>),
    /// Delete what is set for a node; it keeps its instance-id
    Delete(delete::DeleteArgs),
    /// Give a node another instance-id: cloud-init takes it for a new node at its next boot
    Renew(renew::RenewArgs),
    /// Print a document as the node would get it, without being its first request
    Data(data::DataArgs),
}

pub(super) async fn run(global: &GlobalArgs, command: NodeCommand) -> Result<(), CliError> {
    match command {
        NodeCommand::Show(args) => show::run(global, args).await,
        NodeCommand::Set(args) => set::run(global, *args).await,
        NodeCommand::Delete(args) => delete::run(global, args).await,
        NodeCommand::Renew(args) => renew::run(global, args).await,
        NodeCommand::Data(args) => data::run(global, args).await,
    }
}
