//! `chamois cloud-init group put`: creates or replaces.

use std::path::{Path, PathBuf};

use clap::Args;
use proto::cloud_init::v1::group_service_client::GroupServiceClient;
use proto::cloud_init::v1::{Group, GroupFile, PutGroupRequest};

use crate::args::GlobalArgs;
use crate::cloud_init::from_json;
use crate::connect;
use crate::error::{CliError, Kind};
use crate::output;

/// First lines by which cloud-init knows what a file is; it ignores any other file, with a line in the node's log.
const HEADERS: [&str; 8] = [
    "#cloud-config",
    "## template: jinja",
    "#include",
    "#!",
    "#cloud-boothook",
    "#part-handler",
    "MIME-Version:",
    "Content-Type:",
];

/// `chamois cloud-init group put`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois cloud-init group put compute --file compute.yaml
  chamois cloud-init group put compute --file compute.yaml --meta-data '{\"syslog\":\"10.97.0.2\"}'
  chamois cloud-init group put munge --file munge.yaml --secret

The file is what the members' vendor-data includes; meta-data is what jinja templates read as
ds.meta_data.instance_data.v1.vendor_data.groups.compute.syslog.
What is not given is not set: a put replaces the whole group. File and meta-data of a secret group are sealed, and given to
nodes that hold the token of their boot only; a put keeps each of them that it does not bring. What is public becomes secret with a
put that brings it once more, and is taken out of the group's history, too.")]
pub struct PutArgs {
    /// Label of the SMD group; it need not exist yet
    pub name: String,
    /// Cloud-config, script or other file of cloud-init
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Free-form JSON object, shown to the members in their meta-data
    #[arg(long, value_name = "JSON")]
    pub meta_data: Option<String>,
    /// What the group is
    #[arg(long, default_value = "", hide_default_value = true, value_name = "TEXT")]
    pub description: String,
    /// File and meta-data are secret: nobody is shown them but the members, at their boot
    #[arg(long)]
    pub secret: bool,
    /// Only if the group is at this revision, as `-o json` shows it
    #[arg(long, value_name = "REVISION")]
    pub if_revision: Option<u64>,
}

pub(super) async fn run(global: &GlobalArgs, args: PutArgs) -> Result<(), CliError> {
    let request = request(args)?;
    let name = request.name.clone();
    let mut client = GroupServiceClient::new(connect::to_any(global)?);
    let answer = client.put_group(request).await?.into_inner();
    output::done(global, ("chamois.cloud_init.v1.GroupChange", &answer), || {
        format!("stored {name} (revision {})", answer.revision)
    })
}

fn request(args: PutArgs) -> Result<PutGroupRequest, CliError> {
    let mut group = Group {
        description: args.description,
        file: args.file.as_deref().map(read).transpose()?,
        secret: args.secret,
        ..Group::default()
    };
    if let Some(text) = &args.meta_data {
        group.meta_data = Some(from_json("--meta-data", "google.protobuf.Struct", text)?);
    }
    Ok(PutGroupRequest {
        name: args.name,
        group: Some(group),
        if_revision: args.if_revision,
    })
}

/// A file that cloud-init would take.
pub(in crate::cloud_init) fn read(path: &Path) -> Result<GroupFile, CliError> {
    let shown = path.display();
    let content = std::fs::read_to_string(path)
        .map_err(|error| CliError::new(Kind::Usage, format!("cannot read {shown} as text: {error}")))?;
    if !HEADERS.iter().any(|header| content.starts_with(header)) {
        let error = CliError::new(
            Kind::Usage,
            format!("{shown}: cloud-init would ignore it, its first line does not say what it is"),
        );
        return Err(error.with_remedy(format!("Begin the file with one of: {}", HEADERS.join(", "))));
    }
    let filename = path.file_name().map(|name| name.to_string_lossy().into_owned());
    Ok(GroupFile {
        content,
        filename: filename.unwrap_or_default(),
        encoding: "plain".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(file: Option<PathBuf>, meta_data: Option<&str>) -> PutArgs {
        PutArgs {
            name: "compute".into(),
            file,
            meta_data: meta_data.map(str::to_owned),
            description: "all".into(),
            secret: false,
            if_revision: None,
        }
    }

    #[test]
    fn file_and_meta_data_are_sent_as_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.yaml");
        std::fs::write(&path, "#cloud-config\nruncmd: [date]\n").unwrap();
        let request = request(args(Some(path), Some(r#"{"syslog":"10.0.0.1","n":{"a":[1]}}"#))).unwrap();
        let group = request.group.unwrap();
        assert_eq!(
            (request.name.as_str(), group.description.as_str()),
            ("compute", "all")
        );
        let file = group.file.unwrap();
        assert_eq!(
            (
                file.content.as_str(),
                file.filename.as_str(),
                file.encoding.as_str()
            ),
            ("#cloud-config\nruncmd: [date]\n", "c.yaml", "plain")
        );
        assert_eq!(
            group.meta_data.unwrap().fields.keys().collect::<Vec<_>>(),
            ["n", "syslog"]
        );
    }

    /// It would be stored, served, and without effect on any node.
    #[test]
    fn a_file_that_cloud_init_would_ignore_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.yaml");
        std::fs::write(&path, "runcmd: [date]\n").unwrap();
        let error = request(args(Some(path), None)).unwrap_err();
        assert!(
            error.kind() == Kind::Usage && error.to_string().contains("#cloud-config"),
            "{error}"
        );
        let missing = request(args(Some(dir.path().join("no.yaml")), None)).unwrap_err();
        assert!(missing.to_string().contains("no.yaml"), "{missing}");
    }

    #[test]
    fn meta_data_must_be_an_object() {
        for wrong in ["[1]", "syslog", "{} {}", "{\"a\":}"] {
            let error = request(args(None, Some(wrong))).unwrap_err();
            assert!(
                error.kind() == Kind::Usage && error.to_string().contains("JSON object"),
                "{wrong}: {error}"
            );
        }
    }
}
