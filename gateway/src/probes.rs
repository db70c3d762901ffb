//! `/livez` and `/readyz`: what load balancers and check scripts ask, without credentials and without a route.

use std::fmt::Write as _;
use std::sync::Arc;

use http::{HeaderValue, Response, StatusCode, header};

use crate::Options;
use crate::body::{self, Body};
use crate::options::{Check, Readiness, RoleReadiness};
use crate::problem::Problem;

/// The role that `/readyz` without one means on the node port: it is the port of that role.
const NODE_PORTS_ROLE: &str = "boot";
/// What `/livez?verbose` lists: whoever answers is alive.
const PING: &str = "ping";

/// The probes of one port.
pub(crate) struct Probes {
    /// `/livez`, and `/readyz` for the member as a whole; none on the node port, where only roles count.
    member: Option<Readiness>,
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

    /// The answer, if the path is a probe's. With `verbose` it lists every check, as Kubernetes' and etcd's do.
    pub(crate) fn answer(&self, path: &str, query: Option<&str>) -> Option<Result<Response<Body>, Problem>> {
        let query = query.unwrap_or_default();
        let checks = match (path, &self.member) {
            ("/livez", Some(_)) => vec![Check::new(PING, Ok(()))],
            ("/readyz", member) => self.readiness(role_of(query), member.as_ref()),
            _ => return None,
        };
        if is_verbose(query) {
            return Some(Ok(listed(path.trim_start_matches('/'), &checks)));
        }
        let failed = checks.into_iter().find_map(|check| check.result.err());
        Some(failed.map_or_else(|| Ok(ok("ok\n".to_owned())), |reason| Err(Problem::busy(reason))))
    }

    fn readiness(&self, role: Option<&str>, member: Option<&Readiness>) -> Vec<Check> {
        match (role, member) {
            (None, Some(member)) => member(),
            (Some(role), _) => vec![Check::new("role", (self.role)(role))],
            (None, None) => vec![Check::new("role", (self.role)(NODE_PORTS_ROLE))],
        }
    }
}

/// The last `role=` of a query, as written: role names need no escapes.
fn role_of(query: &str) -> Option<&str> {
    query.split('&').rev().find_map(|pair| pair.strip_prefix("role="))
}

/// `verbose`, with or without a value.
fn is_verbose(query: &str) -> bool {
    query
        .split('&')
        .any(|pair| pair.split('=').next() == Some("verbose"))
}

/// `[+]leader ok` or `[-]leader failed: why` for each check, and the verdict.
fn listed(probe: &str, checks: &[Check]) -> Response<Body> {
    let mut text = String::new();
    for Check { name, result } in checks {
        let _infallible = match result {
            Ok(()) => writeln!(text, "[+]{name} ok"),
            Err(reason) => writeln!(text, "[-]{name} failed: {reason}"),
        };
    }
    let passed = checks.iter().all(|check| check.result.is_ok());
    let verdict = if passed { "passed" } else { "failed" };
    let mut response = ok(format!("{text}{probe} check {verdict}\n"));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    if !passed {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response
}

fn ok(text: String) -> Response<Body> {
    Response::new(body::full(text))
}
