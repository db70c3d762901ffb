//! `chamois member transfer-leader`.

use clap::Args;
use proto::cluster::v1::TransferLeaderRequest;

use crate::args::GlobalArgs;
use crate::error::CliError;
use crate::output::{self, Format};

/// `chamois member transfer-leader`.
#[derive(Clone, Copy, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois member transfer-leader        to the voter that is furthest
  chamois member transfer-leader 2

Before planned work on the leader's host; no write fails meanwhile.")]
pub struct TransferLeaderArgs {
    /// The voter that is to lead
    #[arg(default_value_t = 0, hide_default_value = true)]
    pub id: u64,
}

pub(super) async fn run(global: &GlobalArgs, args: TransferLeaderArgs) -> Result<(), CliError> {
    let request = TransferLeaderRequest { to: args.id };
    let moved = super::client(global)?
        .transfer_leader(request)
        .await
        .map_err(super::refused)?;
    let leader = moved.into_inner().leader_id;
    match global.output {
        Format::Json => output::print(serde_json::json!({ "leader_id": leader })),
        Format::Table => output::print(format_args!("member {leader} leads")),
    }
}
