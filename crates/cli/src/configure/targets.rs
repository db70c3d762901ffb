//! `chamois configure targets`.

use clap::Args;
use configurator::Target;
use serde::Serialize;

use super::{print, print_list};
use crate::args::GlobalArgs;
use crate::error::{CliError, Kind};
use crate::output::{Shape, column, wide};

/// `chamois configure targets`.
#[derive(Clone, Debug, Args)]
pub struct TargetsArgs {
    /// Only this one, with its options and the programs that check its files
    #[arg(value_name = "TARGET")]
    pub target: Option<String>,
}

/// A target, for programs.
#[derive(Serialize)]
struct Row {
    name: &'static str,
    summary: &'static str,
    options: Vec<OptionRow>,
    checkers: Vec<&'static str>,
}

#[derive(Serialize)]
struct OptionRow {
    name: &'static str,
    meaning: &'static str,
}

const TARGETS: Shape<Row> = Shape {
    message: "",
    key: |row| row.name.to_owned(),
    columns: &[
        column("TARGET", |row| row.name.to_owned()),
        column("FILES", |row| row.summary.to_owned()),
        wide("CHECKED BY", |row| row.checkers.join(", ")),
        wide("OPTIONS", |row| {
            let names: Vec<&str> = row.options.iter().map(|option| option.name).collect();
            names.join(", ")
        }),
    ],
};

pub(super) fn run(global: &GlobalArgs, args: &TargetsArgs) -> Result<(), CliError> {
    let Some(name) = &args.target else {
        let rows: Vec<Row> = configurator::targets().iter().map(row).collect();
        return print_list(global, &rows, &TARGETS);
    };
    let found = configurator::target(name);
    let found = row(found.map_err(|error| CliError::new(Kind::NotFound, error.to_string()))?);
    print(global, &found, found.name, || whole(&found))
}

fn row(target: &Target) -> Row {
    let options = target.options.iter().map(|option| OptionRow {
        name: option.name,
        meaning: option.meaning,
    });
    let mut checkers: Vec<&str> = target.checks.iter().map(|check| check.program).collect();
    checkers.dedup();
    Row {
        name: target.name,
        summary: target.summary,
        options: options.collect(),
        checkers,
    }
}

fn whole(row: &Row) -> String {
    let mut text = format!("{}: {}\n", row.name, row.summary);
    if !row.checkers.is_empty() {
        text += &format!("checked by: {}\n", row.checkers.join(", "));
    }
    for option in &row.options {
        text += &format!("  {}: {}\n", option.name, option.meaning);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output;

    #[test]
    fn every_target_is_listed_with_its_options() {
        let rows: Vec<Row> = configurator::targets().iter().map(row).collect();
        let text = output::plain(&rows, &TARGETS);
        for row in &rows {
            assert!(text.contains(row.name), "{text}");
            assert!(
                row.options
                    .iter()
                    .all(|option| whole(row).contains(option.meaning))
            );
        }
    }
}
