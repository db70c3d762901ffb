//! `chamois configure revisions`: what is kept on this host.

use clap::Args;
use configurator::apply::{ApplyError, BEFORE, FileSet, Settings, Version};
use serde::Serialize;

use super::{SiteArgs, print_list};
use crate::args::GlobalArgs;
use crate::error::CliError;
use crate::output::{Shape, column};
use crate::utc;

/// `chamois configure revisions`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois configure revisions
  chamois configure revisions dns

`chamois configure rollback SET --to REVISION` goes back to one. Revision 0 is what was there before this program.")]
pub struct RevisionsArgs {
    /// Only these file sets
    #[arg(value_name = "SET")]
    pub sets: Vec<String>,
    /// Where the configuration of this host is.
    #[command(flatten)]
    pub site: SiteArgs,
}

/// One version, for programs.
#[derive(Serialize)]
struct Row {
    set: String,
    revision: String,
    /// In place since, or was from.
    at: String,
    files: Vec<String>,
    /// Whether it is in place.
    current: bool,
    /// Whether it is in place because the set was rolled back to it.
    held: bool,
}

const REVISIONS: Shape<Row> = Shape {
    message: "",
    key: |row| format!("{}/{}", row.set, row.revision),
    columns: &[
        column("SET", |row| row.set.clone()),
        column("REVISION", |row| row.revision.clone()),
        column("WRITTEN", |row| row.at.clone()),
        column("FILES", files),
        column("", |row| mark(row).to_owned()),
    ],
};

pub(super) fn run(global: &GlobalArgs, args: &RevisionsArgs) -> Result<(), CliError> {
    let settings = args.site.read()?;
    let sets = settings
        .sets(&args.sets)
        .map_err(|error| super::cli_error(&error))?;
    let mut rows = Vec::new();
    for set in sets {
        rows.extend(of_set(&settings, set)?);
    }
    print_list(global, &rows, &REVISIONS)
}

/// The newest first.
fn of_set(settings: &Settings, set: &FileSet) -> Result<Vec<Row>, CliError> {
    let of = || {
        Ok((
            settings.state.versions(&set.name)?,
            settings.state.is_held(&set.name)?,
        ))
    };
    let ((versions, current), held) = of().map_err(|error: ApplyError| super::cli_error(&error))?;
    let versions = versions.iter().rev();
    Ok(versions
        .map(|version| row(&set.name, version, current.as_deref(), held))
        .collect())
}

fn row(set: &str, version: &Version, current: Option<&str>, held: bool) -> Row {
    let is_current = current == Some(version.id.as_str());
    let files = version
        .files
        .iter()
        .map(|file| file.destination.display().to_string());
    Row {
        set: set.to_owned(),
        revision: version.id.clone(),
        at: utc::timestamp(version.at_s.saturating_mul(1000)),
        files: files.collect(),
        current: is_current,
        held: is_current && held,
    }
}

fn mark(row: &Row) -> &'static str {
    match (row.current, row.held) {
        (true, true) => "in place, rolled back",
        (true, false) => "in place",
        (false, _) if row.revision == BEFORE => "before",
        (false, _) => "",
    }
}

fn files(row: &Row) -> String {
    match row.files.as_slice() {
        [one] => one.clone(),
        files => format!("{} files", files.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(id: &str) -> Version {
        Version {
            id: id.to_owned(),
            revision: 1,
            at_s: 0,
            secret: false,
            files: Vec::new(),
        }
    }

    #[test]
    fn the_version_in_place_is_marked() {
        let rows = [
            row("dns", &version("7"), Some("5"), true),
            row("dns", &version("5"), Some("5"), true),
            row("dns", &version(BEFORE), Some("5"), true),
        ];
        assert_eq!(rows.each_ref().map(|row| row.held), [false, true, false]);
        let text = crate::output::plain(&rows, &REVISIONS);
        assert!(
            text.contains("in place, rolled back") && text.contains("before"),
            "{text}"
        );
    }
}
