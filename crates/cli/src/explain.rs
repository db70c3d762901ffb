//! `chamois explain`: fields of what can be declared, and of everything else in the API.

use clap::Args;
use openapi::{Catalogue, summary};
use serde_json::{Value, json};

use crate::api::{catalogue, explain as api};
use crate::args::GlobalArgs;
use crate::declared;
use crate::error::CliError;
use crate::output::{self, Shape, column, wide};

/// `chamois explain`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois explain                               the kinds that there are
  chamois explain BootConfiguration             what a document of this kind has in its spec
  chamois explain BootConfiguration.hosts       one field
  chamois explain component.State               a field, and its values

Other names are those of `chamois api explain`. Needs no cluster.")]
pub struct ExplainArgs {
    /// A kind that can be declared, with or without a field; without it all kinds are listed
    #[arg(value_name = "RESOURCE[.FIELD]")]
    pub name: Option<String>,
}

/// A kind that can be declared.
struct Row {
    kind: &'static str,
    message: &'static str,
    what: String,
}

const KINDS: Shape<Row> = Shape {
    message: "",
    key: |row| row.kind.to_owned(),
    columns: &[
        column("KIND", |row| row.kind.to_owned()),
        column("WHAT", |row| row.what.clone()),
        wide("MESSAGE", |row| row.message.to_owned()),
    ],
};

pub(crate) fn run(global: &GlobalArgs, args: &ExplainArgs) -> Result<(), CliError> {
    if let Some(name) = &args.name {
        let name = full_name(name);
        return api::run(global, &api::ExplainArgs { name });
    }
    let rows = rows(&catalogue()?);
    let document: Value = rows.iter().map(line).collect();
    output::list_of_values(global, &document, &rows, &KINDS, line)
}

/// All kinds, with what the first sentence about each says.
fn rows(catalogue: &Catalogue) -> Vec<Row> {
    let what = |message: &str| {
        let described = catalogue.pool().get_message_by_name(message);
        described.map_or_else(String::new, |described| {
            summary(catalogue.comments().message(&described))
        })
    };
    let kinds = declared::kinds();
    kinds
        .map(|(kind, message)| Row {
            kind,
            message,
            what: what(message),
        })
        .collect()
}

fn line(row: &Row) -> Value {
    json!({ "kind": row.kind, "message": row.message, "what": row.what })
}

/// A kind gives way to its message.
fn full_name(name: &str) -> String {
    let (kind, field) = match name.split_once('.') {
        Some((kind, field)) => (kind, Some(field)),
        None => (name, None),
    };
    match (declared::message_of(kind), field) {
        (None, _) => name.to_owned(),
        (Some(message), None) => message.to_owned(),
        (Some(message), Some(field)) => format!("{message}.{field}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_says_what_it_is() {
        let rows = rows(&catalogue().unwrap());
        assert!(rows.iter().any(|row| row.kind == "BootConfiguration"));
        for row in &rows {
            assert!(!row.what.is_empty(), "{}", row.kind);
            assert_eq!(full_name(row.kind), row.message);
        }
    }

    #[test]
    fn a_kind_is_its_message_and_everything_else_is_of_the_api() {
        for (name, full) in [
            ("component", "chamois.smd.v1.Component"),
            (
                "boot-configuration.hosts",
                "chamois.bss.v1.BootConfiguration.hosts",
            ),
            (
                "CloudInitGroup.meta-data",
                "chamois.cloud_init.v1.Group.meta-data",
            ),
            ("smd.v1.Component", "smd.v1.Component"),
            ("ListComponents", "ListComponents"),
            ("/hsm/v2/groups", "/hsm/v2/groups"),
        ] {
            assert_eq!(full_name(name), full);
        }
    }
}
