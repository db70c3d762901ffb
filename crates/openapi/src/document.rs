//! All HTTP routes as one OpenAPI 3.1 document.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::Error;
use crate::catalogue::{Catalogue, Method, Route};
use crate::fixed;
use crate::operation::operation;
use crate::parameters;
use crate::schemas::{Schemas, described, name_of};

/// The verbs that a path may have in OpenAPI.
const VERBS: [&str; 8] = [
    "get", "put", "post", "delete", "options", "head", "patch", "trace",
];

/// The document of every route of `descriptor`, an encoded `FileDescriptorSet` with comments
/// (`proto::DOCUMENTED_DESCRIPTOR`); `version` is the API's. The same descriptor gives the same document.
///
/// # Errors
/// A descriptor that does not decode, or whose routes cannot be served.
pub fn document(descriptor: &[u8], version: &str) -> Result<Value, Error> {
    let catalogue = Catalogue::new(descriptor)?;
    let mut schemas = Schemas::new(&catalogue);
    let mut paths = Paths::default();
    for method in catalogue.methods() {
        for (place, route) in method.routes().iter().enumerate() {
            let (path, shown) = paths.path(route);
            let operation = operation(&catalogue, &mut schemas, (method, place), &shown)?;
            paths.add(path, method, route, operation)?;
        }
    }
    let mut all = paths.all;
    all.extend(fixed::paths().as_object().cloned().unwrap_or_default());
    let mut components = schemas.finish();
    components.insert("Problem".to_owned(), fixed::problem());
    Ok(json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Chamois",
            "version": version,
            "description": fixed::ABOUT,
            "license": { "name": "Apache-2.0 OR MIT", "identifier": "Apache-2.0 OR MIT" },
        },
        "servers": [{ "url": "/" }],
        "tags": tags(&catalogue),
        "paths": all,
        "components": {
            "schemas": components,
            "responses": fixed::responses(),
            "parameters": parameters::of_many_routes(),
            "securitySchemes": fixed::security_schemes(),
        },
    }))
}

/// The services that have routes, with what is written above them.
fn tags(catalogue: &Catalogue) -> Vec<Value> {
    let with_routes = catalogue
        .methods()
        .iter()
        .filter(|method| !method.routes().is_empty());
    let names: BTreeSet<String> = with_routes
        .map(|method| method.descriptor().parent_service().full_name().to_owned())
        .collect();
    let of_services = names.iter().filter_map(|name| {
        let service = catalogue.pool().get_service_by_name(name)?;
        let tag = json!({ "name": name_of(name) });
        Some(described(tag, catalogue.comments().service(&service)))
    });
    let probes =
        json!({ "name": "probes", "description": "What load balancers and tools ask, without a token." });
    of_services.chain([probes]).collect()
}

/// The paths so far. Two that differ only in the names of their variables are one path, which has the names that came first.
#[derive(Default)]
struct Paths {
    by_shape: BTreeMap<String, Route>,
    all: Map<String, Value>,
}

impl Paths {
    /// The path that a route is listed under, and what its variables are called there.
    fn path(&mut self, route: &Route) -> (String, Vec<String>) {
        let segments = route.template.split('/');
        let shape: Vec<&str> = segments
            .map(|segment| if segment.starts_with('{') { "{}" } else { segment })
            .collect();
        let first = self
            .by_shape
            .entry(shape.join("/"))
            .or_insert_with(|| route.clone());
        let shown = first.variables().into_iter().map(str::to_owned);
        (first.template.clone(), shown.collect())
    }

    /// # Errors
    /// A verb that OpenAPI does not know, or one that the path has already.
    fn add(&mut self, path: String, method: &Method, route: &Route, operation: Value) -> Result<(), Error> {
        let verb = route.verb.to_ascii_lowercase();
        let refused = |problem: String| Error::Route {
            method: method.grpc_path(),
            problem,
        };
        if !VERBS.contains(&verb.as_str()) {
            return Err(refused(format!("OpenAPI has no verb {}", route.verb)));
        }
        let item = self.all.entry(path).or_insert_with(|| json!({}));
        let before = item.as_object_mut().and_then(|item| item.insert(verb, operation));
        match before {
            None => Ok(()),
            Some(_) => Err(refused(format!(
                "{} {} is bound twice",
                route.verb, route.template
            ))),
        }
    }
}
