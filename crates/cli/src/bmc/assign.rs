//! `chamois bmc assign`.

use clap::Args;
use model::Xname;
use proto::discovery::v1::AssignXnameRequest;
use proto::discovery::v1::bmc_service_client::BmcServiceClient;

use super::show;
use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;

/// `chamois bmc assign`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  chamois bmc assign 10.1.0.7:443 x1000c0s0b0

An xname that another BMC has is refused, and both are named. Its inventory follows with the next crawl.")]
pub struct AssignArgs {
    /// Its address and port, as `chamois bmc list` shows them
    #[arg(value_parser = super::address, value_name = "ADDRESS")]
    pub address: String,
    /// Xname of the controller
    #[arg(value_parser = crate::group::xname)]
    pub xname: Xname,
}

pub(super) async fn run(global: &GlobalArgs, args: AssignArgs) -> Result<(), CliError> {
    let mut client = BmcServiceClient::new(connect::to_any(global)?);
    let request = AssignXnameRequest {
        address: args.address,
        xname: args.xname.to_string(),
    };
    show::tell(global, &client.assign_xname(request).await?.into_inner())
}
