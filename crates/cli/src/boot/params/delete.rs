//! `chamois boot params delete`.

use clap::Args;
use proto::bss::v1::BootParameters;
use proto::bss::v1::boot_parameters_service_client::BootParametersServiceClient;

use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::output;

/// `chamois boot params delete`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  chamois boot params delete x1000c0s0b0n0 nid7")]
pub struct DeleteArgs {
    /// Xnames, MACs, nid<N>, roles, Default or Unknown-<arch>
    #[arg(required = true, value_delimiter = ',', value_name = "KEY", value_parser = super::key)]
    pub keys: Vec<String>,
}

pub(super) async fn run(global: &GlobalArgs, args: DeleteArgs) -> Result<(), CliError> {
    let mut client = BootParametersServiceClient::new(connect::to_any(global)?);
    let mut request = BootParameters::default();
    super::put_keys(args.keys.iter().map(String::as_str), &mut request);
    let answer = client.delete_boot_parameters(request).await?.into_inner();
    output::done(global, ("chamois.bss.v1.BootParametersChange", &answer), || {
        format!("deleted {} (revision {})", args.keys.join(", "), answer.revision)
    })
}
