//! `chamois oidc delete`.

use proto::auth::v1::DeleteOidcProviderRequest;
use proto::auth::v1::oidc_provider_service_client::OidcProviderServiceClient;

use super::NameArgs;
use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::output;

pub(super) async fn run(global: &GlobalArgs, args: NameArgs) -> Result<(), CliError> {
    let mut client = OidcProviderServiceClient::new(connect::to_any(global)?);
    let request = DeleteOidcProviderRequest {
        name: args.name.clone(),
    };
    let answer = client.delete_oidc_provider(request).await?.into_inner();
    output::done(
        global,
        ("chamois.auth.v1.DeleteOidcProviderResponse", &answer),
        || format!("deleted {} (revision {})", args.name, answer.revision),
    )
}
