//! `chamois image remove`.

use clap::Args;
use model::ImageName;
use proto::boot_file::v1::DeleteImageRequest;
use proto::boot_file::v1::image_service_client::ImageServiceClient;

use super::add::image_name;
use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::output;

/// `chamois image remove`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  chamois image remove debian-11

Its boot files go with it, those that another image has excepted; the members remove the bytes ten minutes later. Refused while
it is pinned, or the last good one: no other image is bootable or on as many members. --force removes it all the same. Refused
in any case while a boot configuration or a rollout boots it, or boot parameters have a URL of one of its files.")]
pub struct RemoveArgs {
    /// Name of the image
    #[arg(value_parser = image_name)]
    pub name: ImageName,
    /// Also when it is pinned, or the last good one
    #[arg(long)]
    pub force: bool,
}

pub(super) async fn run(global: &GlobalArgs, args: RemoveArgs) -> Result<(), CliError> {
    let mut client = ImageServiceClient::new(connect::to_any(global)?);
    let request = DeleteImageRequest {
        name: args.name.to_string(),
        force: args.force,
        if_revision: None,
    };
    let answer = client.delete_image(request).await?.into_inner();
    output::done(
        global,
        ("chamois.boot_file.v1.DeleteImageResponse", &answer),
        || {
            format!(
                "removed {} with {} boot files (revision {})",
                args.name,
                answer.deleted_files.len(),
                answer.revision
            )
        },
    )
}
