//! `chamois member list`: the members as the leader sees them.

use std::time::Duration;

use proto::cluster::v1::{ClusterStatus, MemberStatus, member_kind};

use crate::args::GlobalArgs;
use crate::cluster::status::{SEEN_MS_MAX, leaders_view};
use crate::connect::Target;
use crate::error::CliError;
use crate::output::{self, Changes, Shape, WatchArg, column, wide};

/// Who is there is no change of the state: the leader is asked again.
const LOOK: Duration = Duration::from_secs(1);

pub(super) async fn run(global: &GlobalArgs, watch: WatchArg) -> Result<(), CliError> {
    let target = Target::from_global(global)?;
    let line = |row: &Row| output::to_json_line(MEMBERS.message, &row.member);
    if watch.watch {
        let fetch = async || Ok(rows(&leaders_view(&target).await?));
        return output::follow_by(global, Changes::Each(LOOK), &MEMBERS, line, fetch).await;
    }
    let status = leaders_view(&target).await?;
    let whole = ("chamois.cluster.v1.ClusterStatus", &status);
    output::list_by(global, whole, &rows(&status), &MEMBERS, line)
}

/// A member with what the leader knows of it.
struct Row {
    member: MemberStatus,
    state: &'static str,
    behind: String,
}

fn rows(status: &ClusterStatus) -> Vec<Row> {
    let row = |member: &MemberStatus| Row {
        state: state(status, member),
        behind: behind(status, member),
        member: member.clone(),
    };
    status.members.iter().map(row).collect()
}

/// A row per member.
const MEMBERS: Shape<Row> = Shape {
    message: "chamois.cluster.v1.MemberStatus",
    key: |row| row.member.id.to_string(),
    columns: &[
        column("ID", |row| row.member.id.to_string()),
        column("KIND", |row| kind(&row.member).to_owned()),
        column("STATE", |row| row.state.to_owned()),
        column("BEHIND", |row| row.behind.clone()),
        column("LAST ANSWER", |row| {
            let seen = row.member.last_seen_ms;
            seen.map_or("never".to_owned(), |ms| format!("{ms} ms ago"))
        }),
        wide("PEER ADDRESS", |row| row.member.peer_address.clone()),
        column("API ADDRESS", |row| row.member.api_address.clone()),
    ],
};

/// What it is now, and in brackets what it is to become.
fn kind(member: &MemberStatus) -> &'static str {
    match (member.voter, member.kind()) {
        (true, member_kind::Kind::Witness) => "witness",
        (true, _) => "voter",
        (false, member_kind::Kind::Learner) => "learner",
        (false, member_kind::Kind::Witness) => "learner (to be witness)",
        (false, _) => "learner (to be voter)",
    }
}

fn state(status: &ClusterStatus, member: &MemberStatus) -> &'static str {
    match member.last_seen_ms {
        _ if status.leader_id == member.id => "leads",
        Some(ms) if ms <= SEEN_MS_MAX => "up",
        Some(_) => "down",
        None => "not seen",
    }
}

fn behind(status: &ClusterStatus, member: &MemberStatus) -> String {
    match member.matched_index {
        Some(index) => status.last_log_index.saturating_sub(index).to_string(),
        None => "?".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_what_a_member_is_and_whether_it_is_there() {
        let member = |id, voter, seen| MemberStatus {
            id,
            voter,
            last_seen_ms: seen,
            matched_index: Some(90),
            ..Default::default()
        };
        let status = ClusterStatus {
            leader_id: 1,
            last_log_index: 100,
            members: vec![
                member(1, true, Some(0)),
                member(2, true, Some(9000)),
                member(4, false, None),
            ],
            ..Default::default()
        };
        let text = output::plain(&rows(&status), &MEMBERS);
        let row = |id: &str| {
            text.lines()
                .find(|line| line.starts_with(&format!("{id} ")))
                .unwrap()
                .to_owned()
        };
        assert!(row("1").contains("leads") && row("2").contains("down"), "{text}");
        assert!(
            row("4").contains("learner (to be voter)") && row("4").contains("never"),
            "{text}"
        );
    }
}
