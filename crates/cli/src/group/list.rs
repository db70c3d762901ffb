//! `chamois group list`.

use clap::Args;
use model::GroupLabel;
use proto::smd::v1::group_service_client::GroupServiceClient;
use proto::smd::v1::{Group, ListGroupsRequest};
use proto::watch::v1::object::Kind;

use crate::args::GlobalArgs;
use crate::connect::{self, ANSWER_BYTES_MAX};
use crate::error::CliError;
use crate::output::{self, Changes, Shape, WatchArg, column, wide};

/// Filters: values of one option are alternatives, options add up.
#[derive(Clone, Debug, Default, Args)]
#[command(after_help = "\
Examples:
  chamois group list
  chamois group list --tag slurm
  chamois group list -o json")]
pub struct ListArgs {
    /// Tags
    #[arg(long, value_delimiter = ',', value_name = "TAG", value_parser = super::label)]
    pub tag: Vec<GroupLabel>,
    /// Whether to go on.
    #[command(flatten)]
    pub watch: WatchArg,
}

pub(super) async fn run(global: &GlobalArgs, args: ListArgs) -> Result<(), CliError> {
    let connection = connect::to_any(global)?;
    let mut client = GroupServiceClient::new(connection).max_decoding_message_size(ANSWER_BYTES_MAX);
    let request = ListGroupsRequest {
        tag: super::texts(&args.tag),
        ..Default::default()
    };
    if args.watch.watch {
        let fetch = async || Ok(client.list_groups(request.clone()).await?.into_inner().groups);
        return output::follow(global, Changes::Of(&[Kind::Group]), &GROUPS, fetch).await;
    }
    let answer = client.list_groups(request).await?.into_inner();
    output::list(
        global,
        ("chamois.smd.v1.ListGroupsResponse", &answer),
        &answer.groups,
        &GROUPS,
    )
}

/// One row per group; its members are counted, `show` names them.
const GROUPS: Shape<Group> = Shape {
    message: "chamois.smd.v1.Group",
    key: |group| group.label.clone(),
    columns: &[
        column("LABEL", |group| group.label.clone()),
        column("MEMBERS", |group| {
            let members = group.members.as_ref().map_or(0, |members| members.ids.len());
            members.to_string()
        }),
        wide("EXCLUSIVE GROUP", |group| group.exclusive_group.clone()),
        column("TAGS", |group| group.tags.join(", ")),
        column("DESCRIPTION", |group| group.description.clone()),
    ],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_one_row_with_the_number_of_its_members() {
        let group = Group {
            label: "compute".into(),
            description: "The first rack".into(),
            exclusive_group: "use".into(),
            tags: vec!["slurm".into(), "rack1".into()],
            members: Some(proto::smd::v1::GroupMembers {
                ids: vec![String::new(); 128],
            }),
            meta: None,
        };
        let text = output::plain(&[group], &GROUPS);
        let row = text.lines().find(|line| line.contains("compute")).unwrap();
        for word in ["128", "use", "slurm, rack1", "The first rack"] {
            assert!(row.contains(word), "{row}");
        }
    }
}
