//! HSM's `POST Inventory/Discover`: endpoints that somebody wants to be discovered anew become targets of a crawl.

use std::collections::BTreeMap;

use jobs::JobKind;
use proto::http::v1::ObjectMeta;
use proto::smd::v1::RedfishEndpoint;
use state::State;

/// The endpoints of which a discovery was requested, and no crawl was begun since, sorted.
pub(crate) fn requested(state: &State) -> Vec<String> {
    let waiting = || {
        state
            .smd
            .redfish_endpoints()
            .filter_map(|endpoint| Some((endpoint, requested_at(endpoint)?)))
    };
    if waiting().next().is_none() {
        return Vec::new();
    }
    let begun = begun(state);
    waiting()
        .filter(|(endpoint, at)| begun.get(&endpoint.id).is_none_or(|begun| begun < at))
        .map(|(endpoint, _)| endpoint.id.clone())
        .collect()
}

fn requested_at(endpoint: &RedfishEndpoint) -> Option<u64> {
    endpoint
        .discovery_requested
        .as_ref()
        .map(|request| request.revision)
}

/// The revision of the last crawl of each target.
pub(crate) fn begun(state: &State) -> BTreeMap<String, u64> {
    let mut begun = BTreeMap::new();
    for job in state
        .jobs
        .iter()
        .filter(|job| JobKind::of(job) == Some(JobKind::Crawl))
    {
        let created = created_at(job.meta.as_ref());
        for target in state.jobs.targets(&job.id) {
            let last = begun.entry(target.target.clone()).or_insert(created);
            *last = created.max(*last);
        }
    }
    begun
}

/// Those of `now` that are still there after `patience` looks; `seen` counts the looks. The member that leads sees to them at once,
/// if it has the role; what is left after a while it does not see to.
pub(crate) fn left_alone(
    seen: &mut BTreeMap<String, u32>,
    now: impl IntoIterator<Item = String>,
    patience: u32,
) -> Vec<String> {
    let counted = now.into_iter().map(|target| {
        let looks = seen.get(&target).map_or(0, |looks| looks.saturating_add(1));
        (target, looks)
    });
    let counted: BTreeMap<String, u32> = counted.collect();
    *seen = counted;
    let ripe = seen.iter().filter(|(_, looks)| **looks >= patience);
    ripe.map(|(target, _)| target.clone()).collect()
}

fn created_at(meta: Option<&ObjectMeta>) -> u64 {
    let created = meta.and_then(|meta| meta.created.as_ref());
    created.map_or(0, |created| created.revision)
}

#[cfg(test)]
mod tests {
    use proto::http::v1::Change;

    use super::*;

    /// Members that do not lead wait for the one that does, and not for ever.
    #[test]
    fn what_nobody_sees_to_is_seen_to_in_the_end() {
        let now = |targets: &[&str]| {
            targets
                .iter()
                .map(|target| (*target).to_owned())
                .collect::<Vec<_>>()
        };
        let mut seen = BTreeMap::new();
        assert_eq!(left_alone(&mut seen, now(&["a"]), 0), ["a"], "the leader");
        assert!(left_alone(&mut seen, now(&["a", "b"]), 2).is_empty());
        assert_eq!(left_alone(&mut seen, now(&["a", "b"]), 2), ["a"]);
        assert!(left_alone(&mut seen, now(&["b"]), 3).is_empty());
        assert_eq!(seen.len(), 1, "what is seen to is forgotten");
        assert_eq!(left_alone(&mut seen, now(&["b"]), 3), ["b"]);
    }

    #[test]
    fn a_request_is_known_by_its_revision() {
        let request = Change {
            revision: 7,
            ..Change::default()
        };
        let endpoint = RedfishEndpoint {
            discovery_requested: Some(request),
            ..RedfishEndpoint::default()
        };
        assert_eq!(requested_at(&endpoint), Some(7));
        assert_eq!(requested_at(&RedfishEndpoint::default()), None);
        assert!(requested(&State::new()).is_empty());
    }
}
