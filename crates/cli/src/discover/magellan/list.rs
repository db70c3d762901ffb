//! `chamois discover list`.

use clap::Args;
use discovery::magellan::RemoteAsset;

use super::form::{self, Form};
use super::{Common, cache, scan};
use crate::error::CliError;
use crate::output;

/// `chamois discover list`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois discover list
  chamois discover list -F json
  chamois discover list --cache-info")]
pub(super) struct ListArgs {
    /// Only say where the cache is
    #[arg(long)]
    cache_info: bool,
    /// Form of what is printed
    #[arg(short = 'F', long, value_enum, default_value_t = Form::List)]
    format: Form,
}

pub(super) fn run(common: &Common, args: &ListArgs) -> Result<(), CliError> {
    let path = cache::path(common.cache.as_deref())?;
    if args.cache_info {
        return output::print(format_args!("cache: {}", path.display()));
    }
    let rows = cache::read(&path)?;
    let assets: Vec<RemoteAsset> = rows.into_iter().map(|row| row.asset).collect();
    form::write(None, &scan::shown(&assets, args.format))
}
