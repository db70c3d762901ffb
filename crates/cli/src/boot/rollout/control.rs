//! `chamois boot rollout pause`, `resume`, `skip` and `stop`.

use clap::Args;
use proto::bss::v1::ControlBootRolloutRequest;
use proto::bss::v1::boot_rollout_service_client::BootRolloutServiceClient;

use super::show;
use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::output;

/// `chamois boot rollout pause`, `resume`, `skip`, `stop`.
#[derive(Clone, Debug, Args)]
pub struct ControlArgs {
    /// Name of the rollout
    pub name: String,
}

pub(super) async fn run(global: &GlobalArgs, args: ControlArgs, action: &str) -> Result<(), CliError> {
    let mut client = BootRolloutServiceClient::new(connect::to_any(global)?);
    let request = ControlBootRolloutRequest {
        name: args.name,
        action: action.to_owned(),
        if_revision: None,
    };
    let rollout = client.control_boot_rollout(request).await?.into_inner();
    output::done(global, ("chamois.bss.v1.BootRollout", &rollout), || {
        show::line(&rollout)
    })
}
