//! `chamois api list`.

use clap::Args;
use openapi::{Catalogue, Method, summary};
use serde_json::{Value, json};

use super::catalogue;
use super::shown::short;
use crate::args::GlobalArgs;
use crate::error::CliError;
use crate::output;

/// `chamois api list`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois api list                    every method
  chamois api list /hsm/v2/groups     those below a route
  chamois api list power.write        those that need a permission")]
pub struct ListArgs {
    /// Only methods with this in their name, route or permission, in any case
    #[arg(value_name = "FILTER", default_value = "")]
    pub filter: String,
}

pub(super) fn run(global: &GlobalArgs, args: &ListArgs) -> Result<(), CliError> {
    let catalogue = catalogue()?;
    let methods = catalogue.methods().iter();
    let methods: Vec<&Method> = methods.filter(|method| matches(method, &args.filter)).collect();
    output::object_value(global, &json_of(&catalogue, &methods), "", || {
        table(&catalogue, &methods)
    })
}

fn matches(method: &Method, filter: &str) -> bool {
    let filter = filter.to_ascii_lowercase();
    let routes = method.routes().iter().map(|route| route.template.as_str());
    let mut texts = [method.name(), method.permission()].into_iter().chain(routes);
    texts.any(|text| text.to_ascii_lowercase().contains(&filter))
}

fn table(catalogue: &Catalogue, methods: &[&Method]) -> comfy_table::Table {
    let mut table = output::table(["METHOD", "HTTP", "PERMISSION", "WHAT"]);
    for method in methods {
        table.add_row([
            short(method.name()).to_owned(),
            routes(method).join("\n"),
            method.permission().to_owned(),
            summary(catalogue.comments().method(method.descriptor())),
        ]);
    }
    table
}

fn json_of(catalogue: &Catalogue, methods: &[&Method]) -> Value {
    let one = |method: &&Method| {
        json!({
            "method": method.name(),
            "http": routes(method),
            "permission": method.permission(),
            "caller": method.caller(),
            "comment": catalogue.comments().method(method.descriptor()),
        })
    };
    methods.iter().map(one).collect()
}

/// `GET /hsm/v2/groups`, for each route.
pub(super) fn routes(method: &Method) -> Vec<String> {
    let routes = method.routes().iter();
    routes
        .map(|route| format!("{} {}", route.verb, route.template))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(filter: &str) -> Vec<String> {
        let catalogue = catalogue().unwrap();
        let methods = catalogue.methods().iter();
        methods
            .filter(|method| matches(method, filter))
            .map(|method| method.name().to_owned())
            .collect()
    }

    #[test]
    fn names_routes_and_permissions_are_searched() {
        let all = listed("");
        assert!(all.len() > 200);
        for filter in ["groupservice", "/HSM/v2/groups", "smd.write", "GetBootScript"] {
            let some = listed(filter);
            assert!(!some.is_empty() && some.len() < all.len(), "{filter}: {some:?}");
        }
        assert!(listed("/hsm/v2/groups").iter().all(|name| name.contains("smd")));
        assert!(listed("no such thing").is_empty());
    }

    #[test]
    fn programs_get_the_same_rows() {
        let catalogue = catalogue().unwrap();
        let methods: Vec<&Method> = catalogue.methods().iter().collect();
        let json = json_of(&catalogue, &methods);
        assert_eq!(json.as_array().unwrap().len(), methods.len());
        assert!(json[0]["permission"].as_str().unwrap().contains('.'));
        let table = table(&catalogue, &methods).to_string();
        assert!(table.contains("smd.read"), "{table}");
    }
}
