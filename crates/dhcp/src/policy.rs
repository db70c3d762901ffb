//! Who gets what answer: RFC 2131 section 4.3 for nodes whose addresses are reserved in SMD. Pure.

use std::net::{IpAddr, Ipv4Addr};

use dhcproto::v4::MessageType;
use model::Xname;
use proto::dhcp::v1::dhcp_command::{Bind, EndLease};
use proto::dhcp::v1::dhcp_lease;
use proto::smd::v1::EthernetInterface;
use state::State;
use state::dhcp::{LeaseClient, lease_time_s};

use crate::answer::Answer;
use crate::counters::Count;
use crate::link::{Link, ipv4_addresses};
use crate::network::Site;
use crate::pool::Pooled;
use crate::reply::Reply;
use crate::request::Request;

/// How much earlier this member may see the end of a lease than another one, milliseconds.
pub const CLOCK_MARGIN_MS: u64 = 10_000;

/// What is done with a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// An answer that this member may give by itself: it only says what the member has.
    Reply(Reply),
    /// A DHCPOFFER of an address that is nobody's yet. For a while others are not offered it.
    Offer(Reply, LeaseClient),
    /// A DHCPACK that may leave only when this is committed and applied, and a second look gives a [`Decision::Reply`].
    Bind(Box<Binding>),
    /// The client gives its address back. It gets no answer.
    End(EndLease),
    /// A DHCPNAK. It says what is *not* so, hence only after a read index (design section 5).
    Nak(Reply),
    /// No answer, and why.
    Silent(Count),
}

/// An address that a client asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Binding {
    /// What is proposed.
    pub bind: Bind,
    /// The answer if it cannot be committed: what is left of a lease that was.
    pub otherwise: Option<Reply>,
    /// The answer if somebody else got the address.
    pub lost: Reply,
}

/// Decides about a request from the applied state.
pub fn decide(state: &State, request: &Request<'_>, site: &Site<'_>) -> Decision {
    answer(state, request, site).unwrap_or_else(Decision::Silent)
}

/// As [`decide`], with silences as errors.
fn answer(state: &State, request: &Request<'_>, site: &Site<'_>) -> Result<Decision, Count> {
    if !is_of_a_client(request.message_type) {
        return Err(Count::UnsupportedMessageType);
    }
    let is_other =
        |id: Ipv4Addr| id != site.network.service_address && request.server_id_override != Some(id);
    if request.server_id.is_some_and(is_other) {
        return Err(Count::OtherServer);
    }
    let link = Link::of(state, request, site.network);
    let Some(interface) = state.smd.interface(&request.mac) else {
        return Pooled::new(state, request, &link?, site, None, Count::UnknownMac)?.answer();
    };
    let link = link?;
    let is_reserved = |address: Ipv4Addr| state.dhcp.subnet_of(address).is_some();
    if !ipv4_addresses(&interface).any(is_reserved) {
        let wants_address = matches!(request.message_type, MessageType::Discover | MessageType::Request);
        let component = interface.component_id.parse().ok();
        match Pooled::new(
            state,
            request,
            &link,
            site,
            component.as_ref(),
            Count::NoAddressHere,
        ) {
            Ok(pooled) => return pooled.answer(),
            // Without an address in any subnet the client is not ours to refuse: it may hold another server's.
            Err(why) if wants_address => return Err(why),
            Err(_) => {}
        }
    }
    Known::new(state, &interface, request, &link, site)?.answer()
}

fn is_of_a_client(message_type: MessageType) -> bool {
    use MessageType::{Decline, Discover, Inform, Release, Request};
    matches!(message_type, Discover | Request | Decline | Release | Inform)
}

/// A client whose MAC has an address in SMD.
struct Known<'a> {
    state: &'a State,
    interface: &'a EthernetInterface,
    answer: Answer<'a>,
}

