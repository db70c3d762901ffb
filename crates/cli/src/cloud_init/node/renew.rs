//! `chamois cloud-init node renew`.

use clap::Args;
use proto::cloud_init::v1::RenewInstanceIdRequest;
use proto::cloud_init::v1::instance_service_client::InstanceServiceClient;

use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::output;

/// `chamois cloud-init node renew`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  chamois cloud-init node renew x1000c0s0b0n0

With another instance-id cloud-init runs again what it runs once for each instance: host keys, users, phone-home.")]
pub struct RenewArgs {
    /// Xname of the node
    pub xname: String,
    /// Only if the instance-id is at this revision
    #[arg(long, value_name = "REVISION")]
    pub if_revision: Option<u64>,
}

pub(super) async fn run(global: &GlobalArgs, args: RenewArgs) -> Result<(), CliError> {
    let mut client = InstanceServiceClient::new(connect::to_any(global)?);
    let request = RenewInstanceIdRequest {
        node: args.xname.clone(),
        if_revision: args.if_revision,
    };
    let answer = client.renew_instance_id(request).await?.into_inner();
    output::done(global, ("chamois.cloud_init.v1.InstanceChange", &answer), || {
        format!(
            "{} is {} from its next boot on (revision {})",
            args.xname, answer.instance_id, answer.revision
        )
    })
}
