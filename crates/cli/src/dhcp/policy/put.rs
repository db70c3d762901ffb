//! `chamois dhcp policy put`: creates or replaces.

use std::net::Ipv4Addr;

use clap::{Args, ValueEnum};
use model::HostnamePattern;
use proto::dhcp::v1::dhcp_policy::DomainAppend;
use proto::dhcp::v1::dhcp_policy_service_client::DhcpPolicyServiceClient;
use proto::dhcp::v1::{DhcpPolicy, PutDhcpPolicyRequest};

use super::show;
use crate::args::GlobalArgs;
use crate::connect;
use crate::dhcp::option_args::{OptionArgs, texts};
use crate::error::CliError;
use crate::nodes;

/// Priority of a policy that does not say it (`DhcpPolicy.priority`).
pub(crate) const PRIORITY_DEFAULT: u32 = 500;

/// `chamois dhcp policy put`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois dhcp policy put nodes --type Node --hostname 'nid{04d}'
  chamois dhcp policy put bmcs --type NodeBMC --hostname '{id}' --lease-time 86400 --ntp 10.97.0.5
  chamois dhcp policy put hsn --subnet 10.99.0.0/16 --hostname 'nid{04d}-hsn' --router 10.99.0.1 --mtu 9000 --priority 600
  chamois dhcp policy put pdus --type CabinetPDUController --option 66=text:ztp.example --option 150=ip:10.97.0.9
  chamois dhcp policy put dark --group retired --ignore --priority 1000

Every kind of selector that is given must fit, of one kind any of its values; without any, every client is meant. The policies
are looked at by priority, the highest first; the first that fits is taken, and with --continues also the next, which then
counts more. A policy counts more than the subnet, the subnet more than what the server has by itself.
What is not given is not set: a put replaces the whole policy.")]
pub struct PutArgs {
    /// Name of the policy
    pub name: String,
    /// What it is for
    #[arg(long, default_value = "", hide_default_value = true, value_name = "TEXT")]
    pub description: String,
    /// 0 to 1000, the highest first; equal ones by name
    #[arg(long, default_value_t = PRIORITY_DEFAULT)]
    pub priority: u32,
    /// Components of this SMD type, e.g. Node or NodeBMC
    #[arg(
        long = "type",
        value_delimiter = ',',
        value_name = "TYPE",
        help_heading = "Whom"
    )]
    pub types: Vec<String>,
    /// Clients whose address is in this network
    #[arg(
        long = "subnet",
        value_delimiter = ',',
        value_name = "CIDR",
        help_heading = "Whom"
    )]
    pub subnets: Vec<String>,
    /// Components of this nodeset or place, e.g. x[1000-1003]c*s*b0n0; names and `@groups` mean the nodes that they are now
    #[arg(long = "host", value_name = "NODESET", value_parser = crate::nodes::text, help_heading = "Whom")]
    pub hosts: Vec<String>,
    /// Members of this group
    #[arg(
        long = "group",
        value_delimiter = ',',
        value_name = "LABEL",
        help_heading = "Whom"
    )]
    pub groups: Vec<String>,
    /// Components of this role
    #[arg(
        long = "role",
        value_delimiter = ',',
        value_name = "ROLE",
        help_heading = "Whom"
    )]
    pub roles: Vec<String>,
    /// Components of this subrole
    #[arg(
        long = "sub-role",
        value_delimiter = ',',
        value_name = "SUBROLE",
        help_heading = "Whom"
    )]
    pub sub_roles: Vec<String>,
    /// Look at further policies, too
    #[arg(long)]
    pub continues: bool,
    /// No answer at all
    #[arg(long, help_heading = "What")]
    pub ignore: bool,
    /// Host name (option 12, and DNS): {id} is the xname, {04d} the NID with at least four digits
    #[arg(long, value_name = "PATTERN", value_parser = pattern, help_heading = "What")]
    pub hostname: Option<HostnamePattern>,
    /// Domain name (option 15)
    #[arg(
        long,
        default_value = "",
        hide_default_value = true,
        value_name = "NAME",
        help_heading = "What"
    )]
    pub domain: String,
    /// Domains that follow the name in option 12
    #[arg(long, value_enum, help_heading = "What")]
    pub domain_append: Option<Append>,
    /// Network mask (option 1), as bits or written out; 0 is the subnet's
    #[arg(long = "netmask", value_name = "BITS|MASK", value_parser = prefix_length, default_value = "0", help_heading = "What")]
    pub prefix_length: u32,
    /// Lease time of reserved addresses, seconds (option 51); 0 is the subnet's
    #[arg(long, default_value_t = 0, value_name = "SECONDS", help_heading = "What")]
    pub lease_time: u32,
    /// Interface MTU, bytes (option 26); 0 is the subnet's
    #[arg(long, default_value_t = 0, value_name = "BYTES", help_heading = "What")]
    pub mtu: u32,
    /// Options that a subnet is given alike; they are last, as what follows would come under their heading, too.
    #[command(flatten, next_help_heading = "What")]
    pub options: OptionArgs,
}

/// What follows the name in option 12.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Append {
    /// Nothing
    None,
    /// The policy's domain, else the subnet's, as coresmd does it
    Either,
    /// The subnet's domain
    Subnet,
    /// The policy's domain
    Policy,
    /// The subnet's domain, then the policy's
    SubnetPolicy,
    /// The policy's domain, then the subnet's
    PolicySubnet,
}

