//! `chamois cloud-init group delete`.

use clap::Args;
use proto::cloud_init::v1::DeleteGroupRequest;
use proto::cloud_init::v1::group_service_client::GroupServiceClient;

use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::output;

/// `chamois cloud-init group delete`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  chamois cloud-init group delete compute")]
pub struct DeleteArgs {
    /// Label of the SMD group
    pub name: String,
}

pub(super) async fn run(global: &GlobalArgs, args: DeleteArgs) -> Result<(), CliError> {
    let mut client = GroupServiceClient::new(connect::to_any(global)?);
    let request = DeleteGroupRequest {
        name: args.name.clone(),
        ..DeleteGroupRequest::default()
    };
    let answer = client.delete_group(request).await?.into_inner();
    output::done(global, ("chamois.cloud_init.v1.GroupChange", &answer), || {
        format!(
            "cloud-init has no data for {} (revision {})",
            args.name, answer.revision
        )
    })
}
