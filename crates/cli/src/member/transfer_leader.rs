//! `chamois member transfer-leader`.

use std::time::Duration;

use clap::Args;
use proto::cluster::v1::{ClusterStatus, TransferLeaderRequest};
use tokio::time::Instant;

use crate::args::GlobalArgs;
use crate::cluster::status::leaders_view;
use crate::connect::Target;
use crate::error::{CliError, Kind};
use crate::output;

/// Members hear of their new leader within its first heartbeat; longer than this no member has won.
const KNOWN_AT_MOST: Duration = Duration::from_secs(10);
/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(50);

/// `chamois member transfer-leader`.
#[derive(Clone, Copy, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois member transfer-leader        to the voter that is furthest
  chamois member transfer-leader 2

Before planned work on the leader's host; no write fails meanwhile.")]
pub struct TransferLeaderArgs {
    /// The voter that is to lead
    #[arg(default_value_t = 0, hide_default_value = true)]
    pub id: u64,
}

pub(super) async fn run(global: &GlobalArgs, args: TransferLeaderArgs) -> Result<(), CliError> {
    let target = Target::from_global(global)?;
    let before = leaders_view(&target).await?;
    let request = TransferLeaderRequest { to: args.id };
    super::client(global)?
        .transfer_leader(request)
        .await
        .map_err(super::refused)?;
    let leader = match before.leader_id == args.id {
        true => before.leader_id,
        false => another_leader(&target, &before).await?,
    };
    output::done_value(global, &serde_json::json!({ "leader_id": leader }), || {
        format!("member {leader} leads")
    })
}

/// Waits until a member leads that did not before. The member that was asked may have passed the request on, and hears of
/// the outcome like any other.
async fn another_leader(target: &Target, before: &ClusterStatus) -> Result<u64, CliError> {
    let until = Instant::now() + KNOWN_AT_MOST;
    loop {
        let now = leaders_view(target).await;
        if let Ok(now) = now
            && is_another(before, &now)
        {
            return Ok(now.leader_id);
        }
        if Instant::now() >= until {
            let text = format!(
                "member {} was told to hand over, and no other leads yet",
                before.leader_id
            );
            return Err(CliError::new(Kind::Unavailable, text)
                .with_remedy("`chamois cluster status` shows who leads."));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// A leader that answers for itself, in a later term: an old one may not know yet that it leads no more.
fn is_another(before: &ClusterStatus, now: &ClusterStatus) -> bool {
    now.leader_id == now.member_id && now.leader_id != before.leader_id && now.term > before.term
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was true before is no answer, whoever says it.
    #[test]
    fn only_a_leader_of_a_later_term_has_taken_over() {
        let status = |member_id, leader_id, term| ClusterStatus {
            member_id,
            leader_id,
            term,
            ..Default::default()
        };
        let before = status(1, 1, 4);
        assert!(is_another(&before, &status(2, 2, 5)));
        assert!(!is_another(&before, &status(2, 1, 4)), "an old view");
        assert!(!is_another(&before, &status(1, 1, 4)), "it leads still");
        assert!(!is_another(&before, &status(2, 2, 3)), "one that led before it");
        assert!(!is_another(&before, &status(3, 2, 5)), "hearsay");
    }
}
