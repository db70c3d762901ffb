//! `chamois audit --denied`: what each member has refused, all of them asked.

use futures::future::join_all;
use proto::audit::v1::audit_service_client::AuditServiceClient;
use proto::audit::v1::{Denial, ListDenialsRequest};
use serde_json::Value;

use super::records::tell;
use super::{AuditArgs, check_whole, lines, now_ms};
use crate::args::GlobalArgs;
use crate::at_once;
use crate::connect::Target;
use crate::error::{CliError, Kind};
use crate::output;

/// What one member has.
#[derive(Debug, Default)]
struct Asked {
    member_id: u64,
    denials: Vec<Denial>,
    damaged: u64,
}

pub(super) async fn run(global: &GlobalArgs, args: &AuditArgs) -> Result<(), CliError> {
    let target = Target::from_global(global)?;
    let (mut all, mut unavailable) = (Vec::new(), None);
    let asked = join_all(
        target
            .endpoints
            .iter()
            .map(|endpoint| ask(&target, endpoint, args)),
    )
    .await;
    for (endpoint, asked) in target.endpoints.iter().zip(asked) {
        match asked {
            Ok(asked) => all.push(asked),
            // one that is down must not hide what the others have
            Err(error) if error.kind() == Kind::Unavailable => {
                tell(&format!("{endpoint}: {error}"));
                unavailable = Some(error);
            }
            Err(error) => return Err(error),
        }
    }
    let mut denials: Vec<(u64, Denial)> = Vec::new();
    for asked in &all {
        denials.extend(
            asked
                .denials
                .iter()
                .map(|denial| (asked.member_id, denial.clone())),
        );
    }
    denials.sort_by_key(|(_, denial)| std::cmp::Reverse(denial.at_ms));
    print(&args.form_of(global), &denials)?;
    all.iter()
        .try_for_each(|asked| check_whole(asked.member_id, asked.damaged))?;
    unavailable.map_or(Ok(()), Err)
}

async fn ask(target: &Target, endpoint: &str, args: &AuditArgs) -> Result<Asked, CliError> {
    let mut client = AuditServiceClient::new(target.connect_one(endpoint)?);
    let filter = args.filter(now_ms());
    let mut request = ListDenialsRequest {
        author: filter.author,
        since_ms: filter.since_ms,
        until_ms: filter.until_ms,
        ..ListDenialsRequest::default()
    };
    let mut asked = Asked::default();
    loop {
        request.page_size = args.page_size(asked.denials.len());
        let page = async { Ok(client.list_denials(request.clone()).await?.into_inner()) };
        let answer = at_once::within(target.answer_at_most(), page).await?;
        asked.member_id = answer.member_id;
        asked.damaged += answer.damaged;
        asked.denials.extend(answer.denials);
        request.page_token = answer.next_page_token;
        if request.page_token.is_empty() || args.is_enough(asked.denials.len()) {
            return Ok(asked);
        }
    }
}

fn print(global: &GlobalArgs, denials: &[(u64, Denial)]) -> Result<(), CliError> {
    if !global.output.is_document() {
        return output::list_of_values(global, &Value::Null, denials, &lines::DENIALS, lines::denial_json);
    }
    lines::print_documents(global.output, denials.iter().map(lines::denial_json).collect())
}
