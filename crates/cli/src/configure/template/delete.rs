//! `chamois configure template delete`.

use clap::Args;
use proto::configurator::v1::DeleteTemplateRequest;

use crate::args::GlobalArgs;
use crate::error::CliError;
use crate::output;

/// `chamois configure template delete`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Its versions are kept: `chamois configure template rollback` brings it back.

Example:
  chamois configure template delete motd")]
pub struct DeleteArgs {
    /// Its name, as `chamois configure template list` shows it
    pub name: String,
    /// Only if its last change is this one
    #[arg(long, value_name = "REVISION")]
    pub if_revision: Option<u64>,
}

pub(super) async fn run(global: &GlobalArgs, args: DeleteArgs) -> Result<(), CliError> {
    let request = DeleteTemplateRequest {
        name: args.name.clone(),
        if_revision: args.if_revision,
    };
    let answer = super::client(global)?
        .delete_template(request)
        .await?
        .into_inner();
    output::done(
        global,
        ("chamois.configurator.v1.DeleteTemplateResponse", &answer),
        || format!("deleted template {}", args.name),
    )
}
