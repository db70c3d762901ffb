//! `chamois rfe add`.

use std::net::IpAddr;

use clap::Args;
use model::{MacAddr, Xname};
use proto::smd::v1::RedfishEndpointPayload;
use proto::smd::v1::redfish_endpoint_service_client::RedfishEndpointServiceClient;

use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::output;

/// `chamois rfe add`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois rfe add x1000c0s0b0 --fqdn bmc1.site.example --user root
  chamois rfe add x1000c0s0b0 --fqdn 10.1.0.7 --ip 10.1.0.7 --mac 02:00:00:00:00:b1

The endpoint alone: `chamois discover start crawl x1000c0s0b0` reads what is behind it. Its password: `chamois bmc credential put
bmc:x1000c0s0b0`.")]
pub struct AddArgs {
    /// Xname of the controller
    #[arg(value_parser = crate::group::xname)]
    pub xname: Xname,
    /// Host name with domain, or an address; without it the xname is its host name
    #[arg(long, default_value = "", hide_default_value = true, value_name = "NAME")]
    pub fqdn: String,
    /// Its address
    #[arg(long, value_name = "ADDRESS")]
    pub ip: Option<IpAddr>,
    /// Its MAC
    #[arg(long, value_name = "MAC")]
    pub mac: Option<MacAddr>,
    /// User that it is logged in to with
    #[arg(
        long,
        short,
        default_value = "",
        hide_default_value = true,
        value_name = "NAME"
    )]
    pub user: String,
    /// What it is called, for people
    #[arg(long, default_value = "", hide_default_value = true, value_name = "TEXT")]
    pub name: String,
    /// Not to be used for now
    #[arg(long)]
    pub disabled: bool,
}

pub(super) async fn run(global: &GlobalArgs, args: AddArgs) -> Result<(), CliError> {
    let mut client = RedfishEndpointServiceClient::new(connect::to_any(global)?);
    let answer = client
        .create_redfish_endpoints(payload(&args))
        .await?
        .into_inner();
    output::done(global, ("chamois.smd.v1.ResourceUris", &answer), || {
        format!("added {} (revision {})", args.xname, answer.revision)
    })
}

fn payload(args: &AddArgs) -> RedfishEndpointPayload {
    RedfishEndpointPayload {
        id: args.xname.to_string(),
        name: args.name.clone(),
        fqdn: args.fqdn.clone(),
        ip_address: args.ip.map(|ip| ip.to_string()).unwrap_or_default(),
        mac_addr: args.mac.map(|mac| mac.to_string()).unwrap_or_default(),
        user: args.user.clone(),
        enabled: Some(!args.disabled),
        ..RedfishEndpointPayload::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::typed::typed;

    #[test]
    fn every_option_reaches_the_request() {
        let line = "add X0c0s0b0 --fqdn bmc1 --ip 10.1.0.7 --mac 0200000000b1 -u root --name n --disabled";
        let sent = payload(&typed(line.split_whitespace()).unwrap());
        assert_eq!(
            (sent.id.as_str(), sent.fqdn.as_str(), sent.ip_address.as_str()),
            ("x0c0s0b0", "bmc1", "10.1.0.7")
        );
        assert_eq!(
            (sent.mac_addr.as_str(), sent.user.as_str(), sent.enabled),
            ("02:00:00:00:00:b1", "root", Some(false))
        );
        assert!(sent.password.is_empty());
    }
}
