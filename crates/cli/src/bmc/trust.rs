//! `chamois bmc trust`.

use clap::Args;
use proto::discovery::v1::TrustKeyRequest;
use proto::discovery::v1::bmc_service_client::BmcServiceClient;

use super::show;
use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;

/// `chamois bmc trust`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  chamois bmc show 10.1.0.7:443
  chamois bmc trust 10.1.0.7:443 --key 5f0c…

Whoever is in between shows another key, too: compare it with the BMC's certificate first.")]
pub struct TrustArgs {
    /// Its address and port, as `chamois bmc list` shows them
    #[arg(value_parser = super::address, value_name = "ADDRESS")]
    pub address: String,
    /// SHA-256 of the key that was looked at: it must still be this one. Default: whatever it shows
    #[arg(long, default_value = "", hide_default_value = true, value_name = "SHA256")]
    pub key: String,
}

pub(super) async fn run(global: &GlobalArgs, args: TrustArgs) -> Result<(), CliError> {
    let mut client = BmcServiceClient::new(connect::to_any(global)?);
    let request = TrustKeyRequest {
        address: args.address,
        key_sha256: args.key.to_lowercase(),
    };
    show::tell(global, &client.trust_key(request).await?.into_inner())
}
