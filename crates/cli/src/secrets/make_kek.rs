//! `chamois secrets make-kek`.

use std::path::PathBuf;

use clap::Args;

use super::kek_file;
use crate::args::GlobalArgs;
use crate::error::CliError;
use crate::output;

/// `chamois secrets make-kek`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois secrets make-kek --out new.key                                      the key alone
  chamois secrets make-kek --recovery-kit kit.toml --out kit-2.toml           the key in the next recovery kit

Put the key on every member where `[secrets]` of its configuration says, beside the one that is there; then
`chamois secrets rotate-kek --to ID`, and when `chamois secrets status` shows nothing retiring take the old one away.")]
pub struct MakeKekArgs {
    /// File to make; one that is there is left as it is, and its key shown
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// The recovery kit so far: FILE becomes the next one
    #[arg(long, value_name = "FILE")]
    pub recovery_kit: Option<PathBuf>,
}

pub(super) fn run(global: &GlobalArgs, args: &MakeKekArgs) -> Result<(), CliError> {
    let new = kek_file::kept(&args.out, args.recovery_kit.as_deref())?;
    output::done_value(
        global,
        &serde_json::json!({ "id": new.id, "file": args.out }),
        || format!("{}: key {}", args.out.display(), new.id),
    )
}
