//! `chamois rfe set`.

use std::net::IpAddr;

use clap::{ArgGroup, Args};
use model::{MacAddr, Xname};
use proto::smd::v1::PatchRedfishEndpointRequest;
use proto::smd::v1::redfish_endpoint_service_client::RedfishEndpointServiceClient;

use super::show;
use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;

/// `chamois rfe set`.
#[derive(Clone, Debug, Args)]
#[command(group = ArgGroup::new("what").required(true).multiple(true))]
#[command(after_help = "\
Examples:
  chamois rfe set x1000c0s0b0 --fqdn bmc7.site.example
  chamois rfe set x1000c0s0b0 --enabled false")]
pub struct SetArgs {
    /// Xname of the controller
    #[arg(value_parser = crate::group::xname)]
    pub xname: Xname,
    /// Host name with domain, or an address
    #[arg(long, group = "what", value_name = "NAME")]
    pub fqdn: Option<String>,
    /// Its address
    #[arg(long, group = "what", value_name = "ADDRESS")]
    pub ip: Option<IpAddr>,
    /// Its MAC
    #[arg(long, group = "what", value_name = "MAC")]
    pub mac: Option<MacAddr>,
    /// User that it is logged in to with
    #[arg(long, short, group = "what", value_name = "NAME")]
    pub user: Option<String>,
    /// What it is called, for people
    #[arg(long, group = "what", value_name = "TEXT")]
    pub name: Option<String>,
    /// Whether it is to be used
    #[arg(long, group = "what", value_name = "BOOL")]
    pub enabled: Option<bool>,
    /// Only if its last change is this one
    #[arg(long, value_name = "REVISION")]
    pub if_revision: Option<u64>,
}

pub(super) async fn run(global: &GlobalArgs, args: SetArgs) -> Result<(), CliError> {
    let mut client = RedfishEndpointServiceClient::new(connect::to_any(global)?);
    let changed = client.patch_redfish_endpoint(request(args)).await?.into_inner();
    show::print(global, &changed)
}

fn request(args: SetArgs) -> PatchRedfishEndpointRequest {
    PatchRedfishEndpointRequest {
        id: args.xname.to_string(),
        name: args.name,
        fqdn: args.fqdn,
        enabled: args.enabled,
        user: args.user,
        mac_addr: args.mac.map(|mac| mac.to_string()),
        ip_address: args.ip.map(|ip| ip.to_string()),
        if_revision: args.if_revision,
        ..PatchRedfishEndpointRequest::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::typed::typed;

    #[test]
    fn what_is_not_given_stays_and_nothing_is_a_slip() {
        let parse = |line: &str| typed::<SetArgs>(line.split_whitespace());
        let sent = request(parse("set x0c0s0b0 --enabled false").unwrap());
        assert_eq!((sent.enabled, sent.fqdn, sent.user), (Some(false), None, None));
        assert!(parse("set x0c0s0b0").is_err());
        assert!(parse("set rack7 --enabled false").is_err());
    }
}
