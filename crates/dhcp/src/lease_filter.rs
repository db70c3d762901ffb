//! Which leases a list is about.

use std::net::Ipv4Addr;

use model::{Ipv4Net, MacAddr, NodeSet, Xname};
use proto::dhcp::v1::dhcp_lease::State as LeaseState;
use proto::dhcp::v1::{DhcpLease, ListDhcpLeasesRequest};
use rpc::Error;
use state::State;

/// Nodesets of one list.
const NODES_MAX: usize = 1000;

/// Which leases are meant; what is absent means all.
pub(crate) struct LeaseFilter {
    network: Option<Ipv4Net>,
    mac: Option<String>,
    address: Option<String>,
    state: LeaseState,
    ended: bool,
    nodes: Vec<NodeSet>,
}

impl LeaseFilter {
    /// # Errors
    /// `Invalid` with the field.
    pub(crate) fn of(request: &ListDhcpLeasesRequest) -> Result<LeaseFilter, Error> {
        let state = LeaseState::try_from(request.state).map_err(|_| {
            rpc::invalid(
                "state",
                "write STATE_BOUND, STATE_RELEASED or STATE_DECLINED, or nothing for all",
            )
        })?;
        if request.ended && state != LeaseState::Unspecified {
            let problem = "what has ended is in no other state any more; leave `state` out";
            return Err(rpc::invalid("ended", problem));
        }
        if request.nodes.len() > NODES_MAX {
            let problem = format!(
                "{} are given, at most {NODES_MAX} are accepted",
                request.nodes.len()
            );
            return Err(rpc::invalid("nodes", problem));
        }
        let nodes = request.nodes.iter().map(|text| NodeSet::list(text));
        let nodes = nodes.collect::<Result<Vec<_>, _>>();
        Ok(LeaseFilter {
            network: given::<Ipv4Net>("network", &request.network)?,
            mac: given::<MacAddr>("mac", &request.mac)?.map(|mac| mac.to_string()),
            address: given::<Ipv4Addr>("address", &request.address)?.map(|address| address.to_string()),
            state,
            ended: request.ended,
            nodes: nodes.map_err(|e| rpc::invalid("nodes", e))?.concat(),
        })
    }

    /// Whether a lease is meant, whose client SMD has as an interface of `owner`.
    pub(crate) fn means(&self, lease: &DhcpLease, owner: &str, now_ms: u64) -> bool {
        let is_in = |network: &Ipv4Net| {
            lease
                .address
                .parse()
                .is_ok_and(|address| network.contains(address))
        };
        let has_ended = lease.ends_at_ms <= now_ms;
        let fits = match (self.ended, self.state) {
            (true, _) => has_ended,
            (false, LeaseState::Unspecified) => true,
            (false, state) => !has_ended && lease.state() == state,
        };
        fits && self.network.as_ref().is_none_or(is_in)
            && self.mac.as_ref().is_none_or(|mac| *mac == lease.mac)
            && self
                .address
                .as_ref()
                .is_none_or(|address| *address == lease.address)
            && (self.nodes.is_empty() || self.names(owner))
    }

    fn names(&self, owner: &str) -> bool {
        let owner = owner.parse::<Xname>();
        owner.is_ok_and(|owner| self.nodes.iter().any(|nodes| nodes.contains(&owner)))
    }
}

/// The component that SMD has the client's MAC for; empty for none.
pub(crate) fn owner_of(state: &State, lease: &DhcpLease) -> String {
    let mac = lease.mac.parse().ok();
    let interface = mac.and_then(|mac: MacAddr| state.smd.interface(&mac));
    interface
        .map(|interface| interface.component_id.clone())
        .unwrap_or_default()
}

fn given<T: std::str::FromStr<Err: std::fmt::Display>>(field: &str, text: &str) -> Result<Option<T>, Error> {
    (!text.is_empty())
        .then(|| text.parse().map_err(|e| rpc::invalid(field, e)))
        .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: u64 = 1_000_000;

    fn lease(address: &str, state: LeaseState, ends_at_ms: u64) -> DhcpLease {
        DhcpLease {
            address: address.into(),
            mac: "02:09:09:09:09:01".into(),
            state: state.into(),
            ends_at_ms,
            ..DhcpLease::default()
        }
    }

    fn means(request: &ListDhcpLeasesRequest, lease: &DhcpLease, owner: &str) -> bool {
        LeaseFilter::of(request).unwrap().means(lease, owner, NOW_MS)
    }

    /// `bound` in the state says what was last said of the address; whether it still holds is a matter of time.
    #[test]
    fn a_lease_whose_time_is_over_is_ended_and_nothing_else() {
        let all = ListDhcpLeasesRequest::default();
        let bound = ListDhcpLeasesRequest {
            state: LeaseState::Bound.into(),
            ..all.clone()
        };
        let ended = ListDhcpLeasesRequest {
            ended: true,
            ..all.clone()
        };
        let lasts = lease("10.97.200.1", LeaseState::Bound, NOW_MS + 1);
        let over = lease("10.97.200.1", LeaseState::Bound, NOW_MS);
        let declined = lease("10.97.200.1", LeaseState::Declined, NOW_MS + 1);
        let shown = |lease| [&all, &bound, &ended].map(|request| means(request, lease, ""));
        assert_eq!(shown(&lasts), [true, true, false]);
        assert_eq!(shown(&over), [true, false, true]);
        assert_eq!(shown(&declined), [true, false, false]);
    }

    #[test]
    fn filters_add_up() {
        let one = lease("10.97.200.1", LeaseState::Bound, NOW_MS + 1);
        let of = |address: &str, nodes: &[&str]| ListDhcpLeasesRequest {
            address: address.into(),
            nodes: nodes.iter().map(|text| (*text).to_owned()).collect(),
            ..ListDhcpLeasesRequest::default()
        };
        assert!(means(&of("10.97.200.1", &[]), &one, ""));
        assert!(!means(&of("10.97.200.2", &[]), &one, ""));
        let rack = of("", &["x1000c0s[0-3]b0n0,x3000", "x2000"]);
        assert!(means(&rack, &one, "x1000c0s2b0n0") && means(&rack, &one, "x2000c1s0b0"));
        assert!(!means(&rack, &one, "x1000c0s4b0n0") && !means(&rack, &one, ""));
        assert!(!means(&of("10.97.200.2", &["x1000"]), &one, "x1000c0s0b0n0"));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_by_its_field() {
        type Change = fn(&mut ListDhcpLeasesRequest);
        let cases: [(&str, Change); 7] = [
            ("network", |it| it.network = "10.97.0.1/16".into()),
            ("mac", |it| it.mac = "a".into()),
            ("address", |it| it.address = "a".into()),
            ("state", |it| it.state = 9),
            ("nodes", |it| it.nodes = vec!["node1".into()]),
            ("nodes", |it| it.nodes = vec!["x0".into(); NODES_MAX + 1]),
            ("ended", |it| {
                it.ended = true;
                it.state = LeaseState::Bound.into();
            }),
        ];
        for (field, change) in cases {
            let mut request = ListDhcpLeasesRequest::default();
            change(&mut request);
            let refused = LeaseFilter::of(&request).err().unwrap().to_string();
            assert!(refused.starts_with(&format!("{field}: ")), "{refused}");
        }
    }
}
