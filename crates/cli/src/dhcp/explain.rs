//! `chamois dhcp explain <mac>`: what a client would hear from DHCP now, and why.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use clap::Args;
use proto::dhcp::v1::dhcp_answer::Outcome;
use proto::dhcp::v1::dhcp_explain_service_client::DhcpExplainServiceClient;
use proto::dhcp::v1::dhcp_network_answer::Turn;
use proto::dhcp::v1::{DhcpAnswer, DhcpExplanation, DhcpNetworkAnswer, DhcpPolicyPlace, ExplainDhcpRequest};

use super::leases;
use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::output;
use crate::utc;

/// `chamois dhcp explain`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois dhcp explain 02:00:00:00:00:a1
  chamois dhcp explain 02:00:00:00:00:a1 --arch x64
  chamois dhcp explain 02:00:00:00:00:a1 --class ipxe --relay 10.98.0.1
  chamois -o json dhcp explain 02:00:00:00:00:a1 --arch http-x64

Nothing is changed: no lease, no offer, no news of an unknown client. The member that is asked answers as it would answer the
client; --endpoints asks another one. With --arch and no --class the class is what such firmware sends.")]
pub struct ExplainArgs {
    /// The client's MAC
    pub mac: String,
    /// Only on this `[[network]]` of the member
    #[arg(long, default_value = "", hide_default_value = true, value_name = "NAME")]
    pub network: String,
    /// Option 93: bios, ia32, x64, arm64, http-x64, http-arm64 or IANA's number; several as a comma list
    #[arg(long, value_parser = architecture, value_delimiter = ',', value_name = "ARCH")]
    pub arch: Vec<Architecture>,
    /// Option 60: PXEClient, HTTPClient or any text; `ipxe` for iPXE's option 77
    #[arg(long, value_name = "CLASS")]
    pub class: Option<String>,
    /// Option 77
    #[arg(long, value_name = "TEXT")]
    pub user_class: Option<String>,
    /// Option 61, hexadecimal, e.g. 01:02:00:00:00:00:a1
    #[arg(long, default_value = "", hide_default_value = true, value_name = "HEX")]
    pub client_id: String,
    /// Address of the relay that it asks through (giaddr)
    #[arg(long, value_name = "ADDRESS")]
    pub relay: Option<Ipv4Addr>,
    /// Link that the relay (option 82.5) or the client (118) names
    #[arg(long, value_name = "ADDRESS")]
    pub link: Option<Ipv4Addr>,
    /// Address that it wishes for and then asks for (option 50)
    #[arg(long, value_name = "ADDRESS")]
    pub requested: Option<Ipv4Addr>,
}

/// A value of option 93.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Architecture(u16);

impl Architecture {
    /// IANA gives HTTP boot codes of its own.
    fn boots_over_http(self) -> bool {
        matches!(self.0, 15..=20 | 26 | 28 | 30 | 32 | 38 | 40)
    }
}

fn architecture(text: &str) -> Result<Architecture, String> {
    let code = match text {
        "bios" => 0,
        "ia32" => 6,
        "x64" => 7,
        "arm64" => 11,
        "http-x64" => 16,
        "http-arm64" => 19,
        number => number.parse().map_err(|_| {
            "write bios, ia32, x64, arm64, http-x64, http-arm64 or a number from 0 to 65535".to_owned()
        })?,
    };
    Ok(Architecture(code))
}

impl From<ExplainArgs> for ExplainDhcpRequest {
    fn from(args: ExplainArgs) -> Self {
        let address = |given: Option<Ipv4Addr>| given.map(|address| address.to_string()).unwrap_or_default();
        let is_ipxe = args.class.as_deref() == Some("ipxe");
        let user_class = args.user_class.or_else(|| is_ipxe.then(|| "iPXE".to_owned()));
        let class = args.class.filter(|_| !is_ipxe);
        Self {
            mac: args.mac,
            network: args.network,
            vendor_class: vendor_class(class, args.arch.first().copied()),
            architectures: args.arch.iter().map(|one| one.0.into()).collect(),
            user_class: user_class.unwrap_or_default(),
            client_id: args.client_id,
            relay: address(args.relay),
            link: address(args.link),
            requested: address(args.requested),
        }
    }
}

