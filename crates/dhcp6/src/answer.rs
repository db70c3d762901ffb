//! The answers that a known node can get, with what they carry.

use std::net::Ipv6Addr;

use dhcproto::v6::{DhcpOption, IAAddr, IANA, IAPD, IATA, MessageType, Status};
use model::MacAddr;
use proto::smd::v1::EthernetInterface;
use state::State;
use state::dhcp::lease_time_s;

use crate::boot::add_boot_options;
use crate::counters::Count;
use crate::link::Link;
use crate::message::{Association, Kind, code};
use crate::names;
use crate::network::Site;
use crate::policy::Decision;
use crate::reply::{Reply, raw, status};
use crate::request::Request;

/// Option 7: no client need wait for the offer of another server (RFC 8415 section 18.2.1).
const PREFERENCE: u8 = 255;
/// Option 39: the server keeps the name's AAAA record (RFC 4704 section 4.1), whatever the client wished.
const FQDN_BY_SERVER: u8 = 0b001;
const FQDN_AGAINST_WISH: u8 = 0b010;

/// What answers to one request have in common.
pub(crate) struct Answer<'a> {
    pub(crate) state: &'a State,
    pub(crate) request: &'a Request<'a>,
    pub(crate) site: &'a Site<'a>,
    pub(crate) link: &'a Link<'a>,
    pub(crate) interface: &'a EthernetInterface,
    pub(crate) mac: MacAddr,
    /// The node's addresses on the link, but for those that are held for their old owner.
    pub(crate) addresses: &'a [Ipv6Addr],
    /// Whether any is held: it becomes the node's when that one's lifetime has ended.
    pub(crate) has_held: bool,
    pub(crate) duid: &'a [u8],
    /// None for a client that has no name.
    pub(crate) hostname: Option<String>,
    /// Whether the client is given something to boot.
    pub(crate) boots: bool,
}

/// What is said of one identity association.
struct Bound {
    /// What says of something that it is not so.
    refuses: Option<DhcpOption>,
    /// What this member may say by itself: the node's addresses, or what there is for nobody.
    grants: Option<DhcpOption>,
}

