//! `chamois oidc list`.

use proto::auth::v1::oidc_provider_service_client::OidcProviderServiceClient;
use proto::auth::v1::{ListOidcProvidersRequest, OidcProvider};

use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::output::{self, Shape, column, wide};

pub(super) async fn run(global: &GlobalArgs) -> Result<(), CliError> {
    let mut client = OidcProviderServiceClient::new(connect::to_any(global)?);
    let answer = client
        .list_oidc_providers(ListOidcProvidersRequest {})
        .await?
        .into_inner();
    output::list(
        global,
        ("chamois.auth.v1.ListOidcProvidersResponse", &answer),
        &answer.providers,
        &PROVIDERS,
    )
}

/// A row per provider.
pub(super) const PROVIDERS: Shape<OidcProvider> = Shape {
    message: "chamois.auth.v1.OidcProvider",
    key: |provider| provider.name.clone(),
    columns: &[
        column("NAME", |provider| provider.name.clone()),
        column("ISSUER", |provider| provider.issuer.clone()),
        column("CLIENT", |provider| provider.client_id.clone()),
        column("LOGINS", |provider| {
            if provider.logins { "yes" } else { "no" }.to_owned()
        }),
        column("ACCESS TOKENS FOR", |provider| {
            match provider.accepts_access_tokens {
                true => provider.audiences.join(", "),
                false => "no".to_owned(),
            }
        }),
        wide("USER", |provider| {
            let or = |claim: &str, default: &str| if claim.is_empty() { default } else { claim }.to_owned();
            or(&provider.user_claim, "sub")
        }),
        wide("GROUPS", |provider| {
            let or = |claim: &str, default: &str| if claim.is_empty() { default } else { claim }.to_owned();
            or(&provider.groups_claim, "groups")
        }),
    ],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_whose_logins_and_tokens_count() {
        let provider = OidcProvider {
            name: "site".into(),
            issuer: "https://login.example.org".into(),
            client_id: "chamois".into(),
            logins: true,
            accepts_access_tokens: true,
            audiences: vec!["openchami".into()],
            ..OidcProvider::default()
        };
        let text = output::plain(&[provider], &PROVIDERS);
        for part in [
            "site",
            "https://login.example.org",
            "yes",
            "openchami",
            "sub",
            "groups",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
