//! `chamois subnet put`: creates or replaces.

use std::net::Ipv4Addr;

use clap::{Args, ValueEnum};
use model::Ipv4Net;
use proto::dhcp::v1::subnet::UnknownClients;
use proto::dhcp::v1::subnet_service_client::SubnetServiceClient;
use proto::dhcp::v1::{AddressPool, PutSubnetRequest, Subnet};

use super::list;
use crate::args::GlobalArgs;
use crate::connect;
use crate::dhcp::option_args::{OptionArgs, texts};
use crate::error::{CliError, Kind};
use crate::output;

/// `chamois subnet put`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  chamois subnet put 10.97.0.0/16 --router 10.97.255.1 --dns 10.97.0.53 --domain hpc.example
  chamois subnet put 10.97.0.0/16 --pool 10.97.200.1-10.97.200.254 --unknown address
  chamois subnet put 10.97.0.0/16 --ntp 10.97.0.5 --option 150=ip:10.97.0.9

What is not given is not set: a put replaces the whole subnet.")]
pub struct PutArgs {
    /// The network (CIDR)
    #[arg(value_parser = network)]
    pub network: Ipv4Net,
    /// Options that a policy is given alike.
    #[command(flatten)]
    pub options: OptionArgs,
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
    /// Addresses for clients that have none in SMD, both ends included
    #[arg(long = "pool", value_delimiter = ',', value_name = "FIRST-LAST", value_parser = pool)]
    pub pools: Vec<Pool>,
    /// Addresses of the pools that are never given out
    #[arg(
        long = "exclude",
        value_delimiter = ',',
        value_name = "ADDRESS",
        requires = "pools"
    )]
    pub excluded: Vec<Ipv4Addr>,
    /// What clients hear that have no address in SMD: nothing, an address of a pool, or an address and what to boot
    #[arg(long, value_enum, default_value_t = Unknown::Ignore)]
    pub unknown: Unknown,
    /// Lease time for addresses of the pools, seconds, 20 at least; 0 is 300
    #[arg(long, default_value_t = 0, value_name = "SECONDS")]
    pub pool_lease: u32,
}

/// Ends of a pool, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    first: Ipv4Addr,
    last: Ipv4Addr,
}

/// What clients hear that have no address in SMD.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Unknown {
    /// Nothing
    Ignore,
    /// An address of a pool, and nothing to boot
    Address,
    /// An address of a pool, and what a node is given to boot
    Boot,
}

fn pool(text: &str) -> Result<Pool, String> {
    let ends = text.split_once('-');
    let ends = ends.and_then(|(first, last)| first.trim().parse().ok().zip(last.trim().parse().ok()));
    let (first, last) = ends.ok_or("write the first and the last address, e.g. 10.97.200.1-10.97.200.254")?;
    Ok(Pool { first, last })
}

impl Pool {
    /// With those addresses left out that are in it.
    fn without(self, excluded: &[Ipv4Addr]) -> AddressPool {
        let excluded = excluded
            .iter()
            .filter(|address| (self.first..=self.last).contains(*address));
        AddressPool {
            first: self.first.to_string(),
            last: self.last.to_string(),
            excluded: excluded.map(Ipv4Addr::to_string).collect(),
        }
    }
}

impl From<Unknown> for UnknownClients {
    fn from(unknown: Unknown) -> Self {
        match unknown {
            Unknown::Ignore => Self::Unspecified,
            Unknown::Address => Self::Address,
            Unknown::Boot => Self::Boot,
        }
    }
}

/// An address that is in no pool would be left out of nothing.
fn check_excluded(args: &PutArgs) -> Result<(), CliError> {
    let is_in = |address: &Ipv4Addr| {
        args.pools
            .iter()
            .any(|pool| (pool.first..=pool.last).contains(address))
    };
    match args.excluded.iter().find(|address| !is_in(address)) {
        Some(outside) => {
            let text = format!("--exclude {outside}: no --pool has this address");
            Err(CliError::new(Kind::Usage, text))
        }
        None => Ok(()),
    }
}

fn network(text: &str) -> Result<Ipv4Net, String> {
    text.parse()
        .map_err(|problem: model::InvalidValue| problem.to_string())
}

