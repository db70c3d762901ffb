//! `/livez` and `/readyz`: what load balancers and check scripts ask, without credentials and without a route.

use std::sync::Arc;

use http::{Response, StatusCode};

use crate::Options;
use crate::body::{self, Body};
use crate::options::RoleReadiness;
use crate::problem::Problem;

type MemberReadiness = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// The role that `/readyz` without one means on the node port: it is the port of that role.
const NODE_PORTS_ROLE: &str = "boot";

/// The probes of one port.
pub(crate) struct Probes {
    /// `/livez`, and `/readyz` for the member as a whole; none on the node port, where only roles count.
    member: Option<MemberReadiness>,
    role: RoleReadiness,
}

impl Probes {
    /// `/livez`, `/readyz` and `/readyz?role=ROLE`.
    pub(crate) fn of_the_api(options: &Options) -> Self {
        Self {
            member: Some(Arc::clone(&options.readiness)),
            role: Arc::clone(&options.role_readiness),
        }
    }

    /// `/readyz` and `/readyz?role=ROLE`, both about roles.
    pub(crate) fn of_nodes(options: &Options) -> Self {
        Self {
            member: None,
            role: Arc::clone(&options.role_readiness),
        }
    }

    /// The answer, if the path is a probe's.
    pub(crate) fn answer(&self, path: &str, query: Option<&str>) -> Option<Result<Response<Body>, Problem>> {
        match (path, &self.member) {
            ("/livez", Some(_)) => Some(Ok(ok("ok"))),
            ("/readyz", member) => Some(self.readiness(role_of(query.unwrap_or_default()), member.as_ref())),
            _ => None,
        }
    }

    fn readiness(
        &self,
        role: Option<&str>,
        member: Option<&MemberReadiness>,
    ) -> Result<Response<Body>, Problem> {
        let ready = match (role, member) {
            (Some(role), _) => (self.role)(role),
            (None, Some(member)) => member(),
            (None, None) => (self.role)(NODE_PORTS_ROLE),
        };
        ready.map(|()| ok("ok")).map_err(Problem::busy)
    }
}

/// The last `role=` of a query, as written: role names need no escapes.
fn role_of(query: &str) -> Option<&str> {
    query.split('&').rev().find_map(|pair| pair.strip_prefix("role="))
}

fn ok(text: &str) -> Response<Body> {
    let mut response = Response::new(body::full(format!("{text}\n")));
    *response.status_mut() = StatusCode::OK;
    response
}
