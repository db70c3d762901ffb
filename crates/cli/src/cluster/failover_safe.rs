//! `chamois cluster failover-safe`: whether any one member may be lost now.

use std::time::Duration;

use clap::Args;
use proto::cluster::v1::{ClusterStatus, MemberStatus, member_kind};
use tokio::time::Instant;

use super::status::{SEEN_MS_MAX, leaders_view};
use crate::args::GlobalArgs;
use crate::connect::Target;
use crate::error::{CliError, Kind};
use crate::output;

/// Pause between two looks with `--wait`.
const LOOK: Duration = Duration::from_millis(500);
/// Entries that a voter may be behind.
const BEHIND_MAX: u64 = 1000;

/// `chamois cluster failover-safe`.
#[derive(Clone, Copy, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois cluster failover-safe                 before planned work on one host
  chamois cluster failover-safe --wait 120      between two hosts of a rolling upgrade

Exit code 0: whichever member is lost, a majority of voters that answer and have caught up is left.")]
pub struct FailoverSafeArgs {
    /// Wait until it is, at most this many seconds (60 if none are given)
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "60")]
    pub wait: Option<u64>,
}

pub(super) async fn run(global: &GlobalArgs, args: FailoverSafeArgs) -> Result<(), CliError> {
    let target = Target::from_global(global)?;
    let until = Instant::now() + Duration::from_secs(args.wait.unwrap_or(0));
    loop {
        let found = match leaders_view(&target).await {
            Ok(status) => problem(&status),
            Err(error) => Some(error.to_string()),
        };
        match found {
            None => return safe(global),
            Some(problem) if Instant::now() >= until => {
                let error = CliError::new(Kind::Unavailable, format!("not safe: {problem}"));
                return Err(error.with_remedy("`chamois member list` shows who is missing or behind."));
            }
            Some(_) => tokio::time::sleep(LOOK).await,
        }
    }
}

/// What is printed where nothing stands against it; a problem is an error in every format.
fn safe(global: &GlobalArgs) -> Result<(), CliError> {
    let value = serde_json::json!({ "safe": true });
    output::done_value(
        global,
        &value,
        || "safe: whichever member is lost, a majority is left",
    )
}

/// What stands against it.
fn problem(status: &ClusterStatus) -> Option<String> {
    let voters: Vec<&MemberStatus> = status.members.iter().filter(|member| member.voter).collect();
    let good = |member: &&&MemberStatus| is_good(status, member);
    let there = voters.iter().filter(good).count();
    let majority = voters.len() / 2 + 1;
    if there <= majority {
        let missing: Vec<String> = voters
            .iter()
            .filter(|m| !is_good(status, m))
            .map(|m| m.id.to_string())
            .collect();
        return Some(match missing.is_empty() {
            true => format!("{} voter(s) survive no loss; three do", voters.len()),
            false => format!("voter(s) {} do not answer or are behind", missing.join(", ")),
        });
    }
    let can_lead = voters
        .iter()
        .filter(|m| is_good(status, m) && m.kind() != member_kind::Kind::Witness);
    match can_lead.count() {
        0 | 1 => Some("only one member that serves has the state; the others are witnesses".to_owned()),
        _ => None,
    }
}

fn is_good(status: &ClusterStatus, member: &MemberStatus) -> bool {
    let behind = status
        .last_log_index
        .saturating_sub(member.matched_index.unwrap_or(0));
    member.last_seen_ms.is_some_and(|ms| ms <= SEEN_MS_MAX) && behind <= BEHIND_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(seen: &[Option<u64>]) -> ClusterStatus {
        let member = |(id, seen): (u64, &Option<u64>)| MemberStatus {
            id,
            voter: true,
            matched_index: Some(100),
            last_seen_ms: *seen,
            ..Default::default()
        };
        ClusterStatus {
            last_log_index: 100,
            members: (1..).zip(seen).map(member).collect(),
            ..Default::default()
        }
    }

    #[test]
    fn three_that_answer_are_safe_and_two_of_three_are_not() {
        assert_eq!(problem(&status(&[Some(0), Some(10), Some(10)])), None);
        let down = problem(&status(&[Some(0), Some(10), Some(60_000)])).unwrap();
        assert!(down.contains("voter(s) 3"), "{down}");
        assert!(problem(&status(&[Some(0)])).unwrap().contains("survive no loss"));
        assert!(problem(&status(&[Some(0), Some(1)])).is_some(), "two need both");
    }

    /// Five of which one is down may still lose one.
    #[test]
    fn five_are_safe_with_one_down() {
        assert_eq!(
            problem(&status(&[Some(0), Some(1), Some(1), Some(1), None])),
            None
        );
        assert!(problem(&status(&[Some(0), Some(1), Some(1), None, None])).is_some());
    }

    #[test]
    fn a_voter_that_is_behind_does_not_count() {
        let mut behind = status(&[Some(0), Some(1), Some(1)]);
        behind.last_log_index = 100 + BEHIND_MAX + 1;
        assert!(problem(&behind).is_some());
    }

    /// What a witness has cannot be served.
    #[test]
    fn two_witnesses_do_not_make_one_server_safe() {
        let mut status = status(&[Some(0), Some(1), Some(1)]);
        for member in &mut status.members[1..] {
            member.kind = member_kind::Kind::Witness.into();
        }
        assert!(problem(&status).unwrap().contains("witnesses"));
    }
}
