//! `chamois cloud-init group list`.

use proto::cloud_init::v1::group_service_client::GroupServiceClient;
use proto::cloud_init::v1::{Group, ListGroupsRequest};

use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::output::{self, Format};

/// All groups in one answer: the cluster takes 8 MiB of them.
const ANSWER_BYTES_MAX: usize = 16 << 20;

pub(super) async fn run(global: &GlobalArgs) -> Result<(), CliError> {
    let client = GroupServiceClient::new(connect::to_any(global)?);
    let mut client = client.max_decoding_message_size(ANSWER_BYTES_MAX);
    let answer = client.list_groups(ListGroupsRequest {}).await?.into_inner();
    match global.output {
        Format::Json => output::print_json("chamois.cloud_init.v1.ListGroupsResponse", &answer),
        Format::Table => output::print(render(answer.groups.values())),
    }
}

fn render<'a>(groups: impl Iterator<Item = &'a Group>) -> comfy_table::Table {
    let mut table = output::table(["NAME", "DESCRIPTION", "FILE", "META-DATA"]);
    for group in groups {
        let file = match &group.file {
            Some(_) if group.secret => "secret".to_owned(),
            Some(file) => format!("{} bytes", file.content.len()),
            None => "none".to_owned(),
        };
        let keys: Vec<&str> = group
            .meta_data
            .iter()
            .flat_map(|data| data.fields.keys().map(String::as_str))
            .collect();
        table.add_row([
            group.name.clone(),
            group.description.clone(),
            file,
            keys.join(", "),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::cloud_init::v1::GroupFile;

    #[test]
    fn a_group_without_a_file_says_so() {
        let file = GroupFile {
            content: "#cloud-config\n".into(),
            ..Default::default()
        };
        let with_file = Group {
            name: "compute".into(),
            file: Some(file),
            ..Default::default()
        };
        let bare = Group {
            name: "io".into(),
            ..Default::default()
        };
        let text = render([with_file, bare].iter()).to_string();
        let line = |name: &str| {
            text.lines()
                .find(|line| line.contains(name))
                .unwrap_or_default()
                .to_owned()
        };
        assert!(
            line("compute").contains("14 bytes") && line("io").contains("none"),
            "{text}"
        );
    }
}
