//! `chamois cloud-init profile list`.

use proto::cloud_init::v1::profile_service_client::ProfileServiceClient;
use proto::cloud_init::v1::{ListProfilesRequest, Profile};

use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::output::{self, Shape, changed, column, wide};

/// All profiles in one answer: the cluster takes 16 MiB of them.
const ANSWER_BYTES_MAX: usize = 32 << 20;
/// Nodes that are named in a line.
const NODES_SHOWN_MAX: usize = 4;

pub(super) async fn run(global: &GlobalArgs) -> Result<(), CliError> {
    let client = ProfileServiceClient::new(connect::to_any(global)?);
    let mut client = client.max_decoding_message_size(ANSWER_BYTES_MAX);
    let answer = client.list_profiles(ListProfilesRequest {}).await?.into_inner();
    output::list(
        global,
        ("chamois.cloud_init.v1.ListProfilesResponse", &answer),
        &answer.profiles,
        &PROFILES,
    )
}

/// A row per profile.
const PROFILES: Shape<Profile> = Shape {
    message: "chamois.cloud_init.v1.Profile",
    key: |profile| profile.name.clone(),
    columns: &[
        column("NAME", |profile| profile.name.clone()),
        column("EXPIRES", |profile| profile.expires_at.clone()),
        column("NODES", |profile| nodes(&profile.nodes)),
        column("VARIANTS OF", variants),
        wide("CHANGED", |profile| changed(profile.meta.as_ref())),
    ],
};

fn nodes(nodes: &[String]) -> String {
    let first = nodes
        .iter()
        .take(NODES_SHOWN_MAX)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    match nodes.len().checked_sub(NODES_SHOWN_MAX) {
        None | Some(0) => first,
        Some(more) => format!("{first} and {more} more"),
    }
}

/// What differs in the profile.
pub(super) fn variants(profile: &Profile) -> String {
    let fields = [
        ("kernel", !profile.kernel.is_empty()),
        ("initrd", !profile.initrd.is_empty()),
        ("params", !profile.params.is_empty()),
        ("cluster-defaults", profile.cluster_defaults.is_some()),
    ];
    let set = fields.into_iter().filter(|(_, is_set)| *is_set);
    let mut named: Vec<String> = set.map(|(name, _)| name.to_owned()).collect();
    named.extend(profile.groups.iter().map(|group| format!("{}.yaml", group.name)));
    named.extend(profile.instance_infos.iter().map(|info| info.id.clone()));
    named.join(", ")
}

#[cfg(test)]
mod tests {
    use proto::cloud_init::v1::Group;

    use super::*;

    #[test]
    fn a_line_says_what_differs_and_for_whom() {
        let group = Group {
            name: "compute".into(),
            ..Group::default()
        };
        let profile = Profile {
            name: "test".into(),
            nodes: (0..6).map(|n| format!("x0c0s0b0n{n}")).collect(),
            kernel: "http://k".into(),
            groups: vec![group],
            ..Profile::default()
        };
        let text = output::plain(&[profile], &PROFILES);
        assert!(
            text.contains("kernel, compute.yaml") && text.contains("and 2 more"),
            "{text}"
        );
    }
}
