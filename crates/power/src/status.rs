//! Power status: what the BMCs say now, and what is known where they say nothing.

use std::collections::BTreeMap;

use bmcs::{Bmcs, What};
use futures::StreamExt;
use model::Xname;
use proto::power::v1::{
    ListPowerStatusRequest, ListPowerStatusResponse, PowerStatus, QueryPowerStatusRequest,
    power_status_service_server,
};
use proto::smd::v1::component;
use redfish::SystemPower;
use rpc::{Error, invalid};
use tonic::{Request, Response, Status};

use crate::link::{self, Link, Open};
use crate::plan::{Power, supported};

/// BMCs that are asked at once.
const CONCURRENCY: usize = 64;

/// Asks BMCs for the power of their nodes.
#[derive(Clone)]
pub struct PowerStatusService {
    bmcs: Bmcs,
    open: Open,
}

/// A node whose BMC is asked.
struct Asked {
    node: Xname,
    system: String,
    known_resets: Vec<String>,
}

impl PowerStatusService {
    /// A service that asks the BMCs of `bmcs`.
    #[must_use]
    pub fn new(bmcs: Bmcs) -> PowerStatusService {
        PowerStatusService {
            open: link::open(&bmcs),
            bmcs,
        }
    }

    async fn status(&self, request: &ListPowerStatusRequest) -> Result<ListPowerStatusResponse, Error> {
        let filter = Filter::of(request)?;
        let (asked, mut status) = self.by_bmc(self.xnames(&request.xname)?);
        let answers = futures::stream::iter(asked)
            .map(|(bmc, nodes)| Box::pin(async move { self.one_bmc(&bmc, nodes).await }))
            .buffer_unordered(CONCURRENCY)
            .collect::<Vec<_>>()
            .await;
        status.extend(answers.into_iter().flatten());
        status.retain(|status| filter.admits(status));
        status.sort_by(|one, other| one.xname.cmp(&other.xname));
        Ok(ListPowerStatusResponse { status })
    }

    /// None named: every node that a discovery has found behind a BMC.
    fn xnames(&self, named: &[String]) -> Result<Vec<Xname>, Error> {
        if named.is_empty() {
            let state = self.bmcs.store().state();
            let endpoints = state.smd.component_endpoints();
            let xnames = endpoints.filter_map(|endpoint| endpoint.id.parse::<Xname>().ok());
            return Ok(xnames.filter(Xname::is_node).collect());
        }
        let mut xnames = std::collections::BTreeSet::new();
        for text in named {
            match text.parse::<Xname>() {
                Ok(xname) => {
                    xnames.insert(xname);
                }
                Err(_) => {
                    let nodes = self
                        .bmcs
                        .expand("xname", std::slice::from_ref(text), What::Switchable)?;
                    xnames.extend(nodes.iter().filter_map(|node| node.parse().ok()));
                }
            }
        }
        Ok(xnames.into_iter().collect())
    }

    /// What there is to ask, by BMC, and the status of what nobody can be asked about.
    fn by_bmc(&self, xnames: Vec<Xname>) -> (BTreeMap<Xname, Vec<Asked>>, Vec<PowerStatus>) {
        let (mut asked, mut others) = (BTreeMap::<Xname, Vec<Asked>>::new(), Vec::new());
        for node in xnames {
            match self.bmcs.system_of(&node) {
                Ok(system) => asked.entry(system.bmc).or_default().push(Asked {
                    node,
                    system: system.uri,
                    known_resets: system.reset_types,
                }),
                Err(error) => others.push(self.known(&node, &[], error.to_string())),
            }
        }
        (asked, others)
    }

    async fn one_bmc(&self, bmc: &Xname, nodes: Vec<Asked>) -> Vec<PowerStatus> {
        if let Err(problem) = self.check_reached(bmc) {
            return nodes
                .into_iter()
                .map(|asked| self.known(&asked.node, &asked.known_resets, problem.clone()))
                .collect();
        }
        let mut link = Link::new(&self.open, bmc);
        let mut status = Vec::new();
        for asked in nodes {
            status.push(match link.power(&asked.system).await {
                Ok(said) => self.said(&asked, &said),
                Err(error) => self.known(&asked.node, &asked.known_resets, error.to_string()),
            });
        }
        link.close().await;
        status
    }

