//! `chamois token list`.

use clap::Args;
use proto::auth::v1::token_service_client::TokenServiceClient;
use proto::auth::v1::{ApiTokenInfo, ListApiTokensRequest, ListSessionsRequest, SessionInfo};

use crate::args::GlobalArgs;
use crate::error::CliError;
use crate::output::{self, Shape, changed, column, wide};
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
        return output::list(
            global,
            ("chamois.auth.v1.ListSessionsResponse", &answer),
            &answer.sessions,
            &SESSIONS,
        );
    }
    let answer = client
        .list_api_tokens(ListApiTokensRequest::default())
        .await?
        .into_inner();
    output::list(
        global,
        ("chamois.auth.v1.ListApiTokensResponse", &answer),
        &answer.tokens,
        &TOKENS,
    )
}

/// A row per token.
const TOKENS: Shape<ApiTokenInfo> = Shape {
    message: "chamois.auth.v1.ApiTokenInfo",
    key: |token| token.id.clone(),
    columns: &[
        column("ID", |token| token.id.clone()),
        column("FOR", |token| token.principal.clone()),
        column("MAY", |token| token.permissions.join(" ")),
        column("UNTIL", |token| utc::timestamp(token.expires_at_ms)),
        column("DESCRIPTION", |token| token.description.clone()),
        wide("CHANGED", |token| changed(token.meta.as_ref())),
    ],
};

/// A row per login.
const SESSIONS: Shape<SessionInfo> = Shape {
    message: "chamois.auth.v1.SessionInfo",
    key: |session| session.id.clone(),
    columns: &[
        column("ID", |session| session.id.clone()),
        column("FOR", |session| session.principal.clone()),
        column("GROUPS", |session| session.groups.join(", ")),
        wide("CLIENT", |session| session.client_id.clone()),
        wide("PROVIDER", |session| session.provider.clone()),
        column("REFRESHED", |session| utc::timestamp(session.refreshed_at_ms)),
        column("UNTIL", |session| utc::timestamp(session.expires_at_ms)),
    ],
};

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
        let text = output::plain(&[token], &TOKENS);
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
        let text = output::plain(&[session], &SESSIONS);
        assert!(text.contains("user/ada") && text.contains("hpc, staff"), "{text}");
    }
}
