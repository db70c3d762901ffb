//! What one server of this member would answer a client, and why.

use std::net::{Ipv4Addr, SocketAddrV4};

use dhcproto::v4::MessageType;
use model::Xname;
use proto::dhcp::v1::dhcp_answer::Outcome;
use proto::dhcp::v1::dhcp_command::{BindLeases, Change};
use proto::dhcp::v1::dhcp_network_answer::Turn as TurnShown;
use proto::dhcp::v1::subnet::UnknownClients;
use proto::dhcp::v1::{DhcpAnswer, DhcpCommand, DhcpNetworkAnswer};
use proto::raft::v1::Header;
use proto::raft::v1::entry::Command;
use rpc::Error;
use state::State;

use super::ignored;
use super::packet::Client;
use crate::boot::wanted_loader;
use crate::counters::Count;
use crate::link::{FoundBy, Link, ipv4_addresses};
use crate::option_text;
use crate::policy::{Binding, Decision};
use crate::reply::Reply;
use crate::request::{Client as Kind, Request};
use crate::routing::{Destination, destination};
use crate::server::Server;
use crate::waiting::Responder;

const SERVER_PORT: u16 = 67;
const CLIENT_PORT: u16 = 68;

/// What the client hears on one network.
///
/// # Errors
/// `Invalid` for a client that cannot be: its packet would be dropped unread.
pub(super) fn on(
    server: &Server,
    network: &str,
    state: &State,
    client: &Client,
    has_leader: bool,
) -> Result<DhcpNetworkAnswer, Error> {
    let about = &server.0.network;
    let packet = client.discover();
    let discover = Request::parse(&packet).map_err(|why| rpc::invalid("mac", why.meaning()))?;
    let explaining = Explaining {
        server,
        state,
        has_leader,
    };
    let offered = explaining.answer(&discover);
    let asked = client.requested.or_else(|| offered.address.parse().ok());
    let request = asked.map(|address| client.request(address, about.service_address));
    let request = request.as_deref().and_then(|packet| Request::parse(packet).ok());
    let turn = server.turn(discover.mac, !discover.is_relayed());
    let (subnet, subnet_reason) = link(state, &discover, server);
    Ok(DhcpNetworkAnswer {
        network: network.to_owned(),
        service_address: about.service_address.to_string(),
        turn: turn_shown(turn).into(),
        turn_reason: why_turn(turn),
        answering_member: answering_member(turn).unwrap_or_default(),
        subnet,
        subnet_reason,
        discover: Some(offered),
        request: request.map(|request| explaining.answer(&request)),
    })
}

fn turn_shown(turn: Responder) -> TurnShown {
    match turn {
        Responder::Own => TurnShown::Holder,
        Responder::StandIn => TurnShown::StandsIn,
        Responder::Other { .. } => TurnShown::Waits,
    }
}

fn why_turn(turn: Responder) -> String {
    let other = |who: &str| format!("{who} answers the client; this one answers what the client repeats");
    match turn {
        Responder::Own => {
            "this member answers the client at once: it holds the service address, or the client is among those that it answers"
                .to_owned()
        }
        Responder::StandIn => {
            "the member that should answer has fallen silent; this one answers in its place".to_owned()
        }
        Responder::Other {
            member: Some(member), ..
        } => other(&format!("member {member}")),
        Responder::Other { member: None, .. } => other("another member"),
    }
}

/// The other member that answers, where members hear each other.
fn answering_member(turn: Responder) -> Option<u64> {
    match turn {
        Responder::Own | Responder::StandIn => None,
        Responder::Other { member, .. } => member,
    }
}

fn link(state: &State, request: &Request<'_>, server: &Server) -> (String, String) {
    let found = FoundBy::of(state, request, &server.0.network);
    let reason = match found {
        Err(why) => return (String::new(), meaning(why)),
        Ok(FoundBy::Selection(named)) if request.is_relayed() => {
            format!("the relay names {named} (option 82.5)")
        }
        Ok(FoundBy::Selection(named)) => format!("the client names {named} (option 118)"),
        Ok(FoundBy::Relay(relay)) => format!("the relay {relay} is in it"),
        Ok(FoundBy::OwnAddress(own)) => format!("the client has {own} already"),
        Ok(FoundBy::ServiceAddress(service)) => {
            format!("no relay: the subnet of the service address {service}")
        }
    };
    match Link::of(state, request, &server.0.network) {
        Ok(link) => (link.subnet.network.clone(), reason),
        Err(why) => (String::new(), format!("{reason}, but {}", meaning(why))),
    }
}

