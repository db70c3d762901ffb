//! `chamois api list`.

use clap::Args;
use openapi::{Catalogue, Method, summary};
use serde_json::{Value, json};

use super::catalogue;
use super::shown::short;
use crate::args::GlobalArgs;
use crate::error::CliError;
use crate::output::{self, Shape, column, wide};

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
    let rows: Vec<Row> = methods.iter().map(|method| row(&catalogue, method)).collect();
    output::list_of_values(global, &json_of(&catalogue, &methods), &rows, &METHODS, |row| {
        row.json.clone()
    })
}

fn matches(method: &Method, filter: &str) -> bool {
    let filter = filter.to_ascii_lowercase();
    let routes = method.routes().iter().map(|route| route.template.as_str());
    let mut texts = [method.name(), method.permission()].into_iter().chain(routes);
    texts.any(|text| text.to_ascii_lowercase().contains(&filter))
}

/// A method with what the catalogue says of it.
struct Row {
    name: String,
    http: String,
    permission: String,
    summary: String,
    json: Value,
}

const METHODS: Shape<Row> = Shape {
    message: "",
    key: |row| row.name.clone(),
    columns: &[
        column("METHOD", |row| short(&row.name).to_owned()),
        column("HTTP", |row| row.http.clone()),
        column("PERMISSION", |row| row.permission.clone()),
        column("WHAT", |row| row.summary.clone()),
        wide("FULL NAME", |row| row.name.clone()),
    ],
};

fn row(catalogue: &Catalogue, method: &Method) -> Row {
    Row {
        name: method.name().to_owned(),
        http: routes(method).join(", "),
        permission: method.permission().to_owned(),
        summary: summary(catalogue.comments().method(method.descriptor())),
        json: json!({
            "method": method.name(),
            "http": routes(method),
            "permission": method.permission(),
            "caller": method.caller(),
            "comment": catalogue.comments().method(method.descriptor()),
        }),
    }
}

fn json_of(catalogue: &Catalogue, methods: &[&Method]) -> Value {
    methods.iter().map(|method| row(catalogue, method).json).collect()
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
        let rows: Vec<Row> = methods.iter().map(|method| row(&catalogue, method)).collect();
        let table = output::plain(&rows, &METHODS);
        assert!(table.contains("smd.read"), "{table}");
    }
}