impl Answer<'_> {
    /// To SOLICIT, REQUEST, RENEW and REBIND.
    pub(crate) fn bindings(&self) -> Decision {
        let all: Vec<Bound> = self
            .each_association()
            .map(|(ia, own)| self.bind(ia, own))
            .collect();
        let refuses = all.iter().any(|bound| bound.refuses.is_some());
        let has_address = all
            .iter()
            .any(|bound| matches!(bound.grants, Some(DhcpOption::IANA(_))));
        let may_be_said = all.iter().filter_map(|bound| bound.grants.clone()).collect();
        let whole = all
            .into_iter()
            .filter_map(|bound| bound.refuses.or(bound.grants))
            .collect();
        let mut whole = self.reply(self.type_of_answer(), whole);
        whole.note = whole.note.or(self.has_held.then_some(Count::AddressHeld));
        if !refuses {
            return Decision::Reply(whole);
        }
        let partial = has_address.then(|| self.reply(self.type_of_answer(), may_be_said));
        Decision::Refusal(whole, partial)
    }

    /// To CONFIRM: whether all that it names is still the node's.
    pub(crate) fn confirm(&self) -> Result<Decision, Count> {
        if self.request.named().next().is_none() {
            return Err(Count::NothingToConfirm);
        }
        if self
            .request
            .named()
            .all(|address| self.addresses.contains(&address))
        {
            let reply = self.bare(vec![status(Status::Success, "all addresses are yours")]);
            return Ok(Decision::Reply(reply));
        }
        let text = "not all of the addresses are yours on this link";
        let reply = self.bare(vec![status(Status::NotOnLink, text)]);
        Ok(Decision::Refusal(reply, None))
    }

    /// To RELEASE and DECLINE. A reservation stays, so that there is nothing to do but to say so.
    pub(crate) fn given_back(&self, note: Count) -> Decision {
        let is_own = |ia: &&Association| {
            ia.kind == Kind::Addresses
                && ia
                    .addresses
                    .iter()
                    .all(|address| self.addresses.contains(address))
        };
        let others = self.request.associations.iter().filter(|ia| !is_own(ia));
        let mut options = vec![status(Status::Success, "the reservation stays")];
        options.extend(others.map(no_binding));
        let refuses = options.len() > 1;
        let has_own = self
            .request
            .named()
            .any(|address| self.addresses.contains(&address));
        let mut reply = self.bare(options);
        reply.note = has_own.then_some(note);
        if refuses {
            return Decision::Refusal(reply, None);
        }
        Decision::Reply(reply)
    }

    /// To INFORMATION-REQUEST.
    pub(crate) fn information(&self) -> Reply {
        let mut refresh = Vec::new();
        if self.request.wanted.contains(&code::INFORMATION_REFRESH_TIME) {
            refresh.push(DhcpOption::InformationRefreshTime(self.valid_s()));
        }
        self.reply(MessageType::Reply, refresh)
    }

    /// To a client that has written to this server alone, which nobody has allowed it (RFC 8415 section 18.4).
    pub(crate) fn use_multicast(&self) -> Reply {
        let mut reply = self.bare(vec![status(Status::UseMulticast, "write to all servers")]);
        reply.note = Some(Count::UseMulticast);
        reply
    }

    fn type_of_answer(&self) -> MessageType {
        match self.request.message_type {
            MessageType::Solicit if !self.request.rapid_commit => MessageType::Advertise,
            _ => MessageType::Reply,
        }
    }

    /// Each association, and whether it is the one that gets the node's addresses: the first IA_NA that names one of
    /// them, else the first. An address in two of them would be the client's twice.
    fn each_association(&self) -> impl Iterator<Item = (&Association, bool)> {
        let all = &self.request.associations;
        let is_of_addresses = |ia: &&Association| ia.kind == Kind::Addresses;
        let names_own = |ia: &&Association| {
            ia.addresses
                .iter()
                .any(|address| self.addresses.contains(address))
        };
        let mut candidates = all.iter().filter(is_of_addresses);
        let chosen = candidates.clone().find(names_own).or_else(|| candidates.next());
        all.iter()
            .map(move |ia| (ia, chosen.is_some_and(|chosen| std::ptr::eq(chosen, ia))))
    }

    fn bind(&self, ia: &Association, is_chosen: bool) -> Bound {
        let is_new = matches!(
            self.request.message_type,
            MessageType::Solicit | MessageType::Request
        );
        match ia.kind {
            // that there are none is how this server is made, not what the state says
            Kind::Temporary if is_new => never(ia, Status::NoAddrsAvail, "there are no temporary addresses"),
            Kind::Prefixes if is_new => never(ia, Status::NoPrefixAvail, "there are no prefixes"),
            Kind::Temporary | Kind::Prefixes => never(ia, Status::NoBinding, "there never was one"),
            Kind::Addresses if is_new => self.bind_new(ia, is_chosen),
            Kind::Addresses => self.extend(ia, is_chosen),
        }
    }

    /// SOLICIT and REQUEST (RFC 8415 sections 18.3.1 and 18.3.2).
    fn bind_new(&self, ia: &Association, is_chosen: bool) -> Bound {
        let is_request = self.request.message_type == MessageType::Request;
        if is_request && ia.addresses.iter().any(|address| !self.link.has(*address)) {
            return refused(ia, Status::NotOnLink, "an address is of another link");
        }
        if !is_chosen || self.addresses.is_empty() {
            return refused(ia, Status::NoAddrsAvail, self.why_none());
        }
        self.granted(ia, Vec::new())
    }

    /// RENEW and REBIND (RFC 8415 sections 18.3.4 and 18.3.5): what is no longer the node's ends now.
    fn extend(&self, ia: &Association, is_chosen: bool) -> Bound {
        let lost = ia
            .addresses
            .iter()
            .filter(|address| !self.addresses.contains(address));
        let ended: Vec<DhcpOption> = lost.map(|address| lifetimes(*address, 0, 0)).collect();
        if is_chosen && !self.addresses.is_empty() {
            return self.granted(ia, ended);
        }
        let is_elsewhere = ia.addresses.iter().any(|address| !self.link.has(*address));
        if self.request.message_type == MessageType::Rebind && is_elsewhere {
            return Bound {
                refuses: Some(addresses_option(ia, 0, 0, ended)),
                grants: None,
            };
        }
        refused(ia, Status::NoBinding, self.why_none())
    }

    fn why_none(&self) -> &'static str {
        match self.has_held {
            true => "the old owner of the address may use it still",
            false => "no address is reserved here",
        }
    }

    /// The node's addresses, and those that have ended.
    fn granted(&self, ia: &Association, ended: Vec<DhcpOption>) -> Bound {
        let valid_s = self.valid_s();
        let preferred_s = valid_s / 4 * 3;
        // RFC 8415 section 21.4: a half and four fifths of the shortest preferred lifetime
        let (t1, t2) = (preferred_s / 2, preferred_s / 5 * 4);
        let own = self.addresses.iter();
        let own: Vec<DhcpOption> = own
            .map(|address| lifetimes(*address, preferred_s, valid_s))
            .collect();
        let has_ended = !ended.is_empty();
        let both = [own.clone(), ended].concat();
        Bound {
            refuses: has_ended.then(|| addresses_option(ia, t1, t2, both)),
            grants: Some(addresses_option(ia, t1, t2, own)),
        }
    }

    /// The lease time of the network's IPv4 subnet; without a leader no longer than the site says. Where there is no such subnet
    /// it is the default one: DHCPv4 is silent then, for want of a mask and a router, of which DHCPv6 tells nothing. Prefixes stand
    /// in the configuration, and an address that leaves its node is held for the default lease time at least.
    fn valid_s(&self) -> u32 {
        let subnet = self.state.dhcp.subnet_of(self.site.network.service_address);
        let lease_s = lease_time_s(&subnet.map(|subnet| subnet.as_ref().clone()).unwrap_or_default());
        self.site
            .isolated_lease_s
            .map_or(lease_s, |most_s| most_s.min(lease_s))
    }

    /// An answer with identifiers and what the network has to say.
    fn reply(&self, message_type: MessageType, bindings: Vec<DhcpOption>) -> Reply {
        let mut reply = self.bare(Vec::new());
        reply.message_type = message_type;
        if message_type == MessageType::Advertise {
            reply.options.push(DhcpOption::Preference(PREFERENCE));
        } else if self.request.message_type == MessageType::Solicit {
            reply.options.push(DhcpOption::RapidCommit);
        }
        reply.options.extend(bindings);
        self.add_network_options(&mut reply);
        reply
    }

    /// A REPLY with identifiers only.
    fn bare(&self, options: Vec<DhcpOption>) -> Reply {
        let client = self.request.client_id.map(|id| DhcpOption::ClientId(id.to_vec()));
        let mut all: Vec<DhcpOption> = client.into_iter().collect();
        all.push(DhcpOption::ServerId(self.duid.to_vec()));
        all.extend(options);
        Reply {
            message_type: MessageType::Reply,
            options: all,
            note: None,
        }
    }

    fn add_network_options(&self, reply: &mut Reply) {
        let (request, network) = (self.request, self.site.network);
        if request.wants(code::DNS_SERVERS) && !network.dns_servers.is_empty() {
            reply
                .options
                .push(DhcpOption::DomainNameServers(network.dns_servers.clone()));
        }
        let domain = names::domain(self.state, self.interface, network.service_address);
        if request.wants(code::DOMAIN_LIST)
            && let Some(domain) = domain.as_deref().and_then(names::wire)
        {
            reply.options.push(raw(code::DOMAIN_LIST, domain));
        }
        let wants_name = request.fqdn_flags.is_some() || request.wanted.contains(&code::FQDN);
        reply
            .options
            .extend(self.name(domain.as_deref()).filter(|_| wants_name));
        if self.boots {
            reply.note = add_boot_options(&mut reply.options, request, self.mac, self.site);
        }
    }

    /// Option 39.
    fn name(&self, domain: Option<&str>) -> Option<DhcpOption> {
        let name = format!("{}.{}", self.hostname.as_deref()?, domain?);
        let wished = self
            .request
            .fqdn_flags
            .is_none_or(|flags| flags & FQDN_BY_SERVER != 0);
        let mut value = vec![if wished {
            FQDN_BY_SERVER
        } else {
            FQDN_BY_SERVER | FQDN_AGAINST_WISH
        }];
        value.extend(names::wire(&name)?);
        Some(raw(code::FQDN, value))
    }
}

