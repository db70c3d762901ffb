//! `chamois iface add`.

use clap::Args;
use model::{MacAddr, Xname};
use proto::smd::v1::ethernet_interface_service_client::EthernetInterfaceServiceClient;
use proto::smd::v1::{CreateEthernetInterfaceRequest, IpAddressMapping};

use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::output;

/// `chamois iface add`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois iface add 02:00:00:00:00:a1 --of x1000c0s0b0n0 --ip 10.97.0.1@NMN
  chamois iface add 02:00:00:00:00:a2 --description 'spare'

One that exists is refused, and so is an address that another interface has on its network.")]
pub struct AddArgs {
    /// MAC, with colons, dashes or neither
    #[arg(value_parser = super::args::mac)]
    pub mac: MacAddr,
    /// Xname of the component that has it; it need not exist yet
    #[arg(long, value_name = "XNAME", value_parser = crate::group::xname)]
    pub of: Option<Xname>,
    /// Addresses, each with the word for its network if it has one
    #[arg(long, value_delimiter = ',', value_name = "ADDRESS[@NETWORK]", value_parser = super::args::address)]
    pub ip: Vec<IpAddressMapping>,
    /// For people
    #[arg(long, default_value = "", hide_default_value = true, value_name = "TEXT")]
    pub description: String,
}

pub(super) async fn run(global: &GlobalArgs, args: AddArgs) -> Result<(), CliError> {
    let mut client = EthernetInterfaceServiceClient::new(connect::to_any(global)?);
    let request = request(&args);
    let answer = client.create_ethernet_interface(request).await?.into_inner();
    output::done(global, ("chamois.smd.v1.ResourceUri", &answer), || {
        format!("added {} (revision {})", args.mac, answer.revision)
    })
}

fn request(args: &AddArgs) -> CreateEthernetInterfaceRequest {
    CreateEthernetInterfaceRequest {
        mac_address: args.mac.to_string(),
        component_id: args.of.as_ref().map(Xname::to_string).unwrap_or_default(),
        description: args.description.clone(),
        ip_addresses: args.ip.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::typed::typed;

    #[test]
    fn every_option_reaches_the_request() {
        let line = "add 0200000000A1 --of X0c0s0b0n0 --ip 10.0.0.1@NMN,10.0.0.2 --description d";
        let sent = request(&typed(line.split_whitespace()).unwrap());
        assert_eq!(
            (sent.mac_address.as_str(), sent.component_id.as_str()),
            ("02:00:00:00:00:a1", "x0c0s0b0n0")
        );
        assert_eq!((sent.ip_addresses.len(), sent.description.as_str()), (2, "d"));
    }
}
