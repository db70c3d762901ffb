//! `chamois oidc list`.

use proto::auth::v1::oidc_provider_service_client::OidcProviderServiceClient;
use proto::auth::v1::{ListOidcProvidersRequest, OidcProvider};

use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::output::{self, Format};

pub(super) async fn run(global: &GlobalArgs) -> Result<(), CliError> {
    let mut client = OidcProviderServiceClient::new(connect::to_any(global)?);
    let answer = client
        .list_oidc_providers(ListOidcProvidersRequest {})
        .await?
        .into_inner();
    match global.output {
        Format::Json => output::print_json("chamois.auth.v1.ListOidcProvidersResponse", &answer),
        Format::Table => output::print(render(&answer.providers)),
    }
}

/// A row per provider.
pub(super) fn render(providers: &[OidcProvider]) -> comfy_table::Table {
    let mut table = output::table([
        "NAME",
        "ISSUER",
        "CLIENT",
        "LOGINS",
        "ACCESS TOKENS FOR",
        "USER",
        "GROUPS",
    ]);
    for provider in providers {
        let tokens = match provider.accepts_access_tokens {
            true => provider.audiences.join(", "),
            false => "no".to_owned(),
        };
        let or = |claim: &str, default: &str| if claim.is_empty() { default } else { claim }.to_owned();
        table.add_row([
            provider.name.clone(),
            provider.issuer.clone(),
            provider.client_id.clone(),
            if provider.logins { "yes" } else { "no" }.to_owned(),
            tokens,
            or(&provider.user_claim, "sub"),
            or(&provider.groups_claim, "groups"),
        ]);
    }
    table
}

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
        let text = render(&[provider]).to_string();
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