impl From<PutArgs> for Subnet {
    fn from(args: PutArgs) -> Self {
        Self {
            network: args.network.to_string(),
            routers: texts(&args.options.routers),
            dns_servers: texts(&args.options.dns_servers),
            domain: args.domain,
            lease_time_s: args.lease_time,
            mtu: args.mtu,
            static_addresses: args.static_addresses,
            pools: args
                .pools
                .iter()
                .map(|pool| pool.without(&args.excluded))
                .collect(),
            unknown_clients: UnknownClients::from(args.unknown).into(),
            pool_lease_time_s: args.pool_lease,
            ntp_servers: texts(&args.options.ntp_servers),
            options: args.options.others,
            ..Self::default()
        }
    }
}

pub(super) async fn run(global: &GlobalArgs, args: PutArgs) -> Result<(), CliError> {
    check_excluded(&args)?;
    let mut client = SubnetServiceClient::new(connect::to_any(global)?);
    let request = PutSubnetRequest {
        subnet: Some(args.into()),
    };
    let subnet = client.put_subnet(request).await?.into_inner();
    output::done(global, ("chamois.dhcp.v1.Subnet", &subnet), || {
        output::tabulated(global, std::slice::from_ref(&subnet), &list::SUBNETS)
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::dhcp::raw_option;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: PutArgs,
    }

    fn parse(line: &str) -> Result<PutArgs, clap::Error> {
        Line::try_parse_from(line.split(' ')).map(|line| line.args)
    }

    #[test]
    fn pools_are_written_as_ranges_and_take_what_is_left_out_of_them() {
        let args = parse(
            "put 10.97.0.0/16 --pool 10.97.200.1-10.97.200.9,10.97.201.1-10.97.201.9 --exclude 10.97.201.5 --unknown boot \
             --pool-lease 600",
        )
        .unwrap();
        check_excluded(&args).unwrap();
        let subnet = Subnet::from(args);
        let pool = |first: &str, last: &str, excluded: &[&str]| AddressPool {
            first: first.into(),
            last: last.into(),
            excluded: excluded.iter().map(ToString::to_string).collect(),
        };
        let expected = [
            pool("10.97.200.1", "10.97.200.9", &[]),
            pool("10.97.201.1", "10.97.201.9", &["10.97.201.5"]),
        ];
        assert_eq!(subnet.pools, expected);
        assert_eq!(subnet.unknown_clients(), UnknownClients::Boot);
        assert_eq!(subnet.pool_lease_time_s, 600);
    }

    #[test]
    fn options_without_a_flag_of_their_own_go_by_number() {
        let line =
            "put 10.97.0.0/16 --ntp 10.97.0.5,10.97.0.6 --option 150=ip:10.97.0.9 --option 43=hex:0104";
        let subnet = Subnet::from(parse(line).unwrap());
        assert_eq!(subnet.ntp_servers, ["10.97.0.5", "10.97.0.6"]);
        let options: Vec<String> = subnet.options.iter().map(raw_option::show).collect();
        assert_eq!(options, ["150=ip:10.97.0.9", "43=hex:0104"]);
    }

    /// Members of an older version know nothing of pools: such a subnet must not name any.
    #[test]
    fn a_subnet_without_pools_says_nothing_of_them() {
        let subnet = Subnet::from(parse("put 10.97.0.0/16").unwrap());
        assert_eq!((subnet.unknown_clients, subnet.pool_lease_time_s), (0, 0));
        assert!(subnet.ntp_servers.is_empty() && subnet.options.is_empty());
    }

    #[test]
    fn what_is_no_range_or_in_none_is_refused() {
        for line in [
            "put 10.97.0.0/16 --pool 10.97.200.1",
            "put 10.97.0.0/16 --pool 10.97.200.1-x",
            "put 10.97.0.0/16 --exclude 10.97.200.1",
            "put 10.97.0.0/16 --unknown all",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
        let outside = parse("put 10.97.0.0/16 --pool 10.97.200.1-10.97.200.9 --exclude 10.97.201.1").unwrap();
        assert!(
            check_excluded(&outside)
                .unwrap_err()
                .to_string()
                .contains("10.97.201.1")
        );
    }
}
