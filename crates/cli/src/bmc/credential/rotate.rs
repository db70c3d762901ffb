//! `chamois bmc credential rotate`.

use clap::Args;
use proto::discovery::v1::StartCredentialRotationRequest;
use proto::discovery::v1::bmc_credential_service_client::BmcCredentialServiceClient;

use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::job::{self, Waits};
use crate::nodes;

/// `chamois bmc credential rotate`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  chamois bmc credential rotate 'x1000c0s[0-7]b0' --wait

Each password is sealed and stored before its BMC is told, and counts once a login with it has worked; whenever a member dies,
none is lost.")]
pub struct RotateArgs {
    /// BMCs: nodesets; groups of nodes stand for their BMCs
    #[arg(required = true, value_name = "NODESET", value_parser = crate::nodes::text)]
    pub bmcs: Vec<String>,
    /// Whether it is waited for.
    #[command(flatten)]
    pub waits: Waits,
}

pub(super) async fn run(global: &GlobalArgs, args: RotateArgs) -> Result<(), CliError> {
    let mut client = BmcCredentialServiceClient::new(connect::to_any(global)?);
    let request = StartCredentialRotationRequest {
        targets: nodes::bmcs(global, &args.bmcs).await?,
    };
    let started = client.start_credential_rotation(request).await?.into_inner();
    job::started(global, &started.job, args.waits).await
}
