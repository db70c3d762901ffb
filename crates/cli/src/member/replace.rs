//! `chamois member replace`.

use clap::Args;
use proto::cluster::v1::ReplaceMemberRequest;

use crate::args::GlobalArgs;
use crate::error::CliError;
use crate::output;

/// `chamois member replace`.
#[derive(Clone, Copy, Debug, Args)]
#[command(after_help = "\
Example:
  chamois member replace 3 --with 6

The new one must have joined and caught up (`chamois member add`, `chamois join`). The old one may be dead; it never comes
back under its id.")]
pub struct ReplaceArgs {
    /// The voter that leaves
    pub id: u64,
    /// The learner that votes in its place
    #[arg(long, value_name = "ID")]
    pub with: u64,
}

pub(super) async fn run(global: &GlobalArgs, args: ReplaceArgs) -> Result<(), CliError> {
    let request = ReplaceMemberRequest {
        id: args.id,
        with: args.with,
    };
    super::client(global)?
        .replace_member(request)
        .await
        .map_err(super::refused)?;
    output::done_value(
        global,
        &serde_json::json!({ "id": args.id, "with": args.with }),
        || format!("member {} votes in place of {}", args.with, args.id),
    )
}