/// What firmware of an architecture says, unless another text is given.
fn vendor_class(given: Option<String>, architecture: Option<Architecture>) -> String {
    let kind = match (given, architecture) {
        (None, None) => return String::new(),
        (None, Some(architecture)) if architecture.boots_over_http() => "HTTPClient".to_owned(),
        (None, Some(_)) => "PXEClient".to_owned(),
        (Some(text), _) => text,
    };
    match (kind.as_str(), architecture) {
        ("PXEClient" | "HTTPClient", Some(Architecture(code))) => {
            format!("{kind}:Arch:{code:05}:UNDI:003016")
        }
        _ => kind,
    }
}

pub(super) async fn run(global: &GlobalArgs, args: ExplainArgs) -> Result<(), CliError> {
    let mut client = DhcpExplainServiceClient::new(connect::to_any(global)?);
    let key = args.mac.clone();
    let answer = client
        .explain_dhcp(ExplainDhcpRequest::from(args))
        .await?
        .into_inner();
    output::object(global, ("chamois.dhcp.v1.DhcpExplanation", &answer), &key, || {
        as_text(&answer).trim_end().to_owned()
    })
}

fn as_text(explained: &DhcpExplanation) -> String {
    let mut text = head(explained);
    for network in &explained.networks {
        section(&mut text, network);
    }
    text
}

/// Who the client is.
fn head(explained: &DhcpExplanation) -> String {
    let leader = if explained.has_leader {
        ""
    } else {
        ", which hears no leader"
    };
    let mut text = format!(
        "{}, as member {} has it at revision {}{leader}\n",
        explained.mac, explained.member, explained.revision
    );
    match &explained.interface {
        None => text.push_str("SMD does not have this MAC.\n"),
        Some(interface) => {
            let owner = match interface.component_id.as_str() {
                "" => "nobody",
                owner => owner,
            };
            let addresses = interface
                .addresses
                .iter()
                .map(|address| match address.subnet.as_str() {
                    "" => format!("{} (in no subnet: DHCP does not serve it)", address.address),
                    subnet => format!("{} (in {subnet})", address.address),
                });
            let addresses = match addresses.collect::<Vec<_>>().join(", ") {
                none if none.is_empty() => "no address".to_owned(),
                some => some,
            };
            let _ = writeln!(text, "SMD has it as an interface of {owner}: {addresses}");
        }
    }
    for lease in &explained.leases {
        let _ = writeln!(
            text,
            "Lease of the pools: {}, {}, until {}",
            lease.address,
            leases::state(lease.state()),
            utc::timestamp(lease.ends_at_ms)
        );
    }
    for held in &explained.held {
        let until = match held.ends_at_ms {
            0 => "every member has heard of it, and one lease longer".to_owned(),
            ends_at_ms => utc::timestamp(ends_at_ms),
        };
        let _ = writeln!(text, "Held: {} for {}, until {until}", held.address, held.mac);
    }
    if let Some(unknown) = &explained.unknown {
        let _ = writeln!(
            text,
            "Unknown client since {}, last seen {}",
            utc::timestamp(unknown.first_seen_at_ms),
            utc::timestamp(unknown.last_seen_at_ms)
        );
    }
    text
}

fn section(text: &mut String, network: &DhcpNetworkAnswer) {
    let turn = match (network.turn(), network.answering_member) {
        (Turn::Holder, _) => "holder".to_owned(),
        (Turn::StandsIn, _) => "stands in".to_owned(),
        (Turn::Waits, 0) => "waits".to_owned(),
        (Turn::Waits, member) => format!("waits for member {member}"),
        (Turn::Unspecified, _) => "unknown".to_owned(),
    };
    let subnet = match network.subnet.as_str() {
        "" => "none",
        subnet => subnet,
    };
    let _ = writeln!(
        text,
        "\n--- network {}, service address {}\nAnswers: {turn}: {}\nSubnet:  {subnet}: {}",
        network.network, network.service_address, network.turn_reason, network.subnet_reason
    );
    let answers = [
        ("DHCPDISCOVER", &network.discover),
        ("DHCPREQUEST ", &network.request),
    ];
    for (question, answer) in answers {
        if let Some(answer) = answer {
            let _ = writeln!(text, "{question} -> {}", said(answer));
        }
    }
    // a DHCPREQUEST would be ignored by the same one
    let discover = network.discover.as_ref();
    if let Some(policy) = discover.and_then(|answer| answer.ignored_by.as_ref()) {
        let _ = writeln!(text, "Ignored: {}", ignored_by(policy));
    }
    // the offer's, which are those of the acknowledgement; of a client that is not offered anything what it is acknowledged
    let whole = [&network.discover, &network.request].into_iter().flatten();
    let Some(answer) = whole.clone().find(|answer| !answer.options.is_empty()) else {
        return;
    };
    let _ = writeln!(text, "Sent to: {}", answer.destination);
    if !answer.boot_reason.is_empty() {
        let _ = writeln!(text, "Boots:   {}", boots(answer));
    }
    let _ = writeln!(text, "{}", options(answer));
}

