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
fn begun(state: &State) -> BTreeMap<String, u64> {
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

fn created_at(meta: Option<&ObjectMeta>) -> u64 {
    let created = meta.and_then(|meta| meta.created.as_ref());
    created.map_or(0, |created| created.revision)
}

#[cfg(test)]
mod tests {
    use proto::http::v1::Change;

    use super::*;

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
