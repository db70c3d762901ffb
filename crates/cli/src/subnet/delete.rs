//! `chamois subnet delete`.

use clap::Args;
use proto::dhcp::v1::DeleteSubnetRequest;
use proto::dhcp::v1::subnet_service_client::SubnetServiceClient;

use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::output;

/// `chamois subnet delete`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  chamois subnet delete 10.97.0.0/16")]
pub struct DeleteArgs {
    /// The network (CIDR), as `chamois subnet list` shows it
    pub network: String,
}

pub(super) async fn run(global: &GlobalArgs, args: DeleteArgs) -> Result<(), CliError> {
    let mut client = SubnetServiceClient::new(connect::to_any(global)?);
    let request = DeleteSubnetRequest {
        network: args.network.clone(),
    };
    let answer = client.delete_subnet(request).await?.into_inner();
    output::done(global, ("chamois.dhcp.v1.DeleteSubnetResponse", &answer), || {
        format!("deleted {} (revision {})", args.network, answer.revision)
    })
}
