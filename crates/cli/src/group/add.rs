//! `chamois group add`.

use clap::Args;
use model::{GroupLabel, Xname};
use proto::smd::v1::AddGroupMemberRequest;
use proto::smd::v1::group_service_client::GroupServiceClient;

use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::output;

/// `chamois group add`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois group add compute x1000c0s0b0n0
  chamois group add compute x1000c0s0b0n0,x1000c0s0b1n0

Each must exist and must not be a member yet; if one is wrong, none is added.")]
pub struct AddArgs {
    /// Label, as `chamois group list` shows it
    #[arg(value_parser = super::label)]
    pub label: GroupLabel,
    /// Xnames of the new members
    #[arg(required = true, value_delimiter = ',', value_name = "XNAME", value_parser = super::xname)]
    pub members: Vec<Xname>,
}

pub(super) async fn run(global: &GlobalArgs, args: AddArgs) -> Result<(), CliError> {
    let mut client = GroupServiceClient::new(connect::to_any(global)?);
    let request = AddGroupMemberRequest {
        label: args.label.to_string(),
        ids: super::texts(&args.members),
        ..Default::default()
    };
    let answer = client.add_group_member(request).await;
    let answer = answer
        .map_err(|status| super::refused(status, &args.label))?
        .into_inner();
    output::done(global, ("chamois.smd.v1.ResourceUris", &answer), || {
        format!(
            "added {} to {} (revision {})",
            super::counted(args.members.len()),
            args.label,
            answer.revision
        )
    })
}
