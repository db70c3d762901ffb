//! At one applied index all members have the same state, byte for byte.

use super::Evidence;

pub(super) fn check(evidence: &mut Evidence<'_>) -> Result<(), String> {
    evidence.cluster.agree().map(drop)
}
