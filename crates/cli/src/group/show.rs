//! `chamois group show`.

use std::fmt::Write as _;

use clap::Args;
use model::GroupLabel;
use proto::smd::v1::group_service_client::GroupServiceClient;
use proto::smd::v1::{GetGroupRequest, Group};

use crate::args::GlobalArgs;
use crate::connect::{self, ANSWER_BYTES_MAX};
use crate::error::CliError;
use crate::output;
use crate::utc;

/// `chamois group show`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois group show compute
  chamois group show compute -o json | jq -r '.members.ids[]'")]
pub struct ShowArgs {
    /// Label, as `chamois group list` shows it
    #[arg(value_parser = super::label)]
    pub label: GroupLabel,
}

pub(super) async fn run(global: &GlobalArgs, args: ShowArgs) -> Result<(), CliError> {
    let connection = connect::to_any(global)?;
    let mut client = GroupServiceClient::new(connection).max_decoding_message_size(ANSWER_BYTES_MAX);
    let request = GetGroupRequest {
        label: args.label.to_string(),
        ..Default::default()
    };
    let answer = client.get_group(request).await;
    let group = answer
        .map_err(|status| super::refused(status, &args.label))?
        .into_inner();
    output::object(global, ("chamois.smd.v1.Group", &group), &group.label, || {
        render(&group).trim_end().to_owned()
    })
}

/// What is not set is left out; members come last, one in a line.
fn render(group: &Group) -> String {
    let meta = group.meta.clone().unwrap_or_default();
    let change = |change: Option<proto::http::v1::Change>| match change {
        Some(change) => format!(
            "{} by {} (revision {})",
            utc::timestamp(change.at_ms),
            change.principal,
            change.revision
        ),
        None => String::new(),
    };
    let ids = group.members.as_ref().map_or(&[][..], |members| &members.ids[..]);
    let mut text = String::new();
    for (name, value) in [
        ("label", group.label.clone()),
        ("description", group.description.clone()),
        ("exclusive group", group.exclusive_group.clone()),
        ("tags", group.tags.join(", ")),
        ("created", change(meta.created)),
        ("modified", change(meta.modified)),
        ("members", ids.len().to_string()),
    ] {
        if !value.is_empty() {
            writeln!(text, "{name:<16} {value}").expect("a String takes everything");
        }
    }
    for id in ids {
        writeln!(text, "  {id}").expect("a String takes everything");
    }
    text
}

#[cfg(test)]
mod tests {
    use proto::http::v1::{Change, ObjectMeta};
    use proto::smd::v1::GroupMembers;

    use super::*;

    #[test]
    fn a_group_is_shown_with_who_changed_it_and_its_members() {
        let change = Some(Change {
            revision: 7,
            at_ms: 1_764_054_000_000,
            principal: "user/admin".into(),
        });
        let group = Group {
            label: "compute".into(),
            tags: vec!["slurm".into()],
            members: Some(GroupMembers {
                ids: vec!["x0c0s0b0n0".into(), "x0c0s1b0n0".into()],
            }),
            meta: Some(ObjectMeta {
                created: change.clone(),
                modified: change,
            }),
            ..Group::default()
        };
        let expected = "\
label            compute
tags             slurm
created          2025-11-25T07:00:00Z by user/admin (revision 7)
modified         2025-11-25T07:00:00Z by user/admin (revision 7)
members          2
  x0c0s0b0n0
  x0c0s1b0n0
";
        assert_eq!(render(&group), expected);
        assert_eq!(render(&Group::default()), "members          0\n");
    }
}
