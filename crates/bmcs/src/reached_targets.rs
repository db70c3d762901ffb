//! Which targets of a job are this member's: it reaches their BMCs. The others are left to whoever does.

use jobs::Running;
use proto::job::v1::JobTarget;

use crate::Bmcs;
use crate::reading::place_of;

/// Whether there is anything to do here.
pub(crate) fn any(bmcs: &Bmcs, targets: &[JobTarget]) -> bool {
    bmcs.reaches_any() && targets.iter().any(|target| is_reached(bmcs, target))
}

/// Those that are reached, and the others.
pub(crate) fn split(bmcs: &Bmcs, running: &Running) -> (Vec<JobTarget>, Vec<JobTarget>) {
    let targets = running.targets().into_iter();
    targets.partition(|target| is_reached(bmcs, target))
}

/// Gives the job back, if it has others and goes on.
pub(crate) async fn leave(others: &[JobTarget], running: &Running) {
    if let Some(first) = others.first().filter(|_| !running.is_cancelled()) {
        let reason = format!(
            "{} of its BMCs, e.g. {}, are out of the reach of this member",
            others.len(),
            first.target
        );
        running.release(&reason).await;
    }
}

/// One whose place nobody knows is told as failed by anybody.
fn is_reached(bmcs: &Bmcs, target: &JobTarget) -> bool {
    place_of(bmcs, &target.target).map_or(true, |place| bmcs.reaches(&place.address))
}
