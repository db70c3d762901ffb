//! `chamois token revoke`.

use clap::Args;
use proto::auth::v1::RevokeTokensRequest;
use proto::auth::v1::token_service_client::TokenServiceClient;

use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::output;

/// `chamois token revoke`.
#[derive(Clone, Debug, Args)]
#[group(required = true, multiple = false)]
#[command(after_help = "\
Examples:
  chamois token revoke --principal user/ada          all logins and tokens that she has until now
  chamois token revoke --session 3f2a9c01d4e5b677    one login
  chamois token revoke --jti 5d0c…                   one access token

Every connected member refuses it within a second, and ends streams that it holds.")]
pub struct RevokeArgs {
    /// Logins and tokens of a principal, all that were issued until now
    #[arg(long, value_name = "PRINCIPAL")]
    pub principal: Option<String>,
    /// A login, as `chamois token list --sessions` shows it
    #[arg(long, value_name = "ID")]
    pub session: Option<String>,
    /// An access token, by its `jti`
    #[arg(long, value_name = "ID")]
    pub jti: Option<String>,
    /// A certificate, by the SHA-256 of its DER form, hex
    #[arg(long, value_name = "SHA256")]
    pub certificate: Option<String>,
}

pub(super) async fn run(global: &GlobalArgs, args: RevokeArgs) -> Result<(), CliError> {
    let mut client = TokenServiceClient::new(connect::to_any(global)?);
    let request = RevokeTokensRequest {
        jti: args.jti.unwrap_or_default(),
        session_id: args.session.unwrap_or_default(),
        principal: args.principal.unwrap_or_default(),
        certificate_sha256: args.certificate.unwrap_or_default(),
    };
    let answer = client.revoke_tokens(request).await?.into_inner();
    output::done(global, ("chamois.auth.v1.RevokeTokensResponse", &answer), || {
        format!("revoked (revision {})", answer.revision)
    })
}
