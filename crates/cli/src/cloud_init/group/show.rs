//! `chamois cloud-init group show`.

use clap::Args;
use proto::cloud_init::v1::group_service_client::GroupServiceClient;
use proto::cloud_init::v1::{GetGroupRequest, Group};

use crate::args::GlobalArgs;
use crate::cloud_init::fields;
use crate::connect;
use crate::error::{CliError, Kind};
use crate::output;

/// `chamois cloud-init group show`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  chamois cloud-init group show compute")]
pub struct ShowArgs {
    /// Label of the SMD group
    pub name: String,
}

pub(super) async fn run(global: &GlobalArgs, args: ShowArgs) -> Result<(), CliError> {
    let mut client = GroupServiceClient::new(connect::to_any(global)?);
    let request = GetGroupRequest { name: args.name };
    let group = client
        .get_group(request)
        .await
        .map_err(|status| explain(status.into()))?;
    let group = group.into_inner();
    let text = render(&group)?;
    output::object(
        global,
        ("chamois.cloud_init.v1.Group", &group),
        &group.name,
        || text,
    )
}

/// The fields, then the file as it is.
fn render(group: &Group) -> Result<String, CliError> {
    let meta_data = match &group.meta_data {
        Some(meta_data) => output::to_json("google.protobuf.Struct", meta_data)?,
        None => String::new(),
    };
    let file = group.file.clone().unwrap_or_default();
    let table = fields(&[
        ("name", group.name.clone()),
        ("description", group.description.clone()),
        (
            "secret",
            if group.secret {
                "yes".to_owned()
            } else {
                String::new()
            },
        ),
        ("sealed", group.sealed.join(", ")),
        ("meta-data", meta_data),
        ("filename", file.filename),
        ("encoding", file.encoding),
    ]);
    Ok(format!("{table}\n{}", file.content).trim_end().to_owned())
}

fn explain(error: CliError) -> CliError {
    match error.kind() {
        Kind::NotFound => {
            error.with_remedy("`chamois cloud-init group list` shows the groups that have data.")
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_stands_below_as_it_is() {
        let file = proto::cloud_init::v1::GroupFile {
            content: "#cloud-config\nruncmd: [date]\n".into(),
            encoding: "plain".into(),
            ..Default::default()
        };
        let group = Group {
            name: "compute".into(),
            file: Some(file),
            ..Default::default()
        };
        let text = render(&group).unwrap();
        assert!(
            text.contains("plain") && text.ends_with("\n#cloud-config\nruncmd: [date]"),
            "{text}"
        );
    }
}
