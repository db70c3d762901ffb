//! `chamois cloud-init profile delete`.

use clap::Args;
use proto::cloud_init::v1::DeleteProfileRequest;
use proto::cloud_init::v1::profile_service_client::ProfileServiceClient;

use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::output;

/// `chamois cloud-init profile delete`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  chamois cloud-init profile delete kernel-6.12")]
pub struct DeleteArgs {
    /// Name of the profile
    pub name: String,
    /// Only if the profile is at this revision
    #[arg(long, value_name = "REVISION")]
    pub if_revision: Option<u64>,
}

pub(super) async fn run(global: &GlobalArgs, args: DeleteArgs) -> Result<(), CliError> {
    let mut client = ProfileServiceClient::new(connect::to_any(global)?);
    let request = DeleteProfileRequest {
        name: args.name.clone(),
        if_revision: args.if_revision,
    };
    let answer = client.delete_profile(request).await?.into_inner();
    output::done(global, ("chamois.cloud_init.v1.ProfileChange", &answer), || {
        format!(
            "the nodes of {} boot as always (revision {})",
            args.name, answer.revision
        )
    })
}
