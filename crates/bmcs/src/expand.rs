//! Which components a request means: xnames and nodesets, against what is known.

use std::collections::BTreeSet;

use model::{HmsType, NodeSet, Xname};
use rpc::Error;
use state::State;

use crate::Bmcs;

/// Targets of one request.
const TARGETS_MAX: usize = 100_000;

/// What kind of targets is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Redfish endpoints, and BMCs that were found and have an xname.
    Bmcs,
    /// Nodes at or below what is named.
    Nodes,
    /// What is named, where it can be switched itself: a chassis, an outlet; else the nodes below it.
    Switchable,
}

impl Bmcs {
    /// The xnames that `targets` name, sorted, each once. `field` is what errors call it.
    ///
    /// # Errors
    /// `Invalid` for what is neither an xname nor a nodeset, for one that names nothing that is known, and for too many.
    pub fn expand(&self, field: &str, targets: &[String], what: What) -> Result<Vec<String>, Error> {
        let state = self.store().state();
        let mut found = BTreeSet::new();
        for text in targets {
            let sets = NodeSet::list(text).map_err(|problem| rpc::invalid(field, problem))?;
            for set in sets {
                let of_set = named(&state, &set, what);
                if of_set.is_empty() {
                    return Err(nothing(field, text, what));
                }
                found.extend(of_set);
            }
        }
        if found.len() > TARGETS_MAX {
            let problem = format!("{} are named, at most {TARGETS_MAX} are accepted", found.len());
            return Err(rpc::invalid(field, problem));
        }
        Ok(found.into_iter().map(|xname| xname.to_string()).collect())
    }
}

/// Every BMC that has an xname, sorted.
pub(crate) fn all_bmcs(state: &State) -> BTreeSet<Xname> {
    let endpoints = state
        .smd
        .redfish_endpoints()
        .filter_map(|endpoint| endpoint.id.parse().ok());
    let found = state.discovery.bmcs().filter_map(|bmc| bmc.xname.parse().ok());
    endpoints.chain(found).collect()
}

fn named(state: &State, set: &NodeSet, what: What) -> BTreeSet<Xname> {
    let itself = set.as_xname().filter(|xname| is_switchable(state, xname));
    match (what, itself) {
        (What::Bmcs, _) => {
            let all = all_bmcs(state).into_iter();
            all.filter(|xname| set.contains(xname)).collect()
        }
        (What::Switchable, Some(itself)) => [itself.clone()].into(),
        (What::Nodes | What::Switchable, _) => {
            let nodes = state
                .smd
                .components()
                .filter_map(|component| component.id.parse().ok());
            nodes
                .filter(|xname: &Xname| xname.hms_type() == HmsType::Node && set.contains(xname))
                .collect()
        }
    }
}

/// A chassis, a module or an outlet behind a Redfish endpoint.
fn is_switchable(state: &State, xname: &Xname) -> bool {
    let endpoint = state.smd.component_endpoint(xname);
    endpoint.is_some_and(|endpoint| matches!(endpoint.redfish_type.as_str(), "Chassis" | "Outlet"))
}

fn nothing(field: &str, text: &str, what: What) -> Error {
    let (what, remedy) = match what {
        What::Bmcs => ("BMC", "list them with `chamois bmc list`"),
        What::Nodes => ("node", "list them with `chamois smd component list`"),
        What::Switchable => (
            "node, chassis or outlet",
            "list them with `chamois smd component list`",
        ),
    };
    let problem = format!(
        "`{}` names no {what} that is known; {remedy}",
        text.escape_debug()
    );
    rpc::invalid(field, problem)
}