fn refused(ia: &Association, why: Status, text: &str) -> Bound {
    Bound {
        refuses: Some(addresses_option(ia, 0, 0, vec![status(why, text)])),
        grants: None,
    }
}

/// What this server has for nobody.
fn never(ia: &Association, why: Status, text: &str) -> Bound {
    Bound {
        refuses: None,
        grants: Some(of_kind(ia, vec![status(why, text)])),
    }
}

fn no_binding(ia: &Association) -> DhcpOption {
    of_kind(ia, vec![status(Status::NoBinding, "this is not yours")])
}

fn of_kind(ia: &Association, inside: Vec<DhcpOption>) -> DhcpOption {
    let (id, opts) = (ia.iaid, inside.iter().cloned().collect());
    match ia.kind {
        Kind::Addresses => addresses_option(ia, 0, 0, inside),
        Kind::Temporary => DhcpOption::IATA(IATA { id, opts }),
        Kind::Prefixes => DhcpOption::IAPD(IAPD {
            id,
            t1: 0,
            t2: 0,
            opts,
        }),
    }
}

fn addresses_option(ia: &Association, t1: u32, t2: u32, inside: Vec<DhcpOption>) -> DhcpOption {
    let opts = inside.into_iter().collect();
    DhcpOption::IANA(IANA {
        id: ia.iaid,
        t1,
        t2,
        opts,
    })
}

fn lifetimes(addr: Ipv6Addr, preferred_life: u32, valid_life: u32) -> DhcpOption {
    DhcpOption::IAAddr(IAAddr {
        addr,
        preferred_life,
        valid_life,
        opts: Default::default(),
    })
}
