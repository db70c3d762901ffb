//! `chamois iface show`.

use clap::Args;
use model::MacAddr;
use proto::smd::v1::ethernet_interface_service_client::EthernetInterfaceServiceClient;
use proto::smd::v1::{EthernetInterface, GetEthernetInterfaceRequest};

use super::args::{id, shown};
use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::facts::{change, facts};
use crate::output;

/// `chamois iface show`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  chamois iface show 02:00:00:00:00:a1")]
pub struct ShowArgs {
    /// MAC, with colons, dashes or neither
    #[arg(value_parser = super::args::mac)]
    pub mac: MacAddr,
}

pub(super) async fn run(global: &GlobalArgs, args: ShowArgs) -> Result<(), CliError> {
    let mut client = EthernetInterfaceServiceClient::new(connect::to_any(global)?);
    let request = GetEthernetInterfaceRequest { id: id(&args.mac) };
    let interface = client.get_ethernet_interface(request).await?.into_inner();
    print(global, &interface)
}

/// Prints one.
pub(super) fn print(global: &GlobalArgs, interface: &EthernetInterface) -> Result<(), CliError> {
    let answer = ("chamois.smd.v1.EthernetInterface", interface);
    output::object(global, answer, &interface.mac_address, || render(interface))
}

fn render(interface: &EthernetInterface) -> String {
    let meta = interface.meta.clone().unwrap_or_default();
    facts(&[
        ("mac", interface.mac_address.clone()),
        ("component", interface.component_id.clone()),
        ("type", interface.r#type.clone()),
        ("addresses", shown(&interface.ip_addresses)),
        ("description", interface.description.clone()),
        ("created", change(meta.created.as_ref())),
        ("modified", change(meta.modified.as_ref())),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_of_nobody_has_no_line_for_a_component() {
        let interface = EthernetInterface {
            mac_address: "02:00:00:00:00:a1".into(),
            ..EthernetInterface::default()
        };
        assert_eq!(render(&interface), "mac              02:00:00:00:00:a1");
    }
}
