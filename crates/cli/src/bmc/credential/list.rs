//! `chamois bmc credential list`.

use proto::discovery::v1::bmc_credential_service_client::BmcCredentialServiceClient;
use proto::discovery::v1::{BmcCredential, ListBmcCredentialsRequest};

use crate::args::GlobalArgs;
use crate::connect::{self, ANSWER_BYTES_MAX};
use crate::error::CliError;
use crate::output::{self, Shape, changed, column, wide};

pub(super) async fn run(global: &GlobalArgs) -> Result<(), CliError> {
    let client = BmcCredentialServiceClient::new(connect::to_any(global)?);
    let mut client = client.max_decoding_message_size(ANSWER_BYTES_MAX);
    let answer = client
        .list_bmc_credentials(ListBmcCredentialsRequest {})
        .await?
        .into_inner();
    output::list(
        global,
        ("chamois.discovery.v1.ListBmcCredentialsResponse", &answer),
        &answer.credentials,
        &CREDENTIALS,
    )
}

/// A row per credential.
pub(super) const CREDENTIALS: Shape<BmcCredential> = Shape {
    message: "chamois.discovery.v1.BmcCredential",
    key: |credential| credential.scope.clone(),
    columns: &[
        column("FOR", |credential| credential.scope.clone()),
        column("USER", |credential| credential.user.clone()),
        column("PASSWORD", |_| "sealed".to_owned()),
        wide("CHANGED", |credential| changed(credential.meta.as_ref())),
    ],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_for_whom_and_as_whom() {
        let credential = BmcCredential {
            scope: "group:compute".into(),
            user: "root".into(),
            meta: None,
        };
        let text = output::plain(&[credential], &CREDENTIALS);
        assert!(text.contains("group:compute") && text.contains("root"), "{text}");
    }
}
