//! Options of DHCP that a subnet and a policy are given alike.

use std::net::Ipv4Addr;

use clap::Args;
use proto::dhcp::v1::RawOption;

use super::raw_option;

/// What `subnet put` and `dhcp policy put` both take.
#[derive(Clone, Debug, Args)]
pub struct OptionArgs {
    /// Routers in order of preference (option 3)
    #[arg(long = "router", value_delimiter = ',', value_name = "ADDRESS")]
    pub routers: Vec<Ipv4Addr>,
    /// DNS servers in order of preference (option 6)
    #[arg(long = "dns", value_delimiter = ',', value_name = "ADDRESS")]
    pub dns_servers: Vec<Ipv4Addr>,
    /// NTP servers in order of preference (option 42)
    #[arg(long = "ntp", value_delimiter = ',', value_name = "ADDRESS")]
    pub ntp_servers: Vec<Ipv4Addr>,
    /// Another option by its number
    #[arg(long = "option", value_name = raw_option::FORM, value_parser = raw_option::parse)]
    pub others: Vec<RawOption>,
}

/// Addresses as the API has them.
pub(crate) fn texts(addresses: &[Ipv4Addr]) -> Vec<String> {
    addresses.iter().map(Ipv4Addr::to_string).collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: OptionArgs,
    }

    fn parse(line: &str) -> Result<OptionArgs, clap::Error> {
        Line::try_parse_from(line.split(' ')).map(|line| line.options)
    }

    #[test]
    fn lists_keep_their_order_however_they_are_given() {
        let line = "put --router 10.97.0.2,10.97.0.1 --dns 10.97.0.3 --dns 9.9.9.9 --ntp 10.97.0.4 --option 43=hex:0104 \
                    --option 150=ip:10.97.0.9";
        let given = parse(line).unwrap();
        assert_eq!(texts(&given.routers), ["10.97.0.2", "10.97.0.1"]);
        assert_eq!(texts(&given.dns_servers), ["10.97.0.3", "9.9.9.9"]);
        assert_eq!(texts(&given.ntp_servers), ["10.97.0.4"]);
        let others: Vec<String> = given.others.iter().map(raw_option::show).collect();
        assert_eq!(others, ["43=hex:0104", "150=ip:10.97.0.9"]);
    }

    #[test]
    fn nothing_is_given_by_default() {
        assert!(parse("put").unwrap().routers.is_empty());
    }

    #[test]
    fn what_is_no_address_or_no_option_is_refused() {
        for line in [
            "put --router here",
            "put --dns ::1",
            "put --ntp 10.97.0",
            "put --option 43=0104",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
