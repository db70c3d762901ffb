//! `chamois group delete`.

use clap::Args;
use model::GroupLabel;
use proto::smd::v1::DeleteGroupRequest;
use proto::smd::v1::group_service_client::GroupServiceClient;

use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::output;

/// `chamois group delete`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  chamois group delete compute")]
pub struct DeleteArgs {
    /// Label, as `chamois group list` shows it
    #[arg(value_parser = super::label)]
    pub label: GroupLabel,
}

pub(super) async fn run(global: &GlobalArgs, args: DeleteArgs) -> Result<(), CliError> {
    let mut client = GroupServiceClient::new(connect::to_any(global)?);
    let request = DeleteGroupRequest {
        label: args.label.to_string(),
        ..Default::default()
    };
    let answer = client.delete_group(request).await;
    let answer = answer
        .map_err(|status| super::refused(status, &args.label))?
        .into_inner();
    output::done(global, ("chamois.smd.v1.DeleteResponse", &answer), || {
        format!("deleted {} (revision {})", args.label, answer.revision)
    })
}
