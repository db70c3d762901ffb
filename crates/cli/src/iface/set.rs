//! `chamois iface set`.

use clap::{ArgGroup, Args};
use model::{MacAddr, Xname};
use proto::smd::v1::ethernet_interface_service_client::EthernetInterfaceServiceClient;
use proto::smd::v1::{IpAddressMapping, PatchEthernetInterfaceRequest};

use super::args::id;
use super::show;
use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;

/// `chamois iface set`.
#[derive(Clone, Debug, Args)]
#[command(group = ArgGroup::new("what").required(true).multiple(true))]
#[command(after_help = "\
Examples:
  chamois iface set 02:00:00:00:00:a1 --of x1000c0s1b0n0
  chamois iface set 02:00:00:00:00:a1 --ip 10.97.0.1@NMN --ip 10.98.0.1@HSN     these, and no others
  chamois iface set 02:00:00:00:00:a1 --no-ip --of ''                           nobody's")]
pub struct SetArgs {
    /// MAC, with colons, dashes or neither
    #[arg(value_parser = super::args::mac)]
    pub mac: MacAddr,
    /// Xname of the component that has it; empty: nobody
    #[arg(long, group = "what", value_name = "XNAME", value_parser = carrier)]
    pub of: Option<Carrier>,
    /// Its addresses from now on
    #[arg(long, group = "what", value_delimiter = ',', value_name = "ADDRESS[@NETWORK]", value_parser = super::args::address)]
    pub ip: Vec<IpAddressMapping>,
    /// No addresses from now on
    #[arg(long, group = "what", conflicts_with = "ip")]
    pub no_ip: bool,
    /// For people
    #[arg(long, group = "what", value_name = "TEXT")]
    pub description: Option<String>,
    /// Only if its last change is this one
    #[arg(long, value_name = "REVISION")]
    pub if_revision: Option<u64>,
}

/// Whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carrier(Option<Xname>);

fn carrier(text: &str) -> Result<Carrier, String> {
    match text {
        "" => Ok(Carrier(None)),
        text => crate::group::xname(text).map(|xname| Carrier(Some(xname))),
    }
}

pub(super) async fn run(global: &GlobalArgs, args: SetArgs) -> Result<(), CliError> {
    let mut client = EthernetInterfaceServiceClient::new(connect::to_any(global)?);
    let changed = client.patch_ethernet_interface(request(args)).await?.into_inner();
    show::print(global, &changed)
}

fn request(args: SetArgs) -> PatchEthernetInterfaceRequest {
    let carrier = |Carrier(xname): Carrier| xname.map(|xname| xname.to_string()).unwrap_or_default();
    PatchEthernetInterfaceRequest {
        id: id(&args.mac),
        component_id: args.of.map(carrier),
        description: args.description,
        ip_addresses: args.ip,
        replace_ip_addresses: args.no_ip,
        if_revision: args.if_revision,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::typed::typed;

    fn sent(words: &[&str]) -> Result<PatchEthernetInterfaceRequest, String> {
        let words = ["set", "0200000000a1"].iter().chain(words);
        typed(words).map(request).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_not_given_stays() {
        let one = sent(&["--description", ""]).unwrap();
        assert_eq!(
            (
                one.description.as_deref(),
                one.component_id,
                one.replace_ip_addresses
            ),
            (Some(""), None, false)
        );
        let nobody = sent(&["--of", "", "--no-ip"]).unwrap();
        assert_eq!(
            (nobody.component_id.as_deref(), nobody.replace_ip_addresses),
            (Some(""), true)
        );
        assert_eq!(
            sent(&["--ip", "10.0.0.1,10.0.0.2"]).unwrap().ip_addresses.len(),
            2
        );
    }

    #[test]
    fn nothing_to_set_is_a_slip() {
        assert!(sent(&[]).is_err());
        assert!(sent(&["--if-revision", "7"]).is_err());
        assert!(sent(&["--ip", "10.0.0.1", "--no-ip"]).is_err());
    }
}
