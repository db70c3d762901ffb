//! `chamois token delete`.

use clap::Args;
use proto::auth::v1::DeleteApiTokenRequest;
use proto::auth::v1::token_service_client::TokenServiceClient;

use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::output;

/// `chamois token delete`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  chamois token delete 3f2a9c01d4e5b677")]
pub struct DeleteArgs {
    /// Id of the API token, as `chamois token list` shows it
    pub id: String,
}

pub(super) async fn run(global: &GlobalArgs, args: DeleteArgs) -> Result<(), CliError> {
    let mut client = TokenServiceClient::new(connect::to_any(global)?);
    let request = DeleteApiTokenRequest { id: args.id.clone() };
    let answer = client.delete_api_token(request).await?.into_inner();
    output::done(
        global,
        ("chamois.auth.v1.DeleteApiTokenResponse", &answer),
        || format!("deleted {} (revision {})", args.id, answer.revision),
    )
}
