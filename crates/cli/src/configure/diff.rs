//! `chamois configure diff`: what an apply would change.

use clap::Args;
use configurator::View;
use configurator::apply::{self, ApplyError, ChangeKind, FileSet, Settings};
use serde::Serialize;

use super::{SiteArgs, feed, print, work};
use crate::args::GlobalArgs;
use crate::error::{CliError, Kind};
use crate::output::{self, Format};

/// `chamois configure diff`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois configure diff
  chamois configure diff hosts dns --exit-code     exit code 1 if anything would change, for scripts")]
pub struct DiffArgs {
    /// Only these file sets
    #[arg(value_name = "SET")]
    pub sets: Vec<String>,
    /// Where the configuration of this host is.
    #[command(flatten)]
    pub site: SiteArgs,
    /// End with exit code 1 if a file would change
    #[arg(long)]
    pub exit_code: bool,
}

/// What would become of a set, for programs.
#[derive(Serialize)]
pub(super) struct Row {
    pub(super) set: String,
    pub(super) revision: u64,
    pub(super) files: Vec<FileRow>,
    /// Unified.
    pub(super) diff: String,
    /// Why it would fail.
    pub(super) problem: Option<String>,
}

#[derive(Serialize)]
pub(super) struct FileRow {
    path: String,
    kind: ChangeKind,
}

pub(super) async fn run(global: &GlobalArgs, args: DiffArgs) -> Result<(), CliError> {
    let settings = args.site.read()?;
    // what is not ours is shown, too: that is how somebody decides whether it may be replaced
    let rows = rows(global, &settings, &args.sets, false, true).await?;
    show(global, &rows)?;
    judge(&rows)?;
    match args.exit_code && rows.iter().any(|row| !row.files.is_empty()) {
        true => Err(CliError::new(Kind::Other, "files would change")),
        false => Ok(()),
    }
}

/// What would become of the sets; with `checked` their files are checked, too, without `adopt` a file that is not ours is a problem, as
/// it is to an apply.
pub(super) async fn rows(
    global: &GlobalArgs,
    settings: &Settings,
    names: &[String],
    checked: bool,
    adopt: bool,
) -> Result<Vec<Row>, CliError> {
    let sets = settings.sets(names).map_err(|error| super::cli_error(&error))?;
    let inventory = feed::inventory(global).await?;
    let secrets = work::secrets(global, &sets, &inventory).await;
    let view = View::of(&inventory);
    let row = |set: &&FileSet| {
        let planned = work::render(set, &inventory, &view, &secrets).and_then(|rendered| {
            if checked {
                apply::check(set, &rendered)?;
            }
            apply::plan(set, &rendered, &settings.state, adopt)
        });
        row(set, planned)
    };
    Ok(sets.iter().map(row).collect())
}

fn row(set: &FileSet, planned: Result<apply::Plan, ApplyError>) -> Row {
    match planned {
        Ok(plan) => Row {
            set: set.name.clone(),
            revision: plan.revision,
            files: plan
                .changes
                .iter()
                .map(|change| FileRow {
                    path: change.destination.display().to_string(),
                    kind: change.kind,
                })
                .collect(),
            diff: apply::unified(&plan),
            problem: None,
        },
        Err(error) => Row {
            set: set.name.clone(),
            revision: 0,
            files: Vec::new(),
            diff: String::new(),
            problem: Some(super::whole_text(&error)),
        },
    }
}

/// The changes, which `patch` reads; nothing where nothing would change. As names: the sets that would.
pub(super) fn show(global: &GlobalArgs, rows: &[Row]) -> Result<(), CliError> {
    if global.output.is_document() {
        return print(global, &rows, "", String::new);
    }
    let changing = rows.iter().filter(|row| !row.files.is_empty());
    match global.output {
        Format::Name => output::print_lines(&changing.map(|row| row.set.clone()).collect::<Vec<_>>()),
        _ => output::write(&text(rows)),
    }
}

fn text(rows: &[Row]) -> String {
    rows.iter().map(|row| row.diff.as_str()).collect()
}

/// Names the sets that would fail.
pub(super) fn judge(rows: &[Row]) -> Result<(), CliError> {
    let failed: Vec<String> = rows
        .iter()
        .filter_map(|row| Some(format!("{}: {}", row.set, row.problem.as_ref()?)))
        .collect();
    match failed.len() {
        0 => Ok(()),
        count if count == rows.len() => Err(CliError::new(Kind::Other, failed.join("\n"))),
        _ => Err(CliError::new(Kind::Partly, failed.join("\n"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(problem: Option<&str>) -> Row {
        Row {
            set: "hosts".to_owned(),
            revision: 7,
            files: Vec::new(),
            diff: "--- a\n+++ b\n".to_owned(),
            problem: problem.map(str::to_owned),
        }
    }

    #[test]
    fn what_would_fail_is_named_and_the_rest_is_shown() {
        assert!(judge(&[row(None)]).is_ok());
        let error = judge(&[row(None), row(Some("line 3"))]).unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (Kind::Partly, "hosts: line 3")
        );
        assert_eq!(judge(&[row(Some("x"))]).unwrap_err().kind(), Kind::Other);
        assert_eq!(text(&[row(None), row(None)]).lines().count(), 4);
    }
}
