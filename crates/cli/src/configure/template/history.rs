//! `chamois configure template history`.

use super::NameArgs;
use crate::args::GlobalArgs;
use crate::boot::history::{self, HistoryArgs};
use crate::boot::versioned::Versioned;
use crate::error::CliError;

pub(super) async fn run(global: &GlobalArgs, args: NameArgs) -> Result<(), CliError> {
    let object = Versioned::template(args.name);
    history::run(global, HistoryArgs { object }).await
}
