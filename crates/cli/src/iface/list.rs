//! `chamois iface list`.

use clap::Args;
use model::MacAddr;
use proto::smd::v1::ethernet_interface_service_client::EthernetInterfaceServiceClient;
use proto::smd::v1::{EthernetInterface, ListEthernetInterfacesRequest};
use proto::watch::v1::object::Kind;

use super::args::shown;
use crate::args::GlobalArgs;
use crate::connect::{self, ANSWER_BYTES_MAX};
use crate::error::CliError;
use crate::nodes::{self, Nodes};
use crate::output::{self, Changes, Shape, WatchArg, column, wide};

/// Filters: values of one option are alternatives, options add up.
#[derive(Clone, Debug, Default, Args)]
#[command(after_help = "\
Examples:
  chamois iface list --of 'x1000c0s[0-7]b0n0'
  chamois iface list --network NMN
  chamois iface list --ip 10.97.0.1 -o yaml
  chamois iface list --of @compute --watch")]
pub struct ListArgs {
    /// Only those of these components: xnames, host names, nodesets, @groups
    #[arg(long, value_name = "NODES", value_parser = nodes::nodes)]
    pub of: Vec<Nodes>,
    /// MACs
    #[arg(long, value_delimiter = ',', value_name = "MAC", value_parser = super::args::mac)]
    pub mac: Vec<MacAddr>,
    /// Addresses
    #[arg(long, value_delimiter = ',', value_name = "ADDRESS")]
    pub ip: Vec<String>,
    /// SMD's words for networks, e.g. NMN
    #[arg(long, value_delimiter = ',', value_name = "NETWORK")]
    pub network: Vec<String>,
    /// Whether to go on.
    #[command(flatten)]
    pub watch: WatchArg,
}

pub(super) async fn run(global: &GlobalArgs, args: ListArgs) -> Result<(), CliError> {
    let of = match args.of.is_empty() {
        true => Vec::new(),
        false => nodes::resolve(global, &args.of).await?,
    };
    let request = ListEthernetInterfacesRequest {
        component_id: of.iter().map(ToString::to_string).collect(),
        mac_address: args.mac.iter().map(ToString::to_string).collect(),
        ip_address: args.ip,
        network: args.network,
        ..ListEthernetInterfacesRequest::default()
    };
    let connection = connect::to_any(global)?;
    let mut client =
        EthernetInterfaceServiceClient::new(connection).max_decoding_message_size(ANSWER_BYTES_MAX);
    if args.watch.watch {
        let fetch = async || {
            Ok(client
                .list_ethernet_interfaces(request.clone())
                .await?
                .into_inner()
                .interfaces)
        };
        return output::follow(
            global,
            Changes::Of(&[Kind::EthernetInterface]),
            &INTERFACES,
            fetch,
        )
        .await;
    }
    let answer = client.list_ethernet_interfaces(request).await?.into_inner();
    let name = "chamois.smd.v1.ListEthernetInterfacesResponse";
    output::list(global, (name, &answer), &answer.interfaces, &INTERFACES)
}

/// A row per interface.
const INTERFACES: Shape<EthernetInterface> = Shape {
    message: "chamois.smd.v1.EthernetInterface",
    key: |interface| interface.mac_address.clone(),
    columns: &[
        column("MAC", |interface| interface.mac_address.clone()),
        column("COMPONENT", |interface| interface.component_id.clone()),
        wide("TYPE", |interface| interface.r#type.clone()),
        column("ADDRESSES", |interface| shown(&interface.ip_addresses)),
        column("DESCRIPTION", |interface| interface.description.clone()),
        wide("CHANGED", |interface| interface.last_update.clone()),
    ],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_is_one_row() {
        let interface = EthernetInterface {
            mac_address: "02:00:00:00:00:a1".into(),
            component_id: "x0c0s0b0n0".into(),
            ip_addresses: vec![super::super::args::address("10.97.0.1@NMN").unwrap()],
            ..EthernetInterface::default()
        };
        let text = output::plain(&[interface], &INTERFACES);
        let row = text
            .lines()
            .find(|line| line.contains("02:00:00:00:00:a1"))
            .unwrap();
        assert!(
            row.contains("x0c0s0b0n0") && row.contains("10.97.0.1@NMN"),
            "{row}"
        );
    }
}
