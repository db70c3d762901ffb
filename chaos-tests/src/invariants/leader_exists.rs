//! Healed, the members elect a leader that all of them name.

use super::Evidence;
use crate::cluster::AT_MOST;
use crate::members::wait_at_most;

pub(super) fn check(evidence: &mut Evidence<'_>) -> Result<(), String> {
    let leader = wait_at_most(AT_MOST, || evidence.cluster.agreed_leader());
    let named = leader.ok_or_else(|| evidence.cluster.describe());
    named.map(drop)
}
