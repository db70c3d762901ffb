//! `chamois dhcp adopt`.

use std::net::Ipv4Addr;

use clap::Args;
use proto::dhcp::v1::AdoptUnknownClientRequest;
use proto::dhcp::v1::dhcp_lease_service_client::DhcpLeaseServiceClient;

use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::output;

/// `chamois dhcp adopt`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  chamois dhcp adopt 02:00:00:00:0a:01 --xname x1000c0s0b0n0 --nid 1 --ip 10.97.2.1
  chamois dhcp adopt 02:00:00:00:0a:02 --xname x1000c0s0b0 --ip 10.97.3.1

The client moves to its own address at its next renewal; without --ip it keeps to the pools.")]
pub struct AdoptArgs {
    /// The client, as `chamois dhcp unknown` shows it
    pub mac: String,
    /// The node or BMC that it is an interface of; created if SMD does not have it
    #[arg(long)]
    pub xname: String,
    /// NID of a node that is created
    #[arg(long)]
    pub nid: Option<u64>,
    /// Its address from now on
    #[arg(long, value_name = "ADDRESS")]
    pub ip: Option<Ipv4Addr>,
}

impl From<AdoptArgs> for AdoptUnknownClientRequest {
    fn from(args: AdoptArgs) -> Self {
        Self {
            mac: args.mac,
            xname: args.xname,
            nid: args.nid,
            ip_address: args.ip.map(|address| address.to_string()).unwrap_or_default(),
        }
    }
}

pub(super) async fn run(global: &GlobalArgs, args: AdoptArgs) -> Result<(), CliError> {
    let mut client = DhcpLeaseServiceClient::new(connect::to_any(global)?);
    let (mac, xname) = (args.mac.clone(), args.xname.clone());
    let answer = client
        .adopt_unknown_client(AdoptUnknownClientRequest::from(args))
        .await?
        .into_inner();
    output::done(
        global,
        ("chamois.dhcp.v1.AdoptUnknownClientResponse", &answer),
        || format!("{mac} is an interface of {xname} (revision {})", answer.revision),
    )
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: AdoptArgs,
    }

    #[test]
    fn what_is_not_given_is_not_asked_for() {
        let request = |line: &str| {
            let line = Line::try_parse_from(line.split(' ')).unwrap();
            AdoptUnknownClientRequest::from(line.args)
        };
        let bare = request("adopt 02:00:00:00:0a:01 --xname x0c0s0b0");
        assert_eq!((bare.nid, bare.ip_address.as_str()), (None, ""));
        let full = request("adopt 02:00:00:00:0a:01 --xname x0c0s0b0n0 --nid 1 --ip 10.97.2.1");
        assert_eq!((full.nid, full.ip_address.as_str()), (Some(1), "10.97.2.1"));
        assert_eq!(
            (full.mac.as_str(), full.xname.as_str()),
            ("02:00:00:00:0a:01", "x0c0s0b0n0")
        );
    }
}
