//! `chamois cluster status`: each member's own view, side by side.

use futures::future::join_all;
use proto::cluster::v1::cluster_service_client::ClusterServiceClient;
use proto::cluster::v1::{ClusterStatus, GetStatusRequest};

use crate::args::GlobalArgs;
use crate::connect::Target;
use crate::error::{CliError, Kind};
use crate::output;

/// Digits of the digest that a table shows; `-o json` has them all.
const DIGEST_DIGITS: usize = 8;

/// A member that has not answered for longer does not count as there, milliseconds.
pub(crate) const SEEN_MS_MAX: u64 = 3000;

/// A member's answer, or why there is none.
pub(crate) struct View {
    /// host:port that was asked.
    pub(crate) endpoint: String,
    /// What came of it.
    pub(crate) answer: Result<ClusterStatus, CliError>,
}

pub(super) async fn run(global: &GlobalArgs) -> Result<(), CliError> {
    let target = Target::from_global(global)?;
    let views = ask_all(&target, &target.endpoints).await;
    let Some(first) = views.iter().find_map(|view| view.answer.as_ref().ok()) else {
        return Err(nobody(views));
    };
    let more = unasked(first, &views);
    let mut views = views;
    views.extend(ask_all(&target, &more).await);
    output::done_value(global, &to_json(&views), || render(&views))
}

/// Asks each endpoint for its own view, at the same time.
pub(crate) async fn ask_all(target: &Target, endpoints: &[String]) -> Vec<View> {
    join_all(endpoints.iter().map(async |endpoint| View {
        endpoint: endpoint.clone(),
        answer: ask(target, endpoint).await,
    }))
    .await
}

/// Asks one endpoint.
pub(crate) async fn ask(target: &Target, endpoint: &str) -> Result<ClusterStatus, CliError> {
    let connection = target.connect_one(endpoint)?;
    let answer = ClusterServiceClient::new(connection)
        .get_status(GetStatusRequest {})
        .await?;
    Ok(answer.into_inner())
}

/// The leader's own view: only a leader knows how far the others are.
pub(crate) async fn leaders_view(target: &Target) -> Result<ClusterStatus, CliError> {
    let views = ask_all(target, &target.endpoints).await;
    let Some(first) = views.iter().find_map(|view| view.answer.as_ref().ok()) else {
        return Err(nobody(views));
    };
    if first.leader_id == first.member_id {
        return Ok(first.clone());
    }
    let answers = views.iter().filter_map(|view| view.answer.as_ref().ok());
    if let Some(own) = answers
        .clone()
        .find(|status| status.leader_id == status.member_id)
    {
        return Ok(own.clone());
    }
    let leader = answers.clone().find_map(|status| {
        let leader = status
            .members
            .iter()
            .find(|member| member.id == status.leader_id)?;
        Some(leader.api_address.clone())
    });
    let no_leader = || {
        CliError::new(
            Kind::Unavailable,
            "no leader is known: no majority of members can be reached",
        )
    };
    ask(target, &leader.ok_or_else(no_leader)?).await
}

/// API addresses of members that nobody has answered for yet.
fn unasked(status: &ClusterStatus, views: &[View]) -> Vec<String> {
    let answered = |id: u64| {
        views
            .iter()
            .any(|view| view.answer.as_ref().is_ok_and(|status| status.member_id == id))
    };
    let asked = |address: &str| views.iter().any(|view| view.endpoint == address);
    let members = status.members.iter();
    members
        .filter(|m| !m.api_address.is_empty() && !answered(m.id) && !asked(&m.api_address))
        .map(|m| m.api_address.clone())
        .collect()
}

fn nobody(views: Vec<View>) -> CliError {
    let mut views = views.into_iter();
    match views.next().map(|view| view.answer) {
        Some(Err(error)) => error,
        Some(Ok(_)) | None => CliError::new(Kind::Unavailable, "no member answered"),
    }
}

/// The table of etcdctl's `endpoint status`, with what Chamois has beside it.
pub(crate) fn render(views: &[View]) -> comfy_table::Table {
    let mut table = output::table([
        "ENDPOINT",
        "ID",
        "ROLE",
        "TERM",
        "LOG",
        "COMMITTED",
        "APPLIED",
        "SNAPSHOT",
        "DIGEST",
        "HOLDS",
        "VERSION",
    ]);
    for view in views {
        match &view.answer {
            Ok(status) => table.add_row(row(&view.endpoint, status)),
            Err(error) => {
                let text = error.to_string();
                let line = text.lines().next().unwrap_or_default();
                table.add_row([view.endpoint.as_str(), "", line])
            }
        };
    }
    table
}

