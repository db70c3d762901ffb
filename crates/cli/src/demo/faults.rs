//! What goes wrong on purpose: at a third of the boots the leader dies and comes back, at two thirds the
//! member that holds the service address.

use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::cluster::Cluster;
use super::progress::Progress;
use super::writers::SharedLedger;
use crate::error::CliError;

/// An acknowledged write after a kill, a member caught up, an address taken over: each within this.
const RECOVERY_MAX: Duration = Duration::from_secs(30);
/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(20);

/// Kills and restarts members while nodes boot; returns when each kill happened.
///
/// `booted` counts nodes that phoned home, out of `nodes`.
///
/// # Errors
/// When the cluster does not recover within 30 s of a kill.
pub(crate) async fn inflict(
    cluster: &mut Cluster,
    nodes: u32,
    mut booted: watch::Receiver<u32>,
    ledger: &SharedLedger,
    progress: &Progress,
) -> Result<Vec<Instant>, CliError> {
    reached(&mut booted, nodes / 3).await?;
    let leader = cluster.leader().await?;
    let first = kill(cluster, leader, ledger).await?;
    let recovery = ledger.lock().recovery(first).unwrap_or_default();
    progress.note(format_args!(
        "killed member {leader}, the leader, at {} of {nodes} boots; next write acknowledged after {} ms; restarted it",
        *booted.borrow(),
        recovery.as_millis(),
    ));
    reached(&mut booted, nodes * 2 / 3).await?;
    cluster.caught_up(leader, RECOVERY_MAX).await?;
    let holder = cluster.holder(RECOVERY_MAX).await?;
    let second = kill(cluster, holder, ledger).await?;
    progress.note(format_args!(
        "killed member {holder}, which held {}, at {} of {nodes} boots; restarted it",
        cluster.layout().service(),
        *booted.borrow(),
    ));
    cluster.caught_up(holder, RECOVERY_MAX).await?;
    Ok(vec![first, second])
}

/// Kills a member, waits until the survivors acknowledge a write, and starts the member again. A member
/// without others has no survivors and is started at once.
async fn kill(cluster: &mut Cluster, id: u64, ledger: &SharedLedger) -> Result<Instant, CliError> {
    let at = Instant::now();
    cluster.kill(id).await?;
    if cluster.size() == 1 {
        cluster.restart(id)?;
    }
    let deadline = at + RECOVERY_MAX;
    while ledger.lock().recovery(at).is_none() {
        if Instant::now() > deadline {
            let text = format!("no write was acknowledged within {} s", RECOVERY_MAX.as_secs());
            return Err(CliError::other(&format!("after the end of member {id}"), text));
        }
        cluster.check_running()?;
        tokio::time::sleep(POLL).await;
    }
    if cluster.size() > 1 {
        cluster.restart(id)?;
    }
    Ok(at)
}

/// Waits for a number of boots. The bound is the fleet's own: it ends every node, booted or failed, and
/// then closes the channel.
async fn reached(booted: &mut watch::Receiver<u32>, count: u32) -> Result<(), CliError> {
    // closed: fewer nodes booted than that, and no more will; the faults are shown all the same
    let _ = booted.wait_for(|booted| *booted >= count).await;
    Ok(())
}
