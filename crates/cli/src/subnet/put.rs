//! `chamois subnet put`: creates or replaces.

use std::net::Ipv4Addr;

use clap::Args;
use model::Ipv4Net;
use proto::dhcp::v1::subnet_service_client::SubnetServiceClient;
use proto::dhcp::v1::{PutSubnetRequest, Subnet};

use super::list;
use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::output::{self, Format};

/// `chamois subnet put`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  chamois subnet put 10.97.0.0/16 --router 10.97.255.1 --dns 10.97.0.53 --domain hpc.example

What is not given is not set: a put replaces the whole subnet.")]
pub struct PutArgs {
    /// The network (CIDR)
    #[arg(value_parser = network)]
    pub network: Ipv4Net,
    /// Routers in order of preference (option 3)
    #[arg(long = "router", value_delimiter = ',', value_name = "ADDRESS")]
    pub routers: Vec<Ipv4Addr>,
    /// DNS servers in order of preference (option 6)
    #[arg(long = "dns", value_delimiter = ',', value_name = "ADDRESS")]
    pub dns_servers: Vec<Ipv4Addr>,
    /// Domain name (option 15), and zone of DNS
    #[arg(long, default_value = "", hide_default_value = true, value_name = "NAME")]
    pub domain: String,
    /// Lease time for known nodes, seconds (option 51); 0 is 3600
    #[arg(long, default_value_t = 0, value_name = "SECONDS")]
    pub lease_time: u32,
    /// Interface MTU, bytes (option 26); 0 is not sent
    #[arg(long, default_value_t = 0, value_name = "BYTES")]
    pub mtu: u32,
    /// Nodes that do not boot from this network have a static address on it, in cloud-init's network-config
    #[arg(long)]
    pub static_addresses: bool,
}

fn network(text: &str) -> Result<Ipv4Net, String> {
    text.parse()
        .map_err(|problem: model::InvalidValue| problem.to_string())
}

impl From<PutArgs> for Subnet {
    fn from(args: PutArgs) -> Self {
        let texts = |list: &[Ipv4Addr]| list.iter().map(Ipv4Addr::to_string).collect();
        Self {
            network: args.network.to_string(),
            routers: texts(&args.routers),
            dns_servers: texts(&args.dns_servers),
            domain: args.domain,
            lease_time_s: args.lease_time,
            mtu: args.mtu,
            static_addresses: args.static_addresses,
            meta: None,
        }
    }
}

pub(super) async fn run(global: &GlobalArgs, args: PutArgs) -> Result<(), CliError> {
    let mut client = SubnetServiceClient::new(connect::to_any(global)?);
    let request = PutSubnetRequest {
        subnet: Some(args.into()),
    };
    let subnet = client.put_subnet(request).await?.into_inner();
    match global.output {
        Format::Json => output::print_json("chamois.dhcp.v1.Subnet", &subnet),
        Format::Table => output::print(list::render(&[subnet])),
    }
}
