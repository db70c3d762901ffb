//! `chamois configure check`: the configuration of this host, and files as the programs that read them see them.

use clap::Args;
use configurator::View;
use configurator::apply::{self, ApplyError};
use serde::Serialize;

use super::{SiteArgs, feed, print_list, work};
use crate::args::GlobalArgs;
use crate::error::{CliError, Kind};
use crate::output::{self, Shape, column};

/// `chamois configure check`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois configure check               the configuration, and all files by their programs
  chamois configure check --offline     the configuration only; no member is asked")]
pub struct CheckArgs {
    /// Only these file sets
    #[arg(value_name = "SET")]
    pub sets: Vec<String>,
    /// Where the configuration of this host is.
    #[command(flatten)]
    pub site: SiteArgs,
    /// Check the configuration only
    #[arg(long)]
    pub offline: bool,
}

/// One set, for programs.
#[derive(Serialize)]
struct Row {
    set: String,
    files: usize,
    accepted: bool,
    /// What was not checked, or what is wrong.
    notes: Vec<String>,
}

const CHECKED: Shape<Row> = Shape {
    message: "",
    key: |row| row.set.clone(),
    columns: &[
        column("SET", |row| row.set.clone()),
        column("FILES", |row| row.files.to_string()),
        column("ACCEPTED", |row| {
            if row.accepted { "yes" } else { "no" }.to_owned()
        }),
        column("NOTES", |row| row.notes.join("; ")),
    ],
};

pub(super) async fn run(global: &GlobalArgs, args: CheckArgs) -> Result<(), CliError> {
    let settings = args.site.read()?;
    let sets = settings
        .sets(&args.sets)
        .map_err(|error| super::cli_error(&error))?;
    if args.offline {
        return output::print(format_args!(
            "{}: {} file sets",
            args.site.config.display(),
            sets.len()
        ));
    }
    let inventory = feed::inventory(global).await?;
    let secrets = work::secrets(global, &sets, &inventory).await;
    let view = View::of(&inventory);
    let rows: Vec<Row> = sets
        .iter()
        .map(|set| {
            let checked = work::render(set, &inventory, &view, &secrets)
                .and_then(|rendered| Ok((rendered.files.len(), apply::check(set, &rendered)?)));
            row(&set.name, checked)
        })
        .collect();
    print_list(global, &rows, &CHECKED)?;
    judge(&rows)
}

fn judge(rows: &[Row]) -> Result<(), CliError> {
    let refused = rows.iter().filter(|row| !row.accepted).count();
    let kind = match refused {
        0 => return Ok(()),
        all if all == rows.len() => Kind::Other,
        _ => Kind::Partly,
    };
    let text = format!("{refused} of {} file sets are not accepted", rows.len());
    Err(CliError::new(kind, text))
}

fn row(set: &str, checked: Result<(usize, Vec<String>), ApplyError>) -> Row {
    let (files, accepted, notes) = match checked {
        Ok((files, notes)) => (files, true, notes),
        Err(error) => (0, false, vec![super::whole_text(&error)]),
    };
    Row {
        set: set.to_owned(),
        files,
        accepted,
        notes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_that_is_not_accepted_says_why() {
        let refused = ApplyError::Check {
            program: "named-checkzone".to_owned(),
            problem: "line 7: bad owner name".to_owned(),
        };
        let rows = [row("hosts", Ok((1, Vec::new()))), row("dns", Err(refused))];
        let text = output::plain(&rows, &CHECKED);
        assert!(text.contains("bad owner name") && text.contains("yes"), "{text}");
        assert_eq!(judge(&rows).unwrap_err().kind(), Kind::Partly);
        assert_eq!(judge(&rows[1..]).unwrap_err().kind(), Kind::Other);
        assert!(judge(&rows[..1]).is_ok() && judge(&[]).is_ok());
        assert_eq!(rows.map(|row| row.accepted), [true, false]);
    }
}
