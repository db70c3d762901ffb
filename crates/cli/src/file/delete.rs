//! `chamois file delete`.

use clap::Args;
use proto::boot_file::v1::DeleteBootFileRequest;
use proto::boot_file::v1::boot_file_service_client::BootFileServiceClient;

use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::output;

/// `chamois file delete`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  chamois file delete debian-12/vmlinuz

The name is gone at once; the members remove the bytes ten minutes later, if no other name has them.")]
pub struct DeleteArgs {
    /// The name, as `chamois file list` shows it
    pub name: String,
}

pub(super) async fn run(global: &GlobalArgs, args: DeleteArgs) -> Result<(), CliError> {
    let mut client = BootFileServiceClient::new(connect::to_any(global)?);
    let request = DeleteBootFileRequest {
        name: args.name.clone(),
        if_revision: None,
    };
    let answer = client.delete_boot_file(request).await?.into_inner();
    output::done(
        global,
        ("chamois.boot_file.v1.DeleteBootFileResponse", &answer),
        || format!("deleted {} (revision {})", args.name, answer.revision),
    )
}