/// What a reason means, without the word that says that there was no answer.
fn meaning(why: Count) -> String {
    let text = why.meaning().trim();
    let text = text.split_once(": ").map_or(text, |(_, rest)| rest);
    text.trim_end_matches('.').to_owned()
}

struct Explaining<'a> {
    server: &'a Server,
    state: &'a State,
    has_leader: bool,
}

impl Explaining<'_> {
    fn answer(&self, request: &Request<'_>) -> DhcpAnswer {
        match self.server.decide_on(self.state, request) {
            Decision::Silent(Count::IgnoredByPolicy) => self.ignored(request),
            Decision::Silent(why) => silence(why),
            // no message of an explained client ends a lease
            Decision::End(_) => silence(Count::UnsupportedMessageType),
            Decision::Nak(reply) if self.has_leader => self.refusal(request, &reply),
            Decision::Nak(_) => silence(Count::NoMajority),
            Decision::Bind(binding) if self.has_leader => self.bound(request, *binding),
            Decision::Bind(binding) => match binding.otherwise {
                Some(reply) => {
                    let why = "no leader is heard: what is left of the lease that is committed";
                    self.said(request, Outcome::Ack, &reply, why.to_owned())
                }
                None => silence(Count::NoMajority),
            },
            Decision::Offer(reply, _) => {
                let why = format!(
                    "{}; nothing is written before it is asked for",
                    self.why(request, &reply)
                );
                self.said(request, Outcome::Offer, &reply, why)
            }
            Decision::Reply(reply) => {
                let is_offer = reply.message_type == MessageType::Offer;
                let outcome = if is_offer { Outcome::Offer } else { Outcome::Ack };
                let why = self.why(request, &reply);
                self.said(request, outcome, &reply, why)
            }
        }
    }

    fn ignored(&self, request: &Request<'_>) -> DhcpAnswer {
        let nothing = silence(Count::IgnoredByPolicy);
        let Some(policy) = ignored::by(self.state, request, &self.server.0.network) else {
            return nothing;
        };
        DhcpAnswer {
            why: format!("the policy {} ignores this client", policy.name),
            ignored_by: Some(policy),
            ..nothing
        }
    }

    fn refusal(&self, request: &Request<'_>, reply: &Reply) -> DhcpAnswer {
        let why = match request.asked() {
            Some(address) => {
                format!("{address} is not this client's here, which a majority has to confirm first")
            }
            None => "a majority has to confirm it first".to_owned(),
        };
        self.said(request, Outcome::Nak, reply, why)
    }

    /// What comes of it when the lease is committed: tried out on a copy of the state.
    fn bound(&self, request: &Request<'_>, binding: Binding) -> DhcpAnswer {
        let mut copy = self.state.clone();
        let header = Header {
            proposed_at_ms: self.server.0.store.cluster_time_ms(),
            ..Header::default()
        };
        let leases = vec![binding.bind];
        let change = Some(Change::BindLeases(BindLeases { leases }));
        let _outcome = copy.try_out(&header, &Command::Dhcp(DhcpCommand { change }));
        match self.server.decide_on(&copy, request) {
            Decision::Reply(reply) => {
                let why =
                    "an address of the pools: the answer leaves when the lease is committed and applied here";
                self.said(request, Outcome::AckAfterCommit, &reply, why.to_owned())
            }
            Decision::Silent(why) => silence(why),
            _ => self.refusal(request, &binding.lost),
        }
    }

    /// Whose the address is.
    fn why(&self, request: &Request<'_>, reply: &Reply) -> String {
        let interface = self.state.smd.interface(&request.mac);
        let reserved = interface.filter(|interface| ipv4_addresses(interface).any(|own| own == reply.yiaddr));
        if let Some(interface) = reserved {
            return match interface.component_id.as_str() {
                "" => "SMD has the address on this interface, which is nobody's".to_owned(),
                owner => format!("SMD has the address on this interface of {owner}"),
            };
        }
        let lease = self.state.dhcp.lease(reply.yiaddr);
        match lease.filter(|lease| lease.mac == request.mac.to_string()) {
            Some(_) => "an address of the pools that the client has, or had last".to_owned(),
            None => "a free address of the pools".to_owned(),
        }
    }

    fn said(&self, request: &Request<'_>, outcome: Outcome, reply: &Reply, why: String) -> DhcpAnswer {
        let mut message = Vec::new();
        let is_whole = reply.write(request, &mut message);
        let left_out = (!is_whole).then_some(Count::OptionsLeftOut);
        let is_refusal = outcome == Outcome::Nak;
        DhcpAnswer {
            outcome: outcome.into(),
            reason: reply
                .note
                .or(left_out)
                .map(|note| note.name().to_owned())
                .unwrap_or_default(),
            why,
            address: unless_unspecified(reply.yiaddr),
            next_server: unless_unspecified(reply.siaddr),
            file: reply.file.clone(),
            server_name: reply.sname.clone(),
            boot_reason: if is_refusal {
                String::new()
            } else {
                self.why_boot(request, reply)
            },
            options: option_text::of_message(&message),
            destination: where_to(request, reply),
            ignored_by: None,
        }
    }

    /// Why the client boots that, or nothing.
    fn why_boot(&self, request: &Request<'_>, reply: &Reply) -> String {
        if let Some(nothing) = self.why_nothing_to_boot(request) {
            return nothing;
        }
        let architectures: Vec<String> = request
            .architectures
            .iter()
            .map(|code| architecture(*code))
            .collect();
        let architectures = match architectures.join(", ") {
            none if none.is_empty() => "no architecture (option 93)".to_owned(),
            some => format!("architecture {some}"),
        };
        let way = match request.client {
            Kind::Ipxe if reply.file.is_empty() => {
                return "iPXE, but nobody serves boot scripts on this network".to_owned();
            }
            Kind::Ipxe => return "iPXE (option 77 or 175): its script".to_owned(),
            Kind::Other => {
                return "it does not ask to boot: neither PXEClient, HTTPClient (option 60) nor iPXE"
                    .to_owned();
            }
            Kind::Pxe => "PXE",
            Kind::Http => "UEFI HTTP boot",
        };
        match (wanted_loader(request), reply.note) {
            (Some(loader), Some(Count::LoaderMissing)) => format!(
                "{way}, {architectures}: needs {loader}, which is not in `dhcp.loaders-dir` or not served on this network"
            ),
            (Some(loader), _) => format!("{way}, {architectures}: {loader}"),
            (None, _) => format!("{way}, {architectures}: there is no loader for it"),
        }
    }

    fn why_nothing_to_boot(&self, request: &Request<'_>) -> Option<String> {
        if let Some(interface) = self.state.smd.interface(&request.mac) {
            let owner = interface.component_id.parse::<Xname>().ok();
            return match owner {
                Some(owner) if owner.is_node() => None,
                Some(owner) => Some(format!("{owner} is no node: an address and nothing to boot")),
                None => Some("the interface is nobody's: an address and nothing to boot".to_owned()),
            };
        }
        let link = Link::of(self.state, request, &self.server.0.network).ok()?;
        (link.subnet.unknown_clients() != UnknownClients::Boot)
            .then(|| "the subnet gives clients that SMD does not know an address only".to_owned())
    }
}

