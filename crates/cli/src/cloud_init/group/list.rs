//! `chamois cloud-init group list`.

use proto::cloud_init::v1::group_service_client::GroupServiceClient;
use proto::cloud_init::v1::{Group, ListGroupsRequest};

use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::output::{self, Shape, column, wide};

/// All groups in one answer: the cluster takes 8 MiB of them.
const ANSWER_BYTES_MAX: usize = 16 << 20;

pub(super) async fn run(global: &GlobalArgs) -> Result<(), CliError> {
    let client = GroupServiceClient::new(connect::to_any(global)?);
    let mut client = client.max_decoding_message_size(ANSWER_BYTES_MAX);
    let answer = client.list_groups(ListGroupsRequest {}).await?.into_inner();
    let rows: Vec<Group> = answer.groups.values().cloned().collect();
    let whole = ("chamois.cloud_init.v1.ListGroupsResponse", &answer);
    output::list(global, whole, &rows, &GROUPS)
}

/// A row per group.
const GROUPS: Shape<Group> = Shape {
    message: "chamois.cloud_init.v1.Group",
    key: |group| group.name.clone(),
    columns: &[
        column("NAME", |group| group.name.clone()),
        column("DESCRIPTION", |group| group.description.clone()),
        column("FILE", |group| match &group.file {
            Some(_) if group.secret => "secret".to_owned(),
            Some(file) => format!("{} bytes", file.content.len()),
            None => "none".to_owned(),
        }),
        wide("META-DATA", |group| {
            let data = group.meta_data.iter();
            let keys = data.flat_map(|data| data.fields.keys().map(String::as_str));
            keys.collect::<Vec<_>>().join(", ")
        }),
    ],
};

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
        let text = output::plain(&[with_file, bare], &GROUPS);
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
