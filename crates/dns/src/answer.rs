//! Which answer a question gets: RFC 1034 section 4.3.2 for zones that are computed, not stored. Pure.

use std::net::IpAddr;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::rdata::{A, AAAA, HINFO, NS, PTR, SOA};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use state::{RowKind, State};

use crate::counters::Count;
use crate::labels::Labels;
use crate::names::{self, SERVER_LABEL};
use crate::network::Network;
use crate::question::Question;
use crate::reply::Reply;
use crate::reverse;
use crate::zones::{Place, Zone};

/// How long an answer may be remembered, seconds; as today's CoreDNS plugin has it.
const TTL_S: u32 = 60;
/// How long it may be remembered that there is none (RFC 2308), seconds: a node that is added is found at once.
const NEGATIVE_TTL_S: u32 = 10;
/// For secondaries, of which there are none; seconds.
const REFRESH_S: i32 = 3600;
const RETRY_S: i32 = 600;
const EXPIRE_S: i32 = 86_400;
/// Before the domain in the SOA: who is to be written to.
const MAILBOX_LABEL: &str = "hostmaster";
/// The rows that answers are made of.
const KINDS: [RowKind; 7] = [
    RowKind::Component,
    RowKind::EthernetInterface,
    RowKind::ClusterDefaults,
    RowKind::InstanceInfo,
    RowKind::Subnet,
    RowKind::DhcpPolicy,
    RowKind::Group,
];

/// What is done with a question.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// An answer that this member may give by itself: it says what the member has.
    Reply(Reply),
    /// That there is no such name. It says what is *not* there, hence only after a read index (design section 5).
    NoSuchName(Reply),
}

/// Decides about a question from the applied state.
pub fn decide(state: &State, question: &Question, network: &Network) -> Decision {
    if question.edns.is_some_and(|client| client.version > 0) {
        return refuse(ResponseCode::BADVERS, Count::UnknownEdnsVersion);
    }
    let wanted = question.query.query_type();
    if matches!(wanted, RecordType::AXFR | RecordType::IXFR) {
        return refuse(ResponseCode::Refused, Count::TransferRefused);
    }
    let labels = Labels::of(question.query.name());
    let Some(place) = Place::of(state, &labels) else {
        return refuse(ResponseCode::Refused, Count::NotInAZone);
    };
    let about = About {
        state,
        network,
        labels: &labels,
        place: &place,
    };
    let asked = question.query.name();
    let soa = || Record::from_rdata(asked.trim_to(place.apex_labels), NEGATIVE_TTL_S, about.soa());
    let Some(all) = about.records() else {
        return Decision::NoSuchName(reply(ResponseCode::NXDomain, vec![], vec![soa()]));
    };
    let answers: Vec<Record> = of_type(all, wanted)
        .map(|data| Record::from_rdata(asked.clone(), TTL_S, data))
        .collect();
    let authorities = if answers.is_empty() { vec![soa()] } else { vec![] };
    Decision::Reply(reply(ResponseCode::NoError, answers, authorities))
}

fn refuse(code: ResponseCode, count: Count) -> Decision {
    Decision::Reply(Reply::failure(code, count))
}

fn reply(code: ResponseCode, answers: Vec<Record>, authorities: Vec<Record>) -> Reply {
    let count = match (code, answers.is_empty()) {
        (ResponseCode::NXDomain, _) => Count::NoSuchName,
        (_, true) => Count::NoData,
        (_, false) => Count::Answers,
    };
    Reply {
        code,
        authoritative: true,
        answers,
        authorities,
        count,
    }
}

/// Of the records at a name those that were asked for; for ANY one that says no more than that there are some (RFC 8482),
/// so that it is no lever for a flood.
fn of_type(all: Vec<RData>, wanted: RecordType) -> impl Iterator<Item = RData> {
    let all = match wanted {
        RecordType::ANY if !all.is_empty() => {
            vec![RData::HINFO(HINFO::new("RFC8482".to_owned(), String::new()))]
        }
        _ => all,
    };
    all.into_iter()
        .filter(move |data| wanted == RecordType::ANY || data.record_type() == wanted)
}

/// A name that was asked for, and where it is.
struct About<'a> {
    state: &'a State,
    network: &'a Network,
    labels: &'a Labels,
    place: &'a Place,
}

impl About<'_> {
    /// Everything at the name; nothing at one that only has names below it; `None` if there is no such name.
    fn records(&self) -> Option<Vec<RData>> {
        if self.labels.len() == self.place.apex_labels {
            return Some(vec![self.soa(), RData::NS(NS(self.name_server()))]);
        }
        match &self.place.zone {
            Zone::Domain(domain) => self.in_domain(domain),
            Zone::Addresses(range) => match reverse::look_up(self.state, range, self.network)? {
                reverse::Found::Part => Some(vec![]),
                reverse::Found::Name(name) => Some(vec![RData::PTR(PTR(name_from(&name)?))]),
            },
        }
    }

    fn in_domain(&self, domain: &str) -> Option<Vec<RData>> {
        let mut below_apex = self.labels.before_last(self.place.apex_labels);
        let addresses = match (below_apex.next(), below_apex.next()) {
            (Some(SERVER_LABEL), None) => self.network.name_servers.iter().map(|ip| (*ip).into()).collect(),
            (Some(label), None) => names::find(self.state, label, domain)
                .map(|component| names::addresses(self.state, &component, label, domain))
                .unwrap_or_default(),
            _ => vec![],
        };
        let is_there = !addresses.is_empty() || self.has_zones_below();
        is_there.then(|| addresses.into_iter().map(record_of).collect())
    }

    /// Whether a zone of ours is below the name: then the name is there, with nothing at it.
    fn has_zones_below(&self) -> bool {
        let name = self.labels.last(self.labels.len());
        let is_below = |domain: &str| domain.strip_suffix(name).is_some_and(|left| left.ends_with('.'));
        self.state.dhcp.domains().any(is_below)
    }

    /// Its serial is the revision of the last change of anything that answers are made of. Of its 64 bits the lower 32:
    /// RFC 1982 compares serials round the end, and no two that anybody compares are 2^31 apart.
    fn soa(&self) -> RData {
        let revision = self.state.last_change(KINDS);
        let serial = revision.unwrap_or_else(|| self.state.applied_index()) as u32;
        let mailbox = self.in_servers_domain(MAILBOX_LABEL);
        RData::SOA(SOA::new(
            self.name_server(),
            mailbox,
            serial,
            REFRESH_S,
            RETRY_S,
            EXPIRE_S,
            NEGATIVE_TTL_S,
        ))
    }

    fn name_server(&self) -> Name {
        self.in_servers_domain(SERVER_LABEL)
    }

    /// The domain alone where the label does not fit before it: a name has 255 bytes.
    fn in_servers_domain(&self, label: &str) -> Name {
        let domain = self.place.servers_domain(self.state);
        name_from(&format!("{label}.{domain}"))
            .or_else(|| name_from(domain))
            .unwrap_or_else(Name::root)
    }
}

/// `None` for a name that is too long. The labels are taken as they are: hickory's reader of texts refuses host names that
/// nodes have, with `_` in them.
fn name_from(text: &str) -> Option<Name> {
    Name::from_labels(text.split('.').map(str::as_bytes)).ok()
}

fn record_of(ip: IpAddr) -> RData {
    match ip {
        IpAddr::V4(ip) => RData::A(A(ip)),
        IpAddr::V6(ip) => RData::AAAA(AAAA(ip)),
    }
}
