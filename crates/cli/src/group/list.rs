//! `chamois group list`.

use clap::Args;
use model::GroupLabel;
use proto::smd::v1::group_service_client::GroupServiceClient;
use proto::smd::v1::{Group, ListGroupsRequest};

use crate::args::GlobalArgs;
use crate::connect::{self, ANSWER_BYTES_MAX};
use crate::error::CliError;
use crate::output::{self, Format};

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
}

pub(super) async fn run(global: &GlobalArgs, args: ListArgs) -> Result<(), CliError> {
    let connection = connect::to_any(global)?;
    let mut client = GroupServiceClient::new(connection).max_decoding_message_size(ANSWER_BYTES_MAX);
    let request = ListGroupsRequest {
        tag: super::texts(&args.tag),
        ..Default::default()
    };
    let answer = client.list_groups(request).await?.into_inner();
    match global.output {
        Format::Json => output::print_json("chamois.smd.v1.ListGroupsResponse", &answer),
        Format::Table => output::print(render(&answer.groups)),
    }
}

/// One row per group; its members are counted, `show` names them.
fn render(groups: &[Group]) -> comfy_table::Table {
    let mut table = output::table(["LABEL", "MEMBERS", "EXCLUSIVE GROUP", "TAGS", "DESCRIPTION"]);
    for group in groups {
        let members = group.members.as_ref().map_or(0, |members| members.ids.len());
        table.add_row([
            group.label.clone(),
            members.to_string(),
            group.exclusive_group.clone(),
            group.tags.join(", "),
            group.description.clone(),
        ]);
    }
    table
}

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
        let text = render(&[group]).to_string();
        let row = text.lines().find(|line| line.contains("compute")).unwrap();
        for word in ["128", "use", "slurm, rack1", "The first rack"] {
            assert!(row.contains(word), "{row}");
        }
    }
}