fn silence(why: Count) -> DhcpAnswer {
    DhcpAnswer {
        outcome: Outcome::Silence.into(),
        reason: why.name().to_owned(),
        why: meaning(why),
        ..DhcpAnswer::default()
    }
}

fn unless_unspecified(address: Ipv4Addr) -> String {
    match address.is_unspecified() {
        true => String::new(),
        false => address.to_string(),
    }
}

fn where_to(request: &Request<'_>, reply: &Reply) -> String {
    let sender = match request.is_relayed() {
        true => SocketAddrV4::new(request.giaddr, SERVER_PORT),
        false => SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, CLIENT_PORT),
    };
    match destination(request, reply, sender) {
        Destination::Unicast(to) if request.is_relayed() => format!("the relay, {to}"),
        Destination::Unicast(to) => to.to_string(),
        Destination::Broadcast => "everyone on the link".to_owned(),
        Destination::Link { mac, .. } => format!("{mac}, without ARP"),
    }
}

/// A code of option 93 with its name (IANA "Processor Architecture Types").
fn architecture(code: u16) -> String {
    let name = match code {
        0 => "BIOS x86",
        6 => "UEFI x86",
        7 => "UEFI x64",
        9 => "EBC",
        10 => "UEFI ARM 32",
        11 => "UEFI ARM 64",
        15 => "UEFI x86 HTTP",
        16 => "UEFI x64 HTTP",
        18 => "UEFI ARM 32 HTTP",
        19 => "UEFI ARM 64 HTTP",
        20 => "BIOS HTTP",
        25 => "UEFI RISC-V 32",
        27 => "UEFI RISC-V 64",
        28 => "UEFI RISC-V 64 HTTP",
        39 => "UEFI LoongArch 64",
        40 => "UEFI LoongArch 64 HTTP",
        41 => "Raspberry Pi",
        _ => return code.to_string(),
    };
    format!("{code} ({name})")
}
