//! `chamois iface delete`.

use clap::Args;
use model::MacAddr;
use proto::smd::v1::DeleteEthernetInterfaceRequest;
use proto::smd::v1::ethernet_interface_service_client::EthernetInterfaceServiceClient;
use serde_json::json;

use super::args::id;
use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::many::Many;

/// `chamois iface delete`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  chamois iface delete 02:00:00:00:00:a1 02:00:00:00:00:a2

One after the other: what could not be deleted is told with its reason (exit code 7).")]
pub struct DeleteArgs {
    /// MACs, with colons, dashes or neither
    #[arg(required = true, value_delimiter = ',', value_name = "MAC", value_parser = super::args::mac)]
    pub macs: Vec<MacAddr>,
}

pub(super) async fn run(global: &GlobalArgs, args: DeleteArgs) -> Result<(), CliError> {
    let mut client = EthernetInterfaceServiceClient::new(connect::to_any(global)?);
    let mut many = Many::default();
    for mac in &args.macs {
        let request = DeleteEthernetInterfaceRequest {
            id: id(mac),
            ..DeleteEthernetInterfaceRequest::default()
        };
        let answer = client.delete_ethernet_interface(request).await;
        many.add(mac.to_string(), answer.map(|answer| answer.into_inner().revision))?;
    }
    many.end(global, "deleted", &json!({}))
}
