//! `chamois member list`: the members as the leader sees them.

use proto::cluster::v1::{ClusterStatus, MemberStatus, member_kind};

use crate::args::GlobalArgs;
use crate::cluster::status::{SEEN_MS_MAX, leaders_view};
use crate::connect::Target;
use crate::error::CliError;
use crate::output::{self, Format};

pub(super) async fn run(global: &GlobalArgs) -> Result<(), CliError> {
    let target = Target::from_global(global)?;
    let status = leaders_view(&target).await?;
    match global.output {
        Format::Json => output::print_json("chamois.cluster.v1.ClusterStatus", &status),
        Format::Table => output::print(render(&status)),
    }
}

fn render(status: &ClusterStatus) -> comfy_table::Table {
    let mut table = output::table([
        "ID",
        "KIND",
        "STATE",
        "BEHIND",
        "LAST ANSWER",
        "PEER ADDRESS",
        "API ADDRESS",
    ]);
    for member in &status.members {
        table.add_row([
            member.id.to_string(),
            kind(member).to_owned(),
            state(status, member).to_owned(),
            behind(status, member),
            member
                .last_seen_ms
                .map_or("never".to_owned(), |ms| format!("{ms} ms ago")),
            member.peer_address.clone(),
            member.api_address.clone(),
        ]);
    }
    table
}

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
        let text = render(&status).to_string();
        let row = |id: &str| {
            text.lines()
                .find(|line| line.contains(&format!(" {id} ")))
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
