//! `chamois certificate revoke`.

use std::path::PathBuf;

use clap::Args;
use proto::auth::v1::RevokeTokensRequest;
use proto::auth::v1::token_service_client::TokenServiceClient;

use super::files::Files;
use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::output;

/// `chamois certificate revoke`.
#[derive(Clone, Debug, Args)]
#[group(required = true, multiple = false)]
#[command(after_help = "\
Examples:
  chamois certificate revoke lost.pem
  chamois certificate revoke --sha256 9f2c…            as `chamois certificate list FILE` shows it
  chamois certificate revoke --principal user/ada      all of hers, tokens too: those that it was renewed to are among them

Every connected member refuses it within a second, and ends streams that it holds.")]
pub struct RevokeArgs {
    /// The certificate's file
    pub file: Option<PathBuf>,
    /// SHA-256 of its DER form, hex
    #[arg(long, value_name = "SHA256")]
    pub sha256: Option<String>,
    /// Everything that was issued to a principal until now
    #[arg(long, value_name = "PRINCIPAL")]
    pub principal: Option<String>,
}

pub(super) async fn run(global: &GlobalArgs, args: RevokeArgs) -> Result<(), CliError> {
    let request = request(args)?;
    let mut client = TokenServiceClient::new(connect::to_any(global)?);
    let answer = client.revoke_tokens(request).await?.into_inner();
    output::done(global, ("chamois.auth.v1.RevokeTokensResponse", &answer), || {
        format!("revoked (revision {})", answer.revision)
    })
}

fn request(args: RevokeArgs) -> Result<RevokeTokensRequest, CliError> {
    let certificate_sha256 = match (args.file, args.sha256) {
        (Some(file), _) => auth::fingerprint(&Files::of(&file).read()?.certificate),
        (None, sha256) => sha256.unwrap_or_default(),
    };
    Ok(RevokeTokensRequest {
        certificate_sha256,
        principal: args.principal.unwrap_or_default(),
        ..RevokeTokensRequest::default()
    })
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn a_file_is_revoked_by_what_is_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ada.pem");
        let ca = auth::pki::CertificateAuthority::generate("demo", SystemTime::now()).unwrap();
        let issued = ca.issue_user("ada", SystemTime::now()).unwrap();
        std::fs::write(&file, issued.certificate_pem).unwrap();
        let of_file = RevokeArgs {
            file: Some(file),
            sha256: None,
            principal: None,
        };
        let asked = request(of_file).unwrap();
        assert_eq!(
            (asked.certificate_sha256.len(), asked.principal.as_str()),
            (64, "")
        );
        let of_principal = RevokeArgs {
            file: None,
            sha256: None,
            principal: Some("user/ada".into()),
        };
        let asked = request(of_principal).unwrap();
        assert_eq!(
            (asked.certificate_sha256.as_str(), asked.principal.as_str()),
            ("", "user/ada")
        );
    }
}
