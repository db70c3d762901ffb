//! `chamois token list`.

use clap::Args;
use proto::auth::v1::token_service_client::TokenServiceClient;
use proto::auth::v1::{ApiTokenInfo, ListApiTokensRequest, ListSessionsRequest, SessionInfo};

use crate::args::GlobalArgs;
use crate::error::CliError;
use crate::output::{self, Format};
use crate::{connect, utc};

/// `chamois token list`.
#[derive(Clone, Debug, Args)]
pub struct ListArgs {
    /// Logins instead
    #[arg(long)]
    pub sessions: bool,
}

pub(super) async fn run(global: &GlobalArgs, args: ListArgs) -> Result<(), CliError> {
    let mut client = TokenServiceClient::new(connect::to_any(global)?);
    if args.sessions {
        let answer = client
            .list_sessions(ListSessionsRequest::default())
            .await?
            .into_inner();
        return match global.output {
            Format::Json => output::print_json("chamois.auth.v1.ListSessionsResponse", &answer),
            Format::Table => output::print(sessions(&answer.sessions)),
        };
    }
    let answer = client
        .list_api_tokens(ListApiTokensRequest::default())
        .await?
        .into_inner();
    match global.output {
        Format::Json => output::print_json("chamois.auth.v1.ListApiTokensResponse", &answer),
        Format::Table => output::print(tokens(&answer.tokens)),
    }
}

fn tokens(tokens: &[ApiTokenInfo]) -> comfy_table::Table {
    let mut table = output::table(["ID", "FOR", "MAY", "UNTIL", "DESCRIPTION"]);
    for token in tokens {
        table.add_row([
            token.id.clone(),
            token.principal.clone(),
            token.permissions.join(" "),
            utc::timestamp(token.expires_at_ms),
            token.description.clone(),
        ]);
    }
    table
}

fn sessions(sessions: &[SessionInfo]) -> comfy_table::Table {
    let mut table = output::table(["ID", "FOR", "GROUPS", "CLIENT", "PROVIDER", "REFRESHED", "UNTIL"]);
    for session in sessions {
        table.add_row([
            session.id.clone(),
            session.principal.clone(),
            session.groups.join(", "),
            session.client_id.clone(),
            session.provider.clone(),
            utc::timestamp(session.refreshed_at_ms),
            utc::timestamp(session.expires_at_ms),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_whose_token_it_is_and_what_it_may_do() {
        let token = ApiTokenInfo {
            id: "0123456789abcdef".into(),
            principal: "service/cron".into(),
            permissions: vec!["bss.*".into(), "smd.read".into()],
            ..ApiTokenInfo::default()
        };
        let text = tokens(&[token]).to_string();
        for part in ["0123456789abcdef", "service/cron", "bss.* smd.read", "1970-01-01"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn a_login_shows_its_groups_and_its_end() {
        let session = SessionInfo {
            principal: "user/ada".into(),
            groups: vec!["hpc".into(), "staff".into()],
            ..SessionInfo::default()
        };
        let text = sessions(&[session]).to_string();
        assert!(text.contains("user/ada") && text.contains("hpc, staff"), "{text}");
    }
}
