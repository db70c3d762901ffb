//! `chamois configure template …`: files that administrators describe themselves, kept in the cluster with their history.

mod delete;
mod grant;
mod history;
mod list;
mod put;
mod rollback;
mod show;

use clap::{Args, Subcommand};
use proto::configurator::v1::template_service_client::TemplateServiceClient;
use rpc::client::ExactlyOnce;

use crate::args::GlobalArgs;
use crate::connect::{self, ANSWER_BYTES_MAX};
use crate::error::CliError;

/// Verbs of `configure template`.
#[derive(Clone, Debug, Subcommand)]
pub enum TemplateCommand {
    /// Create or replace a template
    Put(put::PutArgs),
    /// List templates
    #[command(after_help = "Example:\n  chamois configure template list -o wide")]
    List,
    /// Show one with its text
    #[command(after_help = "Example:\n  chamois configure template show motd")]
    Show(NameArgs),
    /// Delete one; files that were made of it stay
    Delete(delete::DeleteArgs),
    /// Say which passwords of BMCs one is shown
    Grant(grant::GrantArgs),
    /// Who changed one, when, and what
    #[command(after_help = "\
The last 20 versions are kept, on every member, also of one that is gone.

Example:
  chamois configure template history motd")]
    History(NameArgs),
    /// Make one what it was
    Rollback(rollback::RollbackArgs),
}

/// One template.
#[derive(Clone, Debug, Args)]
pub struct NameArgs {
    /// Its name, as `chamois configure template list` shows it
    pub name: String,
}

pub(crate) async fn run(global: &GlobalArgs, command: TemplateCommand) -> Result<(), CliError> {
    match command {
        TemplateCommand::Put(args) => put::run(global, args).await,
        TemplateCommand::List => list::run(global).await,
        TemplateCommand::Show(args) => show::run(global, args).await,
        TemplateCommand::Delete(args) => delete::run(global, args).await,
        TemplateCommand::Grant(args) => grant::run(global, args).await,
        TemplateCommand::History(args) => history::run(global, args).await,
        TemplateCommand::Rollback(args) => rollback::run(global, args).await,
    }
}

/// Whoever answers for templates.
fn client(global: &GlobalArgs) -> Result<TemplateServiceClient<ExactlyOnce>, CliError> {
    let client = TemplateServiceClient::new(connect::to_any(global)?);
    Ok(client.max_decoding_message_size(ANSWER_BYTES_MAX))
}
