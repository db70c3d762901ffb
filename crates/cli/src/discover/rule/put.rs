//! `chamois discover rule put`.

use std::str::FromStr;

use clap::{ArgGroup, Args};
use proto::discovery::v1::xname_rule::Rule;
use proto::discovery::v1::xname_rule_service_client::XnameRuleServiceClient;
use proto::discovery::v1::{
    DhcpHint, ExplicitXname, PutXnameRuleRequest, TemplateDigit, TemplateXname, XnameRule,
};

use super::list;
use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::output;

/// `chamois discover rule put`.
#[derive(Clone, Debug, Args)]
#[command(
    group(ArgGroup::new("bmcs").required(true).args(["address", "mac", "serial", "uuid", "subnet", "dhcp"])),
    after_help = "\
Examples:
  chamois discover rule put spare --serial CZJ1234 --xname x3000c0s7b0
  chamois discover rule put rack-1000 --subnet 10.1.0.0/24 --xname 'x1000c0s{slot}b{bmc}' --digit bmc=2 --digit slot=0:1
  chamois discover rule put leases --dhcp --priority 100

In a template the addresses of the subnet are numbered from --first on. The number is taken apart by the digits, the least
significant first: bmc=2 is 0 or 1, slot=0:1 is what is left over, counted from 1."
)]
pub struct PutArgs {
    /// Name of the rule
    pub name: String,
    /// Rules with a higher number are looked at first; default: 500
    #[arg(long, value_parser = clap::value_parser!(u32).range(0..=1000), value_name = "N")]
    pub priority: Option<u32>,
    /// The BMC at this address
    #[arg(long, value_name = "ADDRESS")]
    pub address: Option<String>,
    /// The BMC with this MAC
    #[arg(long, value_name = "MAC")]
    pub mac: Option<String>,
    /// The BMC with this serial number
    #[arg(long, value_name = "SERIAL")]
    pub serial: Option<String>,
    /// The BMC with this UUID
    #[arg(long, value_name = "UUID")]
    pub uuid: Option<String>,
    /// BMCs in this network, by their addresses
    #[arg(long, value_name = "CIDR")]
    pub subnet: Option<String>,
    /// BMCs with an interface in SMD are what it belongs to
    #[arg(long, conflicts_with = "xname")]
    pub dhcp: bool,
    /// The xname, with {NAME} for a digit where there is a --subnet
    #[arg(long, required_unless_present = "dhcp", value_name = "XNAME")]
    pub xname: Option<String>,
    /// Address that is number 0; default: the first of the subnet
    #[arg(
        long,
        requires = "subnet",
        conflicts_with_all = ["address", "mac", "serial", "uuid", "dhcp"],
        default_value = "",
        hide_default_value = true,
        value_name = "ADDRESS"
    )]
    pub first: String,
    /// A digit: how many there are (0: no bound), what the first is called, and by how much the next is called more
    #[arg(
        long = "digit",
        requires = "subnet",
        conflicts_with_all = ["address", "mac", "serial", "uuid", "dhcp"],
        value_name = "NAME=COUNT[:FIRST[:STEP]]"
    )]
    pub digits: Vec<Digit>,
    /// Refuse unless the rule is at this revision
    #[arg(long, value_name = "REVISION")]
    pub if_revision: Option<u64>,
}

/// `slot=42:1:1`.
#[derive(Clone, Debug, PartialEq)]
pub struct Digit(TemplateDigit);

impl FromStr for Digit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || {
            format!("`{text}`: write NAME=COUNT, NAME=COUNT:FIRST or NAME=COUNT:FIRST:STEP, e.g. slot=42:1")
        };
        let (name, numbers) = text.split_once('=').ok_or_else(wrong)?;
        let numbers: Result<Vec<u32>, _> = numbers.split(':').map(str::parse).collect();
        let numbers = numbers.map_err(|_| wrong())?;
        let (count, first, step) = match numbers.as_slice() {
            [count] => (*count, 0, 0),
            [count, first] => (*count, *first, 0),
            [count, first, step] => (*count, *first, *step),
            _ => return Err(wrong()),
        };
        match name {
            "" => Err(wrong()),
            name => Ok(Digit(TemplateDigit {
                name: name.to_owned(),
                count,
                first,
                step,
            })),
        }
    }
}

