//! `chamois group remove`.

use clap::Args;
use model::{GroupLabel, Xname};
use proto::smd::v1::RemoveGroupMemberRequest;
use proto::smd::v1::group_service_client::GroupServiceClient;

use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::output;

/// `chamois group remove`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  chamois group remove compute x1000c0s0b0n0 x1000c0s0b1n0

Each must be a member; if one is not, none is removed. A component that is deleted leaves its groups by itself.")]
pub struct RemoveArgs {
    /// Label, as `chamois group list` shows it
    #[arg(value_parser = super::label)]
    pub label: GroupLabel,
    /// Xnames of the members that leave
    #[arg(required = true, value_delimiter = ',', value_name = "XNAME", value_parser = super::xname)]
    pub members: Vec<Xname>,
}

pub(super) async fn run(global: &GlobalArgs, args: RemoveArgs) -> Result<(), CliError> {
    let mut client = GroupServiceClient::new(connect::to_any(global)?);
    let request = RemoveGroupMemberRequest {
        label: args.label.to_string(),
        ids: super::texts(&args.members),
        ..Default::default()
    };
    let answer = client.remove_group_member(request).await;
    let answer = answer
        .map_err(|status| super::refused(status, &args.label))?
        .into_inner();
    output::done(global, ("chamois.smd.v1.DeleteResponse", &answer), || {
        format!(
            "removed {} from {} (revision {})",
            super::counted(args.members.len()),
            args.label,
            answer.revision
        )
    })
}
