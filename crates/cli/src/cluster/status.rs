//! `chamois cluster status`: each member's own view, side by side.

use futures::future::join_all;
use proto::cluster::v1::cluster_service_client::ClusterServiceClient;
use proto::cluster::v1::{ClusterStatus, GetStatusRequest};

use crate::args::GlobalArgs;
use crate::at_once;
use crate::connect::Target;
use crate::error::{CliError, Kind};
use crate::output::{self, Shape, column, wide};

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
    let whole = views.iter().map(as_json).collect();
    output::list_of_values(global, &whole, &views, &VIEWS, as_json)
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
    let asked = async {
        let mut client = ClusterServiceClient::new(target.connect_one(endpoint)?);
        Ok(client.get_status(GetStatusRequest {}).await?.into_inner())
    };
    at_once::within(target.answer_at_most(), asked).await
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

/// The columns of etcdctl's `endpoint status`, with what Chamois has beside them.
pub(crate) const VIEWS: Shape<View> = Shape {
    message: "",
    key: |view| view.endpoint.clone(),
    columns: &[
        column("ENDPOINT", |view| view.endpoint.clone()),
        column("ID", |view| of(view, |status| status.member_id.to_string())),
        column("ROLE", |view| match &view.answer {
            Ok(status) => role(status).to_owned(),
            Err(error) => error.to_string().lines().next().unwrap_or_default().to_owned(),
        }),
        column("TERM", |view| of(view, |status| status.term.to_string())),
        column("LOG", |view| of(view, |status| status.last_log_index.to_string())),
        column("COMMITTED", |view| {
            of(view, |status| status.committed_index.to_string())
        }),
        column("APPLIED", |view| {
            of(view, |status| status.applied_index.to_string())
        }),
        column("SNAPSHOT", |view| {
            of(view, |status| status.snapshot_index.to_string())
        }),
        column("DIGEST", |view| {
            of(view, |status| status.digest.chars().take(DIGEST_DIGITS).collect())
        }),
        column("HOLDS", |view| {
            of(view, |status| status.held_addresses.join(", "))
        }),
        column("VERSION", |view| of(view, |status| status.version.clone())),
        wide("FEATURE LEVEL", |view| {
            of(view, |status| status.feature_level.to_string())
        }),
        wide("CLUSTER ID", |view| of(view, |status| status.cluster_id.clone())),
    ],
};

/// What an answer says; nothing where there is none.
fn of(view: &View, say: impl Fn(&ClusterStatus) -> String) -> String {
    view.answer.as_ref().map(say).unwrap_or_default()
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

fn as_json(view: &View) -> serde_json::Value {
    match &view.answer {
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
    }
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
        let text = output::plain(&views, &VIEWS);
        assert!(
            text.contains("leader") && text.contains("10.0.0.2:7441"),
            "{text}"
        );
        let json: serde_json::Value = views.iter().map(as_json).collect();
        assert_eq!(json[0]["role"], "leader");
        assert_eq!(json[1]["error"], "cannot reach it");
    }
}
