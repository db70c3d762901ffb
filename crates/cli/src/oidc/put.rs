//! `chamois oidc put`: creates or replaces a provider.

use std::path::{Path, PathBuf};

use clap::Args;
use proto::auth::v1::oidc_provider_service_client::OidcProviderServiceClient;
use proto::auth::v1::{OidcProvider, PutOidcProviderRequest};

use super::list;
use crate::args::GlobalArgs;
use crate::connect;
use crate::error::{CliError, Kind};
use crate::output;

/// A file that is read has at most so many bytes; a larger one is another file.
const FILE_BYTES_MAX: u64 = 256 << 10;

/// `chamois oidc put`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois oidc put site --issuer https://login.example.org/realms/hpc --client-id chamois --secret-file secret --logins
  chamois oidc put site --issuer https://login.example.org --client-id chamois --logins --groups-claim realm_access.roles
  chamois oidc put openchami --issuer https://hydra:4444 --client-id chamois --accept-access-tokens-for smd

At the provider, register https://HOST:8443/oidc/callback of each member. The groups that its ID tokens name are `group/NAME` in
policies. A put replaces everything but the client secret, which stays until another one is given.")]
pub struct PutArgs {
    /// Name of the provider here
    pub name: String,
    /// Its issuer, byte by byte as its tokens say it
    #[arg(long, value_name = "URL")]
    pub issuer: String,
    /// How this cluster is registered there
    #[arg(long, value_name = "ID")]
    pub client_id: String,
    /// File with the client secret
    #[arg(long, value_name = "FILE", conflicts_with = "without_secret")]
    pub secret_file: Option<PathBuf>,
    /// A public client: forget the secret that was there
    #[arg(long)]
    pub without_secret: bool,
    /// People may log in through it
    #[arg(long)]
    pub logins: bool,
    /// Asked for beside `openid`, e.g. `groups`
    #[arg(long = "scope", value_name = "SCOPE")]
    pub scopes: Vec<String>,
    /// The claim that names the user; default: `sub`. Another one, as `preferred_username`, only where nobody can change it or get that
    /// of somebody who has left; `email` counts with `email_verified`
    #[arg(long, default_value = "", value_name = "CLAIM")]
    pub user_claim: String,
    /// The claim that has the groups; default: `groups`
    #[arg(long, default_value = "", value_name = "CLAIM")]
    pub groups_claim: String,
    /// CAs to trust (PEM); default: those of the members' hosts
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// Its access tokens are accepted if one of these is in their `aud`
    #[arg(long, value_name = "AUDIENCE")]
    pub accept_access_tokens_for: Vec<String>,
    /// How long its last keys count when it does not answer, seconds; default: an hour
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=86400), value_name = "SECONDS")]
    pub keys_max_age_s: u32,
}

pub(super) async fn run(global: &GlobalArgs, args: PutArgs) -> Result<(), CliError> {
    let request = request_of(args)?;
    let mut client = OidcProviderServiceClient::new(connect::to_any(global)?);
    let stored = client.put_oidc_provider(request).await?.into_inner();
    output::done(global, ("chamois.auth.v1.OidcProvider", &stored), || {
        output::tabulated(global, std::slice::from_ref(&stored), &list::PROVIDERS)
    })
}

fn request_of(args: PutArgs) -> Result<PutOidcProviderRequest, CliError> {
    let password = args.secret_file.as_deref().map(read).transpose()?;
    let ca_pem = args.ca_file.as_deref().map(read).transpose()?;
    Ok(PutOidcProviderRequest {
        provider: Some(OidcProvider {
            name: args.name,
            issuer: args.issuer,
            client_id: args.client_id,
            scopes: args.scopes,
            user_claim: args.user_claim,
            groups_claim: args.groups_claim,
            ca_pem: ca_pem.unwrap_or_default(),
            logins: args.logins,
            accepts_access_tokens: !args.accept_access_tokens_for.is_empty(),
            audiences: args.accept_access_tokens_for,
            keys_max_age_s: args.keys_max_age_s,
            ..OidcProvider::default()
        }),
        // a file that an editor has written ends with a newline
        password: password.map(|text| text.trim().to_owned()).unwrap_or_default(),
        without_secret: args.without_secret,
    })
}

fn read(path: &Path) -> Result<String, CliError> {
    let refused =
        |cause: String| CliError::new(Kind::Usage, format!("cannot read {}: {cause}", path.display()));
    let length = std::fs::metadata(path)
        .map_err(|error| refused(error.to_string()))?
        .len();
    if length > FILE_BYTES_MAX {
        return Err(refused(format!("{length} bytes are too many")));
    }
    match std::fs::read_to_string(path) {
        Ok(text) if text.trim().is_empty() => Err(refused("it is empty".to_owned())),
        Ok(text) => Ok(text),
        Err(error) => Err(refused(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(secret_file: Option<PathBuf>) -> PutArgs {
        PutArgs {
            name: "site".into(),
            issuer: "https://login.example.org".into(),
            client_id: "chamois".into(),
            secret_file,
            without_secret: false,
            logins: true,
            scopes: Vec::new(),
            user_claim: String::new(),
            groups_claim: String::new(),
            ca_file: None,
            accept_access_tokens_for: Vec::new(),
            keys_max_age_s: 0,
        }
    }

    #[test]
    fn a_secret_comes_from_a_file_without_its_newline() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        std::fs::write(&path, "c4n4ry\n").unwrap();
        let request = request_of(args(Some(path.clone()))).unwrap();
        assert_eq!(request.password, "c4n4ry");
        assert!(
            !request.provider.unwrap().accepts_access_tokens,
            "off unless an audience is named"
        );
        std::fs::write(&path, "\n").unwrap();
        assert!(request_of(args(Some(path))).is_err());
        assert!(request_of(args(Some(dir.path().join("none")))).is_err());
    }

    #[test]
    fn access_tokens_are_accepted_for_what_is_named() {
        let named = PutArgs {
            accept_access_tokens_for: vec!["smd".into()],
            ..args(None)
        };
        let provider = request_of(named).unwrap().provider.unwrap();
        assert!(provider.accepts_access_tokens && provider.audiences == ["smd"]);
    }
}
