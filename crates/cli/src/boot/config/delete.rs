//! `chamois boot config delete`.

use clap::Args;
use proto::bss::v1::DeleteBootConfigurationRequest;
use proto::bss::v1::boot_configuration_service_client::BootConfigurationServiceClient;

use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::output;

/// `chamois boot config delete`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  chamois boot config delete compute")]
pub struct DeleteArgs {
    /// Name, as `chamois boot config list` shows it
    pub name: String,
    /// Refuse unless it is still at this revision, as `get` shows it
    #[arg(long, value_name = "REVISION")]
    pub if_revision: Option<u64>,
}

pub(super) async fn run(global: &GlobalArgs, args: DeleteArgs) -> Result<(), CliError> {
    let mut client = BootConfigurationServiceClient::new(connect::to_any(global)?);
    let request = DeleteBootConfigurationRequest {
        name: args.name.clone(),
        if_revision: args.if_revision,
    };
    let answer = client.delete_boot_configuration(request).await?.into_inner();
    output::done(
        global,
        ("chamois.bss.v1.DeleteBootConfigurationResponse", &answer),
        || format!("deleted {} (revision {})", args.name, answer.revision),
    )
}