fn row(endpoint: &str, status: &ClusterStatus) -> [String; 11] {
    [
        endpoint.to_owned(),
        status.member_id.to_string(),
        role(status).to_owned(),
        status.term.to_string(),
        status.last_log_index.to_string(),
        status.committed_index.to_string(),
        status.applied_index.to_string(),
        status.snapshot_index.to_string(),
        status.digest.chars().take(DIGEST_DIGITS).collect(),
        status.held_addresses.join(", "),
        status.version.clone(),
    ]
}

fn role(status: &ClusterStatus) -> &'static str {
    let own = status.members.iter().find(|member| member.id == status.member_id);
    match own {
        _ if status.leader_id == status.member_id => "leader",
        _ if status.leader_id == 0 => "no leader",
        Some(member) if !member.voter => "learner",
        Some(_) | None => "follower",
    }
}

fn to_json(views: &[View]) -> serde_json::Value {
    let one = |view: &View| match &view.answer {
        Ok(status) => serde_json::json!({
            "endpoint": view.endpoint,
            "id": status.member_id,
            "role": role(status),
            "cluster": status.cluster_name,
            "cluster_id": status.cluster_id,
            "leader_id": status.leader_id,
            "term": status.term,
            "last_log_index": status.last_log_index,
            "committed_index": status.committed_index,
            "applied_index": status.applied_index,
            "snapshot_index": status.snapshot_index,
            "digest": status.digest,
            "held_addresses": status.held_addresses,
            "feature_level": status.feature_level,
            "version": status.version,
        }),
        Err(error) => serde_json::json!({ "endpoint": view.endpoint, "error": error.to_string() }),
    };
    serde_json::Value::Array(views.iter().map(one).collect())
}

#[cfg(test)]
mod tests {
    use proto::cluster::v1::MemberStatus;

    use super::*;

    fn status(id: u64, leader_id: u64) -> ClusterStatus {
        let member = |id| MemberStatus {
            id,
            voter: id != 4,
            api_address: format!("10.0.0.{id}:7441"),
            ..Default::default()
        };
        ClusterStatus {
            member_id: id,
            leader_id,
            members: (1..=4).map(member).collect(),
            ..Default::default()
        }
    }

    fn view(endpoint: &str, answer: Result<ClusterStatus, CliError>) -> View {
        View {
            endpoint: endpoint.into(),
            answer,
        }
    }

    #[test]
    fn roles_come_from_the_members_own_view() {
        assert_eq!(role(&status(1, 1)), "leader");
        assert_eq!(role(&status(2, 1)), "follower");
        assert_eq!(role(&status(4, 1)), "learner");
        assert_eq!(role(&status(2, 0)), "no leader");
    }

    /// One endpoint is enough, and none is asked twice.
    #[test]
    fn the_other_members_are_learned_from_the_first() {
        let views = [
            view("10.0.0.1:7441", Ok(status(1, 1))),
            view("10.0.0.3:7441", Err(CliError::new(Kind::Unavailable, "x"))),
        ];
        assert_eq!(unasked(&status(1, 1), &views), ["10.0.0.2:7441", "10.0.0.4:7441"]);
        let by_name = [view("admin1:7441", Ok(status(1, 1)))];
        assert!(!unasked(&status(1, 1), &by_name).contains(&"10.0.0.1:7441".to_owned()));
    }

    /// A dead member is a row that says so, not a missing one.
    #[test]
    fn a_member_that_does_not_answer_stands_in_table_and_json() {
        let dead = view(
            "10.0.0.2:7441",
            Err(CliError::new(Kind::Unavailable, "cannot reach it")),
        );
        let views = [view("10.0.0.1:7441", Ok(status(1, 1))), dead];
        let text = render(&views).to_string();
        assert!(
            text.contains("leader") && text.contains("10.0.0.2:7441"),
            "{text}"
        );
        let json = to_json(&views);
        assert_eq!(json[0]["role"], "leader");
        assert_eq!(json[1]["error"], "cannot reach it");
    }
}
