//! `chamois cloud-init profile put`: creates or replaces.

use std::path::{Path, PathBuf};

use clap::Args;
use proto::cloud_init::v1::profile_service_client::ProfileServiceClient;
use proto::cloud_init::v1::{Group, Profile, PutProfileRequest};

use crate::args::GlobalArgs;
use crate::cloud_init::{from_json, group};
use crate::connect;
use crate::error::{CliError, Kind};
use crate::output;

/// `chamois cloud-init profile put`.
#[derive(Clone, Debug, Default, Args)]
#[command(after_help = "\
Examples:
  chamois cloud-init profile put kernel-6.12 --node x1000c0s0b0n0 --kernel http://10.97.0.1:8081/boot/files/6.12/vmlinuz
  chamois cloud-init profile put slurm-25 --node x1000c0s0b0n0,x1000c0s0b0n1 --group compute=compute-25.yaml --hours 4
  chamois cloud-init profile put all --node x1000c0s0b0n0 --variants profile.json

Only what is named differs for these nodes, until the profile expires. The JSON file may have cluster_defaults, groups and
instance_infos, each as its own resource has them; `profile show -o json` prints one.")]
pub struct PutArgs {
    /// Name of the profile
    pub name: String,
    /// Xnames of the nodes that it applies to
    #[arg(long = "node", value_delimiter = ',', required = true, value_name = "XNAME")]
    pub nodes: Vec<String>,
    /// Hours from now until it expires, up to 720; a day if not given
    #[arg(long, default_value_t = 24, value_name = "HOURS")]
    pub hours: u64,
    /// What is tested
    #[arg(long, default_value = "", hide_default_value = true, value_name = "TEXT")]
    pub description: String,
    /// URL of another kernel
    #[arg(long, default_value = "", hide_default_value = true, value_name = "URL")]
    pub kernel: String,
    /// URL of another initramfs
    #[arg(long, default_value = "", hide_default_value = true, value_name = "URL")]
    pub initrd: String,
    /// Other kernel parameters
    #[arg(long, default_value = "", hide_default_value = true, value_name = "TEXT")]
    pub params: String,
    /// Another file of a group; given again, one more
    #[arg(long = "group", value_name = "NAME=FILE")]
    pub groups: Vec<String>,
    /// JSON with other variants
    #[arg(long, value_name = "FILE")]
    pub variants: Option<PathBuf>,
    /// Only if the profile is at this revision
    #[arg(long, value_name = "REVISION")]
    pub if_revision: Option<u64>,
}

pub(super) async fn run(global: &GlobalArgs, args: PutArgs) -> Result<(), CliError> {
    let request = request(args)?;
    let name = request.name.clone();
    let mut client = ProfileServiceClient::new(connect::to_any(global)?);
    let answer = client.put_profile(request).await?.into_inner();
    output::done(global, ("chamois.cloud_init.v1.ProfileChange", &answer), || {
        format!(
            "stored {name} until {} (revision {})",
            answer.expires_at, answer.revision
        )
    })
}

fn request(args: PutArgs) -> Result<PutProfileRequest, CliError> {
    let mut profile = match args.variants.as_deref() {
        Some(path) => from_json("--variants", "chamois.cloud_init.v1.Profile", &text(path)?)?,
        None => Profile::default(),
    };
    for given in &args.groups {
        profile.groups.push(variant(given)?);
    }
    Ok(PutProfileRequest {
        name: args.name.clone(),
        profile: Some(Profile {
            name: args.name,
            description: args.description,
            nodes: args.nodes,
            kernel: args.kernel,
            initrd: args.initrd,
            params: args.params,
            ..profile
        }),
        lifetime_s: args.hours.saturating_mul(3600),
        if_revision: args.if_revision,
    })
}

fn variant(given: &str) -> Result<Group, CliError> {
    let Some((name, path)) = given.split_once('=').filter(|(name, _)| !name.is_empty()) else {
        let error = CliError::new(Kind::Usage, format!("--group {given}: no name and file"));
        return Err(error.with_remedy("Write NAME=FILE, e.g. --group compute=compute.yaml."));
    };
    Ok(Group {
        name: name.to_owned(),
        file: Some(group::put::read(Path::new(path))?),
        ..Group::default()
    })
}

fn text(path: &Path) -> Result<String, CliError> {
    let refuse = |error| {
        CliError::new(
            Kind::Usage,
            format!("cannot read {} as text: {error}", path.display()),
        )
    };
    std::fs::read_to_string(path).map_err(refuse)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> PutArgs {
        PutArgs {
            name: "test".into(),
            nodes: vec!["x0c0s0b0n0".into()],
            hours: 4,
            ..PutArgs::default()
        }
    }

    #[test]
    fn files_and_json_become_variants() {
        let dir = tempfile::tempdir().unwrap();
        let (yaml, json) = (dir.path().join("c.yaml"), dir.path().join("p.json"));
        std::fs::write(&yaml, "#cloud-config\n").unwrap();
        std::fs::write(
            &json,
            r#"{"clusterDefaults":{"region":"west"},"groups":[{"name":"io"}]}"#,
        )
        .unwrap();
        let given = PutArgs {
            groups: vec![format!("compute={}", yaml.display())],
            variants: Some(json),
            ..args()
        };
        let request = request(given).unwrap();
        assert_eq!(request.lifetime_s, 4 * 3600);
        let profile = request.profile.unwrap();
        assert_eq!(profile.cluster_defaults.unwrap().region, "west");
        let names: Vec<&str> = profile.groups.iter().map(|group| group.name.as_str()).collect();
        assert_eq!(names, ["io", "compute"]);
        assert_eq!(profile.nodes, ["x0c0s0b0n0"]);
    }

    #[test]
    fn a_group_without_a_file_is_refused_with_an_example() {
        for wrong in ["compute", "=c.yaml"] {
            let given = PutArgs {
                groups: vec![wrong.to_owned()],
                ..args()
            };
            let error = request(given).unwrap_err();
            assert!(error.to_string().contains("compute=compute.yaml"), "{error}");
        }
    }
}