fn said(answer: &DhcpAnswer) -> String {
    let what = match answer.outcome() {
        Outcome::Offer => "OFFER",
        Outcome::Ack => "ACK",
        Outcome::AckAfterCommit => "ACK after commit",
        Outcome::Nak => "NAK",
        Outcome::Silence => "silence",
        Outcome::Unspecified => "unknown",
    };
    let mut text = what.to_owned();
    for part in [&answer.address, &answer.reason] {
        if !part.is_empty() {
            let _ = write!(text, " {part}");
        }
    }
    format!("{text}: {}", answer.why)
}

/// Which policy it is, where it stands, and how it is looked at.
fn ignored_by(policy: &DhcpPolicyPlace) -> String {
    let DhcpPolicyPlace {
        name,
        place,
        of,
        priority,
    } = policy;
    format!(
        "by the policy {name}, number {place} of {of}, priority {priority} (chamois dhcp policy show {name})"
    )
}

fn boots(answer: &DhcpAnswer) -> String {
    match answer.file.as_str() {
        "" => format!("nothing: {}", answer.boot_reason),
        file => format!("{file}: {}", answer.boot_reason),
    }
}

fn options(answer: &DhcpAnswer) -> comfy_table::Table {
    let mut table = output::table(["OPTION", "NAME", "VALUE"]);
    for option in &answer.options {
        table.add_row([option.code.to_string(), option.name.clone(), option.value.clone()]);
    }
    table
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use proto::dhcp::v1::{
        DhcpKnownAddress, DhcpKnownInterface, DhcpOptionValue, HeldAddress, UnknownClient,
    };

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: ExplainArgs,
    }

    fn request(line: &str) -> ExplainDhcpRequest {
        let line = Line::try_parse_from(line.split(' ')).unwrap();
        ExplainDhcpRequest::from(line.args)
    }

    /// Firmware sends its class with its architecture; whoever types one of them need not know the other.
    #[test]
    fn an_architecture_brings_its_class() {
        let class = |line: &str| request(line).vendor_class;
        assert_eq!(class("explain a1"), "");
        assert_eq!(class("explain a1 --arch x64"), "PXEClient:Arch:00007:UNDI:003016");
        assert_eq!(
            class("explain a1 --arch http-x64"),
            "HTTPClient:Arch:00016:UNDI:003016"
        );
        assert_eq!(
            class("explain a1 --arch 16 --class PXEClient"),
            "PXEClient:Arch:00016:UNDI:003016"
        );
        assert_eq!(class("explain a1 --class HTTPClient"), "HTTPClient");
        assert_eq!(class("explain a1 --arch bios --class iDRAC"), "iDRAC");
        assert_eq!(request("explain a1 --arch x64,bios,27").architectures, [7, 0, 27]);
        assert!(Line::try_parse_from(["explain", "a1", "--arch", "vax"]).is_err());
        assert!(Line::try_parse_from(["explain", "a1", "--arch", "65536"]).is_err());
    }

    #[test]
    fn ipxe_is_a_class_of_its_own() {
        let ipxe = request("explain a1 --class ipxe --arch bios --relay 10.98.0.1 --link 10.98.4.0");
        assert_eq!(ipxe.user_class, "iPXE");
        assert_eq!(ipxe.vendor_class, "PXEClient:Arch:00000:UNDI:003016");
        assert_eq!(
            (ipxe.relay.as_str(), ipxe.link.as_str()),
            ("10.98.0.1", "10.98.4.0")
        );
        let other = request("explain a1 --user-class acme --client-id 0102 --requested 10.97.2.1");
        assert_eq!(other.user_class, "acme");
        assert_eq!(
            (other.client_id.as_str(), other.requested.as_str()),
            ("0102", "10.97.2.1")
        );
    }

    fn explained() -> DhcpExplanation {
        let option = |code, name: &str, value: &str| DhcpOptionValue {
            code,
            name: name.into(),
            value: value.into(),
            hex: String::new(),
        };
        let offer = DhcpAnswer {
            outcome: Outcome::Offer.into(),
            address: "10.97.2.1".into(),
            why: "SMD has it".into(),
            reason: "loader_missing".into(),
            boot_reason: "needs snponly.efi".into(),
            destination: "02:00:00:00:00:a1, without ARP".into(),
            options: vec![option(51, "Address Time", "3600 s"), option(224, "", "01")],
            ..DhcpAnswer::default()
        };
        let silence = DhcpAnswer {
            outcome: Outcome::Silence.into(),
            reason: "no_majority".into(),
            why: "there is none".into(),
            ..DhcpAnswer::default()
        };
        DhcpExplanation {
            mac: "02:00:00:00:00:a1".into(),
            member: 2,
            revision: 7,
            has_leader: false,
            interface: Some(DhcpKnownInterface {
                component_id: "x0c0s0b0n0".into(),
                addresses: vec![DhcpKnownAddress {
                    address: "192.0.2.7".into(),
                    subnet: String::new(),
                }],
                ..DhcpKnownInterface::default()
            }),
            networks: vec![DhcpNetworkAnswer {
                network: "boot".into(),
                service_address: "10.97.0.1".into(),
                turn: Turn::Waits.into(),
                turn_reason: "another holds it".into(),
                subnet: "10.97.0.0/16".into(),
                subnet_reason: "no relay".into(),
                discover: Some(offer),
                request: Some(silence),
                answering_member: 3,
            }],
            ..DhcpExplanation::default()
        }
    }

    #[test]
    fn a_page_says_who_answers_what_and_why() {
        let text = as_text(&explained());
        for part in [
            "02:00:00:00:00:a1, as member 2 has it at revision 7, which hears no leader",
            "interface of x0c0s0b0n0: 192.0.2.7 (in no subnet",
            "--- network boot, service address 10.97.0.1",
            "Answers: waits for member 3: another holds it",
            "Subnet:  10.97.0.0/16: no relay",
            "DHCPDISCOVER -> OFFER 10.97.2.1 loader_missing: SMD has it",
            "DHCPREQUEST  -> silence no_majority: there is none",
            "Sent to: 02:00:00:00:00:a1, without ARP",
            "Boots:   nothing: needs snponly.efi",
            "Address Time",
            "3600 s",
            " 224 ",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn who_is_ignored_is_told_by_which_policy() {
        let mut explained = explained();
        let network = &mut explained.networks[0];
        network.answering_member = 0;
        network.request = None;
        network.discover = Some(DhcpAnswer {
            outcome: Outcome::Silence.into(),
            reason: "ignored_by_policy".into(),
            why: "the policy bmcs ignores this client".into(),
            ignored_by: Some(DhcpPolicyPlace {
                name: "bmcs".into(),
                place: 2,
                of: 5,
                priority: 700,
            }),
            ..DhcpAnswer::default()
        });
        let text = as_text(&explained);
        for part in [
            "Answers: waits: another holds it",
            "DHCPDISCOVER -> silence ignored_by_policy: the policy bmcs ignores this client",
            "Ignored: by the policy bmcs, number 2 of 5, priority 700 (chamois dhcp policy show bmcs)",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn what_is_known_of_a_stranger_is_on_the_page() {
        let stranger = DhcpExplanation {
            interface: None,
            has_leader: true,
            networks: Vec::new(),
            leases: vec![proto::dhcp::v1::DhcpLease {
                address: "10.97.200.7".into(),
                state: proto::dhcp::v1::dhcp_lease::State::Bound.into(),
                ends_at_ms: 1_764_054_000_000,
                ..Default::default()
            }],
            held: vec![HeldAddress {
                address: "10.97.2.1".into(),
                mac: "02:00:00:00:00:a2".into(),
                ..HeldAddress::default()
            }],
            unknown: Some(UnknownClient {
                first_seen_at_ms: 1_764_054_000_000,
                ..UnknownClient::default()
            }),
            ..explained()
        };
        let text = as_text(&stranger);
        for part in [
            "at revision 7\n",
            "SMD does not have this MAC",
            "10.97.200.7, bound, until 2025-11-25T07:00:00Z",
            "Held: 10.97.2.1 for 02:00:00:00:00:a2, until every member",
            "Unknown client since 2025-11-25T07:00:00Z",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