impl<'a> Known<'a> {
    /// # Errors
    /// For a client that a policy ignores.
    fn new(
        state: &'a State,
        interface: &'a EthernetInterface,
        request: &'a Request<'a>,
        link: &'a Link,
        site: &'a Site<'a>,
    ) -> Result<Known<'a>, Count> {
        let xname = interface.component_id.parse::<Xname>().ok();
        let policies = state.policies_for(xname.as_ref(), Some(link.place_of(interface)));
        if policies.ignores() {
            return Err(Count::IgnoredByPolicy);
        }
        let hostname = xname.as_ref().map(|xname| {
            let name = state.hostname_by(xname, &policies);
            policies.whole_name(name, &link.subnet.domain)
        });
        let answer = Answer {
            request,
            link,
            site,
            hostname,
            boots: xname.as_ref().is_some_and(Xname::is_node),
            policies,
        };
        Ok(Known {
            state,
            interface,
            answer,
        })
    }

    fn answer(&self) -> Result<Decision, Count> {
        let Answer { request, link, .. } = self.answer;
        let address = link.address_of(self.interface);
        match request.message_type {
            MessageType::Discover => {
                let address = address.ok_or(Count::NoAddressHere)?;
                self.lease(MessageType::Offer, address)
            }
            MessageType::Request => self.answer_request(address),
            MessageType::Inform => self.answer.answer_inform(),
            MessageType::Release if address == Some(request.ciaddr) => Err(Count::Released),
            MessageType::Release => Err(Count::ReleaseByOther),
            // Only DHCPDECLINE is left, see `is_of_a_client`.
            _ if address.is_some() && address == request.requested => Err(Count::DeclinedReservation),
            _ => Err(Count::DeclineByOther),
        }
    }

    /// RFC 2131 section 4.3.2. SELECTING names the server (54) and the address (50), INIT-REBOOT the address only,
    /// RENEWING and REBINDING have it in `ciaddr`: here they differ only in where the address stands. (What a REBINDING, a
    /// broadcast, tells besides is the link: `link.rs`.)
    fn answer_request(&self, address: Option<Ipv4Addr>) -> Result<Decision, Count> {
        let asked = self.answer.request.asked().ok_or(Count::NoAddressAsked)?;
        if address == Some(asked) {
            return self.lease(MessageType::Ack, asked);
        }
        Ok(Decision::Nak(self.answer.nak()))
    }

    fn lease(&self, message_type: MessageType, address: Ipv4Addr) -> Result<Decision, Count> {
        self.check_nobody_else_has(address)?;
        let of_policy = self.answer.policies.lease_time_s();
        let wanted_s = of_policy.unwrap_or_else(|| lease_time_s(&self.answer.link.subnet));
        let lease_time_s = self
            .answer
            .site
            .isolated_lease_s
            .map_or(wanted_s, |s| s.min(wanted_s));
        Ok(Decision::Reply(self.answer.lease(
            message_type,
            address,
            lease_time_s,
        )))
    }

    /// Whoever had the address before may use it until its lease ends.
    fn check_nobody_else_has(&self, address: Ipv4Addr) -> Result<(), Count> {
        let (site, mac) = (self.answer.site, &self.interface.mac_address);
        if is_held_for_another(self.state, self.interface, address.into(), site.now_ms) {
            return Err(Count::AddressHeld);
        }
        let now_ms = site.now_ms.saturating_sub(CLOCK_MARGIN_MS);
        let lease = self
            .state
            .dhcp
            .lease(address)
            .filter(|lease| lease.mac != *mac && lease.ends_at_ms > now_ms);
        // an address that a stranger was found to have stays the node's all the same
        if lease.is_some_and(|lease| lease.state() != dhcp_lease::State::Declined) {
            return Err(Count::AddressHeld);
        }
        let mut others = self.state.smd.interfaces_by_ip(address.into());
        let owner = &self.interface.component_id;
        let is_another = |other: &EthernetInterface| {
            other.mac_address != *mac && (owner.is_empty() || other.component_id != *owner)
        };
        match others.any(|other| is_another(other)) {
            true => Err(Count::AddressOfTwo),
            false => Ok(()),
        }
    }
}

/// Whether somebody had the address before who may use it still at `now_ms`, cluster time.
pub fn is_held_for_another(
    state: &State,
    interface: &EthernetInterface,
    address: IpAddr,
    now_ms: u64,
) -> bool {
    let held = state.dhcp.held(address, now_ms.saturating_sub(CLOCK_MARGIN_MS));
    held.is_some_and(|held| held.mac != interface.mac_address)
}

impl Answer<'_> {
    pub(crate) fn answer_inform(&self) -> Result<Decision, Count> {
        // Within the link only, so that nobody can have the answer sent elsewhere.
        if !self.link.net.contains(self.request.ciaddr) {
            return Err(Count::NoAddressAsked);
        }
        Ok(Decision::Reply(self.inform()))
    }
}

#[cfg(test)]
mod tests;
