//! `chamois configure targets`.

use clap::Args;
use configurator::Target;
use serde::Serialize;

use super::print;
use crate::args::GlobalArgs;
use crate::error::{CliError, Kind};
use crate::output;

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

pub(super) fn run(global: &GlobalArgs, args: &TargetsArgs) -> Result<(), CliError> {
    let Some(name) = &args.target else {
        let rows: Vec<Row> = configurator::targets().iter().map(row).collect();
        return print(global, &rows, || table(&rows));
    };
    let found = configurator::target(name);
    let found = row(found.map_err(|error| CliError::new(Kind::NotFound, error.to_string()))?);
    print(global, &found, || whole(&found))
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

fn table(rows: &[Row]) -> String {
    let mut table = output::table(["TARGET", "FILES", "OPTIONS", "CHECKED BY"]);
    for row in rows {
        let options: Vec<&str> = row.options.iter().map(|option| option.name).collect();
        table.add_row([
            row.name,
            row.summary,
            &options.join(", "),
            &row.checkers.join(", "),
        ]);
    }
    table.to_string()
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

    #[test]
    fn every_target_is_listed_with_its_options() {
        let rows: Vec<Row> = configurator::targets().iter().map(row).collect();
        let text = table(&rows);
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
