//! `chamois configure apply`: files of this host, once.

use std::sync::Arc;

use clap::Args;
use configurator::apply::{ApplyError, FileSet, Settings, Wish};

use super::told::{self, Told};
use super::{SiteArgs, diff, feed, work};
use crate::args::GlobalArgs;
use crate::error::CliError;

/// `chamois configure apply`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois configure apply
  chamois configure apply --dry-run            checked and shown, nothing is written
  chamois configure apply hosts --adopt        replace a file that was written by hand, and keep it as revision 0
  chamois configure apply dns                  a set that was rolled back follows the state again

All files of a set are replaced or none. The reload hook of a set is run if a file of it was replaced.")]
pub struct ApplyArgs {
    /// Only these file sets; one that was rolled back is applied only if it is named
    #[arg(value_name = "SET")]
    pub sets: Vec<String>,
    /// Where the configuration of this host is.
    #[command(flatten)]
    pub site: SiteArgs,
    /// Check the files and show what would change, as a unified diff; write nothing, and fail where an apply would
    #[arg(long)]
    pub dry_run: bool,
    /// Replace files, too, that this program has not written; they are kept as revision 0
    #[arg(long)]
    pub adopt: bool,
}

pub(super) async fn run(global: &GlobalArgs, args: ApplyArgs) -> Result<(), CliError> {
    let settings = args.site.read()?;
    if args.dry_run {
        let rows = diff::rows(global, &settings, &args.sets, true, args.adopt).await?;
        diff::show(global, &rows)?;
        return diff::judge(&rows);
    }
    let numbers = numbers(&settings, &args.sets).map_err(|error| super::cli_error(&error))?;
    let settings = Arc::new(settings);
    let inventory = feed::inventory(global).await?;
    let sets: Vec<&FileSet> = numbers
        .iter()
        .filter_map(|at| settings.file_sets.get(*at))
        .collect();
    let secrets = work::secrets(global, &sets, &inventory).await;
    let wish = Wish {
        adopt: args.adopt,
        release: !args.sets.is_empty(),
    };
    let (_, results) = work::apply(settings.clone(), numbers.clone(), inventory, secrets, wish).await?;
    for (set, result) in sets.iter().zip(&results) {
        let told = Told {
            set: &set.name,
            result,
        };
        told.print(global)?;
    }
    told::judge(&results)
}

/// The sets of these names, or all, by number.
fn numbers(settings: &Settings, names: &[String]) -> Result<Vec<usize>, ApplyError> {
    settings.sets(names)?; // names the one that is not there
    let sets = settings.file_sets.iter().enumerate();
    let wanted = sets.filter(|(_, set)| names.is_empty() || names.contains(&set.name));
    Ok(wanted.map(|(at, _)| at).collect())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn sets_are_found_by_name() {
        let text = "[[file-set]]\ntarget = \"hosts\"\ninto = \"/etc\"\n\
                    [[file-set]]\nname = \"motd\"\ntemplate = \"motd\"\ninto = \"/etc\"\n";
        let settings = Settings::parse(text, Path::new("configure.toml")).unwrap();
        let numbers = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            numbers(&settings, &names)
        };
        assert_eq!(numbers(&[]).unwrap(), [0, 1]);
        assert_eq!(numbers(&["motd"]).unwrap(), [1]);
        assert!(
            numbers(&["nothing"])
                .unwrap_err()
                .to_string()
                .contains("hosts, motd")
        );
    }
}
