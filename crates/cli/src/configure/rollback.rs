//! `chamois configure rollback`: the files of a set as they were. No member is asked: this works when nothing else does.

use clap::Args;
use configurator::apply::{self, ApplyError};

use super::SiteArgs;
use super::told::{self, Told};
use crate::args::GlobalArgs;
use crate::error::CliError;

/// `chamois configure rollback`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois configure revisions dns              what there is to go back to
  chamois configure rollback dns               to the version before the one that is in place
  chamois configure rollback dns --to 4711
  chamois configure apply dns                  follow the state again

The files are checked, replaced and reloaded as by an apply, and stay so: a watch leaves the set alone until it is applied by hand.")]
pub struct RollbackArgs {
    /// The file set
    #[arg(value_name = "SET")]
    pub set: String,
    /// The revision, as `chamois configure revisions` lists them
    #[arg(long, value_name = "REVISION")]
    pub to: Option<String>,
    /// Where the configuration of this host is.
    #[command(flatten)]
    pub site: SiteArgs,
}

pub(super) fn run(global: &GlobalArgs, args: &RollbackArgs) -> Result<(), CliError> {
    let settings = args.site.read()?;
    let back = || {
        let set = settings.set(&args.set)?;
        let locked = settings.state.lock()?;
        apply::roll_back(set, args.to.as_deref(), &locked)
    };
    let applied = back().map_err(|error: ApplyError| super::cli_error(&error))?;
    let results = [Ok(applied)];
    let told = Told {
        set: &args.set,
        result: &results[0],
    };
    told.print(global)?;
    told::judge(&results)
}
