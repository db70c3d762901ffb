//! `chamois boot status --watch`: until all nodes are home.

use std::future::Future;
use std::time::Duration;

use proto::bss::v1::{BootStatus, ListBootStatusResponse};
use proto::watch::v1::WatchRequest;
use proto::watch::v1::object::Kind;
use rpc::client::{Follow, Told};
use tokio::time::{Instant, sleep, sleep_until};
use tonic::Status;

use super::live::Live;
use super::{StatusArgs, client, table};
use crate::args::GlobalArgs;
use crate::connect::{self, Connection};
use crate::error::{self, CliError};
use crate::output::Format;

/// Pause between two looks while boots change.
const PAUSE: Duration = Duration::from_secs(1);
/// Pause while nothing changes: a node becomes stuck by time alone.
const PAUSE_QUIET: Duration = Duration::from_secs(5);

pub(super) async fn run(global: &GlobalArgs, args: &StatusArgs, format: Format) -> Result<(), CliError> {
    let mut client = client(global)?;
    let mut live = Live::new(format);
    let end = args
        .within
        .map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let mut begun: Option<Begun> = None;
    let mut last = None;
    loop {
        let looked = Instant::now();
        match client.list_boot_status(args.request()).await {
            Ok(answer) => {
                let mut answer = answer.into_inner();
                let begun = match &mut begun {
                    Some(begun) => begun,
                    none => none.insert(Begun::at(&answer, global)?),
                };
                if args.new {
                    forget_before(&mut answer.nodes, begun.at_ms);
                }
                if !live.show(&answer)? {
                    return Ok(()); // nobody reads any more
                }
                if answer.nodes.iter().all(table::is_home) {
                    return live.finish(&answer);
                }
                last = Some(answer);
            }
            // members come and go; whoever is refused will be refused again
            Err(status) if !error::is_passing(&status) => return Err(status.into()),
            Err(status) => tracing::debug!(%status, "no member answers now"),
        }
        let changes = until_change(begun.as_mut().map(|begun| &mut begun.follow), looked);
        if !before(end, changes).await? {
            if let Some(answer) = &last {
                live.finish(answer)?;
            }
            return Err(not_home(last.as_ref(), args.within.unwrap_or_default()));
        }
    }
}

/// Where a watch began.
struct Begun {
    /// Cluster time.
    at_ms: u64,
    follow: Follow<Connection>,
}

impl Begun {
    fn at(answer: &ListBootStatusResponse, global: &GlobalArgs) -> Result<Begun, CliError> {
        let request = WatchRequest {
            from_revision: answer.revision,
            kinds: vec![Kind::BootRecord.into()],
            ..WatchRequest::default()
        };
        Ok(Begun {
            at_ms: answer.now_ms,
            follow: Follow::new(connect::without_repeats(global)?, request),
        })
    }
}

/// Waits until something may have changed since a look, or a while if nothing does.
async fn until_change(follow: Option<&mut Follow<Connection>>, looked: Instant) -> Result<(), Status> {
    let quiet = sleep_until(looked + PAUSE_QUIET);
    let Some(follow) = follow else {
        sleep(PAUSE).await;
        return Ok(());
    };
    let change = async {
        while let Told::Progress(_) | Told::StateEnds(_) = follow.next().await? {}
        sleep_until(looked + PAUSE).await;
        Ok(())
    };
    tokio::select! {
        () = quiet => Ok(()),
        change = change => change,
    }
}

/// False if the end comes first.
async fn before(
    end: Option<Instant>,
    changes: impl Future<Output = Result<(), Status>>,
) -> Result<bool, CliError> {
    let Some(end) = end else {
        changes.await?;
        return Ok(true);
    };
    tokio::select! {
        () = sleep_until(end) => Ok(false),
        changes = changes => Ok(changes.map(|()| true)?),
    }
}

/// Boots that began before the watch count as none.
fn forget_before(statuses: &mut [BootStatus], begun_ms: u64) {
    for status in statuses.iter_mut().filter(|status| status.began_at_ms < begun_ms) {
        *status = BootStatus {
            node: std::mem::take(&mut status.node),
            ..BootStatus::default()
        };
    }
}

fn not_home(last: Option<&ListBootStatusResponse>, seconds: u64) -> CliError {
    let Some(answer) = last else {
        return CliError::new(error::Kind::Unavailable, format!("no answer within {seconds} s"));
    };
    let away: Vec<&str> = answer
        .nodes
        .iter()
        .filter(|status| !table::is_home(status))
        .map(|status| status.node.as_str())
        .collect();
    let named = crate::job::names_of(&away);
    let text = format!(
        "{} of {} nodes are not home after {seconds} s: {named}",
        away.len(),
        answer.nodes.len()
    );
    CliError::new(error::Kind::Other, text).with_remedy("`chamois boot status NODE` shows how far one came.")
}

#[cfg(test)]
mod tests {
    use proto::bss::v1::boot_phase::Phase;

    use super::*;

    fn status(number: usize, phase: Phase, began_at_ms: u64) -> BootStatus {
        BootStatus {
            node: format!("x0c0s{number}b0n0"),
            phase: phase.into(),
            began_at_ms,
            ..BootStatus::default()
        }
    }

    /// Whoever resets nodes that are up wants to see them come up again.
    #[test]
    fn with_new_only_boots_from_now_on_count() {
        let mut statuses = [
            status(0, Phase::PhonedHome, 99),
            status(1, Phase::PhonedHome, 100),
            status(2, Phase::Unspecified, 0),
        ];
        forget_before(&mut statuses, 100);
        let phases = statuses.each_ref().map(BootStatus::phase);
        assert_eq!(
            phases,
            [Phase::Unspecified, Phase::PhonedHome, Phase::Unspecified]
        );
        assert_eq!(statuses[0].node, "x0c0s0b0n0");
    }

    #[test]
    fn who_is_not_home_in_time_is_named() {
        let answer = ListBootStatusResponse {
            nodes: (0..8)
                .map(|number| {
                    status(
                        number,
                        if number == 0 {
                            Phase::PhonedHome
                        } else {
                            Phase::Script
                        },
                        1,
                    )
                })
                .collect(),
            ..ListBootStatusResponse::default()
        };
        let error = not_home(Some(&answer), 60);
        let text = error.to_string();
        assert!(
            text.starts_with("7 of 8 nodes are not home after 60 s: x0c0s[1-7]b0n0\n"),
            "{text}"
        );
        assert_eq!(error.exit_code(), 1);
        assert_eq!(not_home(None, 5).kind(), error::Kind::Unavailable);
    }

    #[tokio::test]
    async fn the_end_comes_whether_anything_changes_or_not() {
        let now = Some(Instant::now());
        assert!(!before(now, std::future::pending()).await.unwrap());
        assert!(before(None, std::future::ready(Ok(()))).await.unwrap());
        let refused = before(None, std::future::ready(Err(Status::permission_denied("no"))));
        assert!(refused.await.is_err());
    }
}
