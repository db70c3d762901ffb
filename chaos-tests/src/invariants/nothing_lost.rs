//! Every write that was acknowledged is there, through every member.

use std::time::Duration;

use super::Evidence;
use crate::cluster::MEMBERS;

/// For all registers from one member.
const READ_AT_MOST: Duration = Duration::from_secs(20);

pub(super) fn check(evidence: &mut Evidence<'_>) -> Result<(), String> {
    for id in 1..=MEMBERS {
        let caller = evidence.cluster.caller(&[id]);
        let found = evidence.cluster.runtime().block_on(caller.read_all(READ_AT_MOST));
        let found = found.map_err(|status| format!("member {id} cannot be read: {status}"))?;
        let broken = evidence.ledger.broken_in(&found);
        if !broken.is_empty() {
            return Err(format!("member {id}: {broken:#?}"));
        }
    }
    Ok(())
}
