//! `chamois bmc credential list`.

use proto::discovery::v1::bmc_credential_service_client::BmcCredentialServiceClient;
use proto::discovery::v1::{BmcCredential, ListBmcCredentialsRequest};

use crate::args::GlobalArgs;
use crate::connect::{self, ANSWER_BYTES_MAX};
use crate::error::CliError;
use crate::output::{self, Format};

pub(super) async fn run(global: &GlobalArgs) -> Result<(), CliError> {
    let client = BmcCredentialServiceClient::new(connect::to_any(global)?);
    let mut client = client.max_decoding_message_size(ANSWER_BYTES_MAX);
    let answer = client
        .list_bmc_credentials(ListBmcCredentialsRequest {})
        .await?
        .into_inner();
    match global.output {
        Format::Json => output::print_json("chamois.discovery.v1.ListBmcCredentialsResponse", &answer),
        Format::Table => output::print(render(&answer.credentials)),
    }
}

pub(super) fn render(credentials: &[BmcCredential]) -> comfy_table::Table {
    let mut table = output::table(["FOR", "USER", "PASSWORD"]);
    for credential in credentials {
        table.add_row([credential.scope.as_str(), &credential.user, "sealed"]);
    }
    table
}

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
        let text = render(&[credential]).to_string();
        assert!(text.contains("group:compute") && text.contains("root"), "{text}");
    }
}
