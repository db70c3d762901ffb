//! `chamois boot rollout delete`.

use clap::Args;
use proto::bss::v1::DeleteBootRolloutRequest;
use proto::bss::v1::boot_rollout_service_client::BootRolloutServiceClient;

use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::output;

/// `chamois boot rollout delete`.
#[derive(Clone, Debug, Args)]
pub struct DeleteArgs {
    /// Name of the rollout
    pub name: String,
}

pub(super) async fn run(global: &GlobalArgs, args: DeleteArgs) -> Result<(), CliError> {
    let mut client = BootRolloutServiceClient::new(connect::to_any(global)?);
    let request = DeleteBootRolloutRequest {
        name: args.name.clone(),
        if_revision: None,
    };
    let answer = client.delete_boot_rollout(request).await?.into_inner();
    output::done(
        global,
        ("chamois.bss.v1.DeleteBootRolloutResponse", &answer),
        || format!("deleted {} (revision {})", args.name, answer.revision),
    )
}