pub(super) async fn run(global: &GlobalArgs, args: PutArgs) -> Result<(), CliError> {
    let mut client = XnameRuleServiceClient::new(connect::to_any(global)?);
    let stored = client.put_xname_rule(request(args)).await?.into_inner();
    output::done(global, ("chamois.discovery.v1.XnameRule", &stored), || {
        output::tabulated(global, std::slice::from_ref(&stored), &list::RULES)
    })
}

fn request(args: PutArgs) -> PutXnameRuleRequest {
    let xname = args.xname.unwrap_or_default();
    let rule = match args.subnet {
        _ if args.dhcp => Rule::Dhcp(DhcpHint {}),
        Some(subnet) => Rule::Template(TemplateXname {
            subnet,
            first: args.first,
            xname,
            digits: args.digits.into_iter().map(|Digit(digit)| digit).collect(),
        }),
        None => Rule::Explicit(ExplicitXname {
            address: args.address.unwrap_or_default(),
            mac: args.mac.unwrap_or_default(),
            serial: args.serial.unwrap_or_default(),
            uuid: args.uuid.unwrap_or_default(),
            xname,
        }),
    };
    PutXnameRuleRequest {
        rule: Some(XnameRule {
            name: args.name,
            priority: args.priority,
            rule: Some(rule),
            meta: None,
        }),
        if_revision: args.if_revision,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: PutArgs,
    }

    fn parse(words: &str) -> Result<XnameRule, clap::Error> {
        let line = Line::try_parse_from(words.split(' '))?;
        Ok(request(line.args).rule.unwrap())
    }

    #[test]
    fn each_kind_of_rule_can_be_said() {
        let Some(Rule::Explicit(one)) = parse("put a --serial CZ1 --xname x0c0s0b0").unwrap().rule else {
            panic!("an explicit rule");
        };
        assert_eq!((one.serial.as_str(), one.xname.as_str()), ("CZ1", "x0c0s0b0"));
        let words = "put a --subnet 10.1.0.0/24 --xname x1c0s{slot}b{bmc} --first 10.1.0.9 --digit bmc=2 --digit slot=0:1:2";
        let Some(Rule::Template(template)) = parse(words).unwrap().rule else {
            panic!("a template");
        };
        assert_eq!(template.first, "10.1.0.9");
        let digits: Vec<_> = template
            .digits
            .iter()
            .map(|digit| (digit.name.as_str(), digit.count, digit.first, digit.step))
            .collect();
        assert_eq!(digits, [("bmc", 2, 0, 0), ("slot", 0, 1, 2)]);
        let dhcp = parse("put a --dhcp --priority 100").unwrap();
        assert_eq!(
            (dhcp.priority, dhcp.rule),
            (Some(100), Some(Rule::Dhcp(DhcpHint {})))
        );
    }

    #[test]
    fn a_rule_is_one_of_these_and_has_an_xname() {
        for wrong in [
            "put a",
            "put a --xname x0c0s0b0",
            "put a --serial CZ1",
            "put a --serial CZ1 --mac 02:00:00:00:00:01 --xname x0c0s0b0",
            "put a --serial CZ1 --xname x0c0s0b0 --digit slot=1",
            "put a --dhcp --xname x0c0s0b0",
            "put a --dhcp --priority 1001",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_digit_shows_its_form_when_it_is_wrong() {
        for wrong in ["slot", "=1", "slot=", "slot=a", "slot=1:2:3:4", "slot=-1"] {
            assert!(
                wrong.parse::<Digit>().unwrap_err().contains("slot=42:1"),
                "{wrong}"
            );
        }
    }
}
