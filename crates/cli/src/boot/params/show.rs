//! `chamois boot params show`.

use clap::Args;
use proto::bss::v1::boot_parameters_service_client::BootParametersServiceClient;
use proto::bss::v1::{BootParameters, GetBootParametersRequest};

use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::facts::{change, facts};
use crate::output;

/// `chamois boot params show`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois boot params show x1000c0s0b0n0
  chamois boot params show Default -o yaml

What a node really boots, and why: `chamois boot explain`.")]
pub struct ShowArgs {
    /// An xname, a MAC, nid<N>, a role, Default or Unknown-<arch>
    #[arg(value_name = "KEY", value_parser = super::key)]
    pub key: String,
}

pub(super) async fn run(global: &GlobalArgs, args: ShowArgs) -> Result<(), CliError> {
    let mut client = BootParametersServiceClient::new(connect::to_any(global)?);
    let request = GetBootParametersRequest {
        key: args.key.clone(),
    };
    let entry = client.get_boot_parameters(request).await?.into_inner();
    output::object(
        global,
        ("chamois.bss.v1.BootParameters", &entry),
        &args.key,
        || render(&entry),
    )
}

fn render(entry: &BootParameters) -> String {
    let meta = entry.meta.clone().unwrap_or_default();
    facts(&[
        ("key", super::key_of(entry)),
        ("kernel", entry.kernel.clone()),
        ("initrd", entry.initrd.clone()),
        ("parameters", entry.params.clone()),
        ("created", change(meta.created.as_ref())),
        ("modified", change(meta.modified.as_ref())),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_set_is_left_out() {
        let entry = BootParameters {
            hosts: vec!["Default".into()],
            kernel: "/files/k".into(),
            ..BootParameters::default()
        };
        assert_eq!(
            render(&entry),
            "key              Default\nkernel           /files/k"
        );
    }
}
