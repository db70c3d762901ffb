//! `chamois image pin` and `chamois image unpin`.

use clap::Args;
use model::ImageName;
use proto::boot_file::v1::SetImagePinnedRequest;
use proto::boot_file::v1::image_service_client::ImageServiceClient;

use super::add::image_name;
use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::output;

/// `chamois image pin`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  chamois image pin debian-12

A pinned image is removed by force only. The last good one is kept in any case.")]
pub struct PinArgs {
    /// Name of the image
    #[arg(value_parser = image_name)]
    pub name: ImageName,
}

/// `chamois image unpin`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Example:\n  chamois image unpin debian-12")]
pub struct UnpinArgs {
    /// Name of the image
    #[arg(value_parser = image_name)]
    pub name: ImageName,
}

pub(super) async fn run(global: &GlobalArgs, name: ImageName, pinned: bool) -> Result<(), CliError> {
    let mut client = ImageServiceClient::new(connect::to_any(global)?);
    let request = SetImagePinnedRequest {
        name: name.to_string(),
        pinned,
        if_revision: None,
    };
    let image = client.set_image_pinned(request).await?.into_inner();
    output::done(global, ("chamois.boot_file.v1.Image", &image), || {
        format!("{name} is {}", if image.pinned { "pinned" } else { "not pinned" })
    })
}
