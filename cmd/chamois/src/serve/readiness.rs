//! Whether this member should be sent requests: `/readyz` and gRPC health ask here. It is looked up in this member alone,
//! so it is answered without a majority too.

use gateway::Check;
use raft::Store;

use super::drain::Stop;

/// What a member says of its readiness from the first moment of its end.
pub(super) const STOPPING: &str = "this member is stopping";
/// Entries that are committed and not applied yet, above which a member is behind: etcd refuses requests from there on.
const ENTRIES_BEHIND_MAX: u64 = 5000;

/// Every check, in the order in which a member comes to pass them.
pub(super) fn checks(store: &Store, leaving: &Stop) -> Vec<Check> {
    vec![
        Check::new("running", unless(leaving.is_reached(), || STOPPING.to_owned())),
        Check::new(
            "verified",
            unless(!store.is_verified(), || {
                "this member has not heard from a leader since it started".to_owned()
            }),
        ),
        Check::new(
            "leader",
            unless(!store.has_leader(), || {
                "no leader is known; only local reads are answered".to_owned()
            }),
        ),
        Check::new("applied", applied(store.entries_behind())),
    ]
}

/// Whether all checks pass.
pub(super) fn is_ready(store: &Store, leaving: &Stop) -> bool {
    checks(store, leaving).iter().all(|check| check.result.is_ok())
}

fn applied(behind: u64) -> Result<(), String> {
    unless(behind > ENTRIES_BEHIND_MAX, || {
        format!("{behind} committed entries are not applied yet")
    })
}

fn unless(fails: bool, reason: impl FnOnce() -> String) -> Result<(), String> {
    if fails { Err(reason()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::drain::Drain;

    fn failed(store: &Store, leaving: &Stop) -> Vec<&'static str> {
        let checks = checks(store, leaving);
        let failed = checks.into_iter().filter(|check| check.result.is_err());
        failed.map(|check| check.name).collect()
    }

    /// A load balancer must not send anybody to a member without a majority, nor to one that is about to end.
    #[test]
    fn readiness_needs_a_leader_and_ends_with_the_leaving() {
        let drain = Drain::default();
        let leaving = drain.leaving();
        assert!(is_ready(&Store::in_memory(), &leaving));
        let cut_off = Store::in_memory_without_majority(state::State::new());
        assert_eq!(failed(&cut_off, &leaving), ["leader"]);
        drain.leave();
        assert_eq!(failed(&Store::in_memory(), &leaving), ["running"]);
        assert_eq!(
            failed(&cut_off, &leaving),
            ["running", "leader"],
            "each for itself"
        );
    }

    #[test]
    fn a_member_that_applies_too_slowly_says_how_far_it_is_behind() {
        assert_eq!(applied(ENTRIES_BEHIND_MAX), Ok(()));
        assert!(applied(ENTRIES_BEHIND_MAX + 1).unwrap_err().contains("5001"));
    }
}