    fn check_reached(&self, bmc: &Xname) -> Result<(), String> {
        match self.bmcs.address_of(bmc) {
            Ok(address) if self.bmcs.reaches(&address) => Ok(()),
            Ok(address) => Err(format!(
                "this member does not reach {address}; ask one that serves the role `discovery` there"
            )),
            Err(error) => Err(error.to_string()),
        }
    }

    fn said(&self, asked: &Asked, said: &SystemPower) -> PowerStatus {
        let offered = match said.reset_types.as_slice() {
            [] => asked.known_resets.as_slice(),
            offered => offered,
        };
        PowerStatus {
            xname: asked.node.to_string(),
            power_state: Power::of(&said.state).pcs_name().to_owned(),
            management_state: Management::Available.name().to_owned(),
            error: String::new(),
            supported_power_transitions: supported(offered),
            last_updated: state::time_text(self.bmcs.store().cluster_time_ms()),
        }
    }

    /// What SMD has, which may be old.
    fn known(&self, node: &Xname, known_resets: &[String], error: String) -> PowerStatus {
        let component = self.bmcs.store().state().smd.component(node);
        let modified = component
            .as_ref()
            .and_then(|component| component.meta.as_ref()?.modified.as_ref());
        let resets_known = !known_resets.is_empty();
        PowerStatus {
            xname: node.to_string(),
            power_state: component
                .as_ref()
                .map_or("undefined", |component| in_smd(component.state()))
                .to_owned(),
            management_state: Management::Unavailable.name().to_owned(),
            error,
            supported_power_transitions: if resets_known {
                supported(known_resets)
            } else {
                Vec::new()
            },
            last_updated: state::time_text(modified.map_or(0, |change| change.at_ms)),
        }
    }
}

fn in_smd(state: component::State) -> &'static str {
    use component::State;
    match state {
        State::On | State::Standby | State::Halt | State::Ready => "on",
        State::Off => "off",
        State::Unspecified | State::Unknown | State::Empty | State::Populated => "undefined",
    }
}

/// Whether the BMC answers, in PCS's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Management {
    Available,
    Unavailable,
}

impl Management {
    fn name(self) -> &'static str {
        match self {
            Management::Available => "available",
            Management::Unavailable => "unavailable",
        }
    }
}

/// Which status is meant; `None` is any.
#[derive(Debug)]
struct Filter {
    power: Option<&'static str>,
    management: Option<&'static str>,
}

impl Filter {
    fn of(request: &ListPowerStatusRequest) -> Result<Filter, Error> {
        Ok(Filter {
            power: word(
                "powerStateFilter",
                &request.power_state_filter,
                &["on", "off", "undefined"],
            )?,
            management: word(
                "managementStateFilter",
                &request.management_state_filter,
                &["available", "unavailable"],
            )?,
        })
    }

    fn admits(&self, status: &PowerStatus) -> bool {
        self.power.is_none_or(|power| power == status.power_state)
            && self
                .management
                .is_none_or(|management| management == status.management_state)
    }
}

fn word(field: &str, given: &str, accepted: &[&'static str]) -> Result<Option<&'static str>, Error> {
    if given.is_empty() {
        return Ok(None);
    }
    let found = accepted.iter().find(|word| word.eq_ignore_ascii_case(given));
    found.map(|word| Some(*word)).ok_or_else(|| {
        let problem = format!(
            "`{}` is none; write {}",
            given.escape_debug(),
            accepted.join(", ")
        );
        invalid(field, problem)
    })
}

#[tonic::async_trait]
impl power_status_service_server::PowerStatusService for PowerStatusService {
    #[tracing::instrument(level = "debug", name = "power.list_status", skip_all)]
    async fn list_power_status(
        &self,
        request: Request<ListPowerStatusRequest>,
    ) -> Result<Response<ListPowerStatusResponse>, Status> {
        let status = Box::pin(self.status(request.get_ref())).await?;
        Ok(Response::new(status))
    }

    #[tracing::instrument(level = "debug", name = "power.query_status", skip_all)]
    async fn query_power_status(
        &self,
        request: Request<QueryPowerStatusRequest>,
    ) -> Result<Response<ListPowerStatusResponse>, Status> {
        let QueryPowerStatusRequest {
            xname,
            power_state_filter,
            management_state_filter,
        } = request.into_inner();
        let request = ListPowerStatusRequest {
            xname,
            power_state_filter,
            management_state_filter,
        };
        let status = Box::pin(self.status(&request)).await?;
        Ok(Response::new(status))
    }
}

#[cfg(test)]
#[path = "status_test.rs"]
mod tests;