impl Append {
    pub(super) fn wire(self) -> DomainAppend {
        match self {
            Append::None => DomainAppend::None,
            Append::Either => DomainAppend::Either,
            Append::Subnet => DomainAppend::Subnet,
            Append::Policy => DomainAppend::Policy,
            Append::SubnetPolicy => DomainAppend::SubnetPolicy,
            Append::PolicySubnet => DomainAppend::PolicySubnet,
        }
    }
}

fn pattern(text: &str) -> Result<HostnamePattern, String> {
    text.parse()
        .map_err(|problem: model::InvalidValue| problem.to_string())
}

/// `22`, `/22` or `255.255.252.0`.
fn prefix_length(text: &str) -> Result<u32, String> {
    let bits = text.strip_prefix('/').unwrap_or(text);
    if let Ok(bits @ 0..=32) = bits.parse::<u32>() {
        return Ok(bits);
    }
    let mask = text.parse::<Ipv4Addr>().map(Ipv4Addr::to_bits);
    match mask {
        Ok(mask) if mask.leading_ones() + mask.trailing_zeros() == 32 => Ok(mask.leading_ones()),
        Ok(_) | Err(_) => Err("write 1 to 32 bits or a mask, e.g. 22 or 255.255.252.0".to_owned()),
    }
}

impl From<PutArgs> for DhcpPolicy {
    fn from(args: PutArgs) -> Self {
        Self {
            name: args.name,
            description: args.description,
            priority: Some(args.priority),
            component_types: args.types,
            subnets: args.subnets,
            hosts: args.hosts,
            groups: args.groups,
            roles: args.roles,
            sub_roles: args.sub_roles,
            continues: args.continues,
            ignore: args.ignore,
            hostname: args
                .hostname
                .map(|pattern| pattern.to_string())
                .unwrap_or_default(),
            domain: args.domain,
            domain_append: args
                .domain_append
                .map_or(DomainAppend::Unspecified, Append::wire)
                .into(),
            routers: texts(&args.options.routers),
            prefix_length: args.prefix_length,
            dns_servers: texts(&args.options.dns_servers),
            ntp_servers: texts(&args.options.ntp_servers),
            lease_time_s: args.lease_time,
            mtu: args.mtu,
            options: args.options.others,
            meta: None,
        }
    }
}

pub(super) async fn run(global: &GlobalArgs, mut args: PutArgs) -> Result<(), CliError> {
    args.hosts = nodes::targets(global, &args.hosts).await?;
    let mut client = DhcpPolicyServiceClient::new(connect::to_any(global)?);
    let request = PutDhcpPolicyRequest {
        policy: Some(args.into()),
    };
    let policy = client.put_dhcp_policy(request).await?.into_inner();
    show::print(global, &policy)
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

    fn parse(line: &str) -> Result<DhcpPolicy, clap::Error> {
        Line::try_parse_from(line.split(' ')).map(|line| line.args.into())
    }

    #[test]
    fn every_field_is_taken_from_the_line() {
        let given = parse(
            "put hsn --description fast --priority 600 --type Node,NodeBMC --subnet 10.99.0.0/16 --host x[1,2]c0 --host x3 \
             --group a,b --role Compute --sub-role Worker --continues --hostname nid{4d}-hsn --domain hsn.example \
             --domain-append either --router 10.99.0.1,10.99.0.2 --netmask /22 --dns 10.99.0.3 --ntp 10.99.0.4 \
             --lease-time 600 --mtu 9000 --option 43=hex:0104 --option 150=ip:10.99.0.5",
        )
        .unwrap();
        let texts = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<String>>();
        let expected = DhcpPolicy {
            name: "hsn".into(),
            description: "fast".into(),
            priority: Some(600),
            component_types: texts(&["Node", "NodeBMC"]),
            subnets: texts(&["10.99.0.0/16"]),
            hosts: texts(&["x[1,2]c0", "x3"]),
            groups: texts(&["a", "b"]),
            roles: texts(&["Compute"]),
            sub_roles: texts(&["Worker"]),
            continues: true,
            ignore: false,
            hostname: "nid{04d}-hsn".into(),
            domain: "hsn.example".into(),
            domain_append: DomainAppend::Either.into(),
            routers: texts(&["10.99.0.1", "10.99.0.2"]),
            prefix_length: 22,
            dns_servers: texts(&["10.99.0.3"]),
            ntp_servers: texts(&["10.99.0.4"]),
            lease_time_s: 600,
            mtu: 9000,
            options: ["43=hex:0104", "150=ip:10.99.0.5"]
                .map(|o| raw_option::parse(o).unwrap())
                .into(),
            meta: None,
        };
        assert_eq!(given, expected);
    }

    #[test]
    fn what_is_not_given_is_not_set() {
        let expected = DhcpPolicy {
            name: "dark".into(),
            priority: Some(500),
            ignore: true,
            ..DhcpPolicy::default()
        };
        assert_eq!(parse("put dark --ignore").unwrap(), expected);
    }

    #[test]
    fn a_mask_is_bits_or_written_out() {
        for (text, bits) in [
            ("22", 22),
            ("/22", 22),
            ("255.255.252.0", 22),
            ("255.255.255.255", 32),
            ("0", 0),
        ] {
            assert_eq!(prefix_length(text), Ok(bits), "{text}");
        }
        for text in ["33", "-1", "255.0.255.0", "mask", ""] {
            assert!(prefix_length(text).is_err(), "{text}");
        }
    }

    #[test]
    fn mistakes_are_found_before_anything_is_sent() {
        for line in [
            "put",
            "put a --hostname nid{d}",
            "put a --router here",
            "put a --netmask 255.0.255.0",
            "put a --domain-append global",
            "put a --option 43=0104",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
