//! `chamois cloud-init node delete`.

use clap::Args;
use proto::cloud_init::v1::DeleteInstanceInfoRequest;
use proto::cloud_init::v1::instance_info_service_client::InstanceInfoServiceClient;

use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::output;

/// `chamois cloud-init node delete`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  chamois cloud-init node delete x1000c0s0b0n0")]
pub struct DeleteArgs {
    /// Xname of the node
    pub xname: String,
}

pub(super) async fn run(global: &GlobalArgs, args: DeleteArgs) -> Result<(), CliError> {
    let mut client = InstanceInfoServiceClient::new(connect::to_any(global)?);
    let request = DeleteInstanceInfoRequest {
        id: args.xname.clone(),
        ..DeleteInstanceInfoRequest::default()
    };
    let answer = client.delete_instance_info(request).await?.into_inner();
    output::done(
        global,
        ("chamois.cloud_init.v1.InstanceInfoChange", &answer),
        || {
            format!(
                "{} is told the cluster's defaults (revision {})",
                args.xname, answer.revision
            )
        },
    )
}
