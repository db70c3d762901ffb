//! `chamois cloud-init profile show`.

use clap::Args;
use proto::cloud_init::v1::profile_service_client::ProfileServiceClient;
use proto::cloud_init::v1::{GetProfileRequest, Profile};

use super::list::variants;
use crate::args::GlobalArgs;
use crate::cloud_init::fields;
use crate::connect;
use crate::error::{CliError, Kind};
use crate::output;

/// `chamois cloud-init profile show`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  chamois cloud-init profile show kernel-6.12 -o json")]
pub struct ShowArgs {
    /// Name of the profile
    pub name: String,
}

pub(super) async fn run(global: &GlobalArgs, args: ShowArgs) -> Result<(), CliError> {
    let mut client = ProfileServiceClient::new(connect::to_any(global)?);
    let answer = client.get_profile(GetProfileRequest { name: args.name }).await;
    let profile = answer.map_err(|status| explain(status.into()))?.into_inner();
    output::object(
        global,
        ("chamois.cloud_init.v1.Profile", &profile),
        &profile.name,
        || render(&profile),
    )
}

fn render(profile: &Profile) -> comfy_table::Table {
    fields(&[
        ("name", profile.name.clone()),
        ("description", profile.description.clone()),
        ("expires", profile.expires_at.clone()),
        ("nodes", profile.nodes.join("\n")),
        ("kernel", profile.kernel.clone()),
        ("initrd", profile.initrd.clone()),
        ("params", profile.params.clone()),
        ("variants of", variants(profile)),
    ])
}

fn explain(error: CliError) -> CliError {
    match error.kind() {
        Kind::NotFound => error.with_remedy("`chamois cloud-init profile list` shows the profiles."),
        _ => error,
    }
}
