//! `chamois bmc credential delete`.

use proto::discovery::v1::DeleteBmcCredentialRequest;
use proto::discovery::v1::bmc_credential_service_client::BmcCredentialServiceClient;

use super::ScopeArgs;
use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::output;

pub(super) async fn run(global: &GlobalArgs, args: ScopeArgs) -> Result<(), CliError> {
    let mut client = BmcCredentialServiceClient::new(connect::to_any(global)?);
    let request = DeleteBmcCredentialRequest {
        scope: args.scope.clone(),
    };
    let answer = client.delete_bmc_credential(request).await?.into_inner();
    output::done(
        global,
        ("chamois.discovery.v1.DeleteBmcCredentialResponse", &answer),
        || format!("deleted the credential for {}", args.scope),
    )
}
