//! `chamois cloud-init node data`: a document as the node would get it.

use clap::Args;
use proto::cloud_init::v1::GetNodeDataRequest;
use proto::cloud_init::v1::impersonation_service_client::ImpersonationServiceClient;

use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::output;

/// `chamois cloud-init node data`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois cloud-init node data x1000c0s0b0n0
  chamois cloud-init node data x1000c0s0b0n0 vendor-data
  chamois cloud-init node data x1000c0s0b0n0 compute.yaml
  chamois cloud-init node data x1000c0s0b0n0 --profile kernel-6.12

What is secret is shown to nobody but the node.")]
pub struct DataArgs {
    /// Xname of the node
    pub xname: String,
    /// network-config, meta-data, user-data, vendor-data or <group>.yaml
    #[arg(default_value = "meta-data")]
    pub document: String,
    /// As if this profile applied to the node
    #[arg(long, default_value = "", hide_default_value = true, value_name = "NAME")]
    pub profile: String,
}

pub(super) async fn run(global: &GlobalArgs, args: DataArgs) -> Result<(), CliError> {
    let mut client = ImpersonationServiceClient::new(connect::to_any(global)?);
    let key = args.xname.clone();
    let request = GetNodeDataRequest {
        id: args.xname,
        document: args.document,
        profile: args.profile,
    };
    let answer = client.get_node_data(request).await?.into_inner();
    output::object(global, ("google.api.HttpBody", &answer), &key, || {
        String::from_utf8_lossy(&answer.data).trim_end().to_owned()
    })
}
