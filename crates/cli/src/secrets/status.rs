//! `chamois secrets status`.

use proto::cluster::v1::secret_service_client::SecretServiceClient;
use proto::cluster::v1::{GetSecretsStatusRequest, MemberKeks, SecretsStatus};

use crate::args::GlobalArgs;
use crate::error::CliError;
use crate::output;
use crate::{connect, utc};

pub(super) async fn run(global: &GlobalArgs) -> Result<(), CliError> {
    // members that run a command for their keys may take their time
    let mut client = SecretServiceClient::new(connect::for_upload(global)?);
    let status = client
        .get_secrets_status(GetSecretsStatusRequest {})
        .await?
        .into_inner();
    output::object(
        global,
        ("chamois.cluster.v1.SecretsStatus", &status),
        &status.active_id,
        || render(&status),
    )
}

fn render(status: &SecretsStatus) -> String {
    let since = match status.since_ms {
        0 => "since the cluster began".to_owned(),
        since_ms => format!("since {}", utc::timestamp(since_ms)),
    };
    let mut text = format!(
        "key {} seals, {since}; {} secrets\n",
        status.active_id, status.secrets
    );
    if !status.retiring_id.is_empty() {
        text += &format!(
            "key {} is retiring: {} secrets are still to be sealed anew\n",
            status.retiring_id, status.to_be_resealed
        );
    }
    for secret in &status.unopened {
        text += &format!("does not open on the member that answers: {}\n", secret.problem);
    }
    let mut table = output::table(["MEMBER", "KEYS", "FROM", "MISSING"]);
    for member in &status.members {
        table.add_row([
            member.member_id.to_string(),
            member.kek_ids.join(", "),
            member.source.clone(),
            missing(member),
        ]);
    }
    text + &table.to_string()
}

fn missing(member: &MemberKeks) -> String {
    if member.unreachable {
        return "not known: it does not answer".to_owned();
    }
    let missing = member.missing_ids.join(", ");
    match (missing.is_empty(), member.problem.is_empty()) {
        (true, true) => "nothing".to_owned(),
        (false, true) => missing,
        (true, false) => member.problem.clone(),
        (false, false) => format!("{missing}: {}", member.problem),
    }
}

#[cfg(test)]
mod tests {
    use proto::cluster::v1::UnopenedSecret;

    use super::*;

    #[test]
    fn what_is_missing_and_what_is_left_is_shown() {
        let member = |member_id, missing: &[&str]| MemberKeks {
            member_id,
            kek_ids: vec!["old".into()],
            source: "file".into(),
            missing_ids: missing.iter().map(ToString::to_string).collect(),
            ..MemberKeks::default()
        };
        let away = MemberKeks {
            member_id: 3,
            unreachable: true,
            ..MemberKeks::default()
        };
        let status = SecretsStatus {
            active_id: "new".into(),
            retiring_id: "old".into(),
            secrets: 9,
            to_be_resealed: 4,
            members: vec![member(1, &[]), member(2, &["new"]), away],
            unopened: vec![UnopenedSecret {
                name: "login-key".into(),
                problem: "secret login-key was sealed for key old, which is not here".into(),
            }],
            ..SecretsStatus::default()
        };
        let text = render(&status);
        for part in [
            "key new seals",
            "9 secrets",
            "4 secrets are still",
            "nothing",
            "does not answer",
            "login-key was sealed for key old",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
