//! `chamois bmc credential put`.

use clap::Args;
use proto::discovery::v1::PutBmcCredentialRequest;
use proto::discovery::v1::bmc_credential_service_client::BmcCredentialServiceClient;

use super::{PasswordSource, list};
use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::output;

/// `chamois bmc credential put`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois bmc credential put default --user root                     asks for the password
  chamois bmc credential put group:compute --user admin < password
  chamois bmc credential put bmc:x1000c0s0b0 --user root --password-file /run/secrets/bmc

It is sealed before it is stored, and shown to nobody. The BMC itself is not told: `chamois bmc credential rotate` does that.")]
pub struct PutArgs {
    /// bmc:XNAME, address:ADDRESS, group:LABEL or default; the first of this order that there is counts
    #[arg(value_parser = super::scope)]
    pub scope: String,
    /// User at the BMC
    #[arg(long, short, value_name = "NAME")]
    pub user: String,
    /// Where the password is.
    #[command(flatten)]
    pub password: PasswordSource,
}

pub(super) async fn run(global: &GlobalArgs, args: PutArgs) -> Result<(), CliError> {
    let connection = connect::to_any(global)?; // what is missing is said before a password is typed
    let password = args.password.read(&args.scope)?;
    let request = PutBmcCredentialRequest {
        scope: args.scope,
        user: args.user,
        password: password.expose().to_owned(),
    };
    let mut client = BmcCredentialServiceClient::new(connection);
    let stored = client.put_bmc_credential(request).await?.into_inner();
    output::done(global, ("chamois.discovery.v1.BmcCredential", &stored), || {
        output::tabulated(global, std::slice::from_ref(&stored), &list::CREDENTIALS)
    })
}
