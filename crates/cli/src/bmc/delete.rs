//! `chamois bmc delete`.

use proto::discovery::v1::DeleteBmcRequest;
use proto::discovery::v1::bmc_service_client::BmcServiceClient;

use super::AddressArgs;
use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::output;

pub(super) async fn run(global: &GlobalArgs, args: AddressArgs) -> Result<(), CliError> {
    let mut client = BmcServiceClient::new(connect::to_any(global)?);
    let request = DeleteBmcRequest {
        address: args.address.clone(),
    };
    let answer = client.delete_bmc(request).await?.into_inner();
    output::done(
        global,
        ("chamois.discovery.v1.DeleteBmcResponse", &answer),
        || format!("forgot {}", args.address),
    )
}
