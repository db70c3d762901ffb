//! A client's message with typed values: who asks, from where, for what.
//! Source: RFC 8415 sections 16 (which messages are valid) and 21.

use std::net::Ipv6Addr;

use dhcproto::v6::MessageType;
use model::MacAddr;
use state::State;

use crate::counters::Count;
use crate::identity;
use crate::message::{Association, Kind, associations, code};
use crate::precheck::{self, Checked};
use crate::relay::Relay;

/// Bytes of a DUID, its type included (RFC 8415 section 11.1).
const DUID_BYTES: std::ops::RangeInclusive<usize> = 3..=130;
/// Intel, who made PXE: its number stands before the class of UEFI and iPXE.
const ENTERPRISE_PXE: [u8; 4] = 343_u32.to_be_bytes();

/// How a packet came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The address that it came from.
    pub source: Ipv6Addr,
    /// Whether it was sent to this host alone.
    pub is_unicast: bool,
}

impl Arrival {
    /// From there to all servers.
    pub fn multicast(source: Ipv6Addr) -> Arrival {
        Arrival {
            source,
            is_unicast: false,
        }
    }
}

/// What asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// iPXE: it is given a script.
    Ipxe,
    /// Firmware that boots over TFTP.
    Pxe,
    /// Firmware that boots over HTTP.
    Http,
    /// An operating system.
    Other,
}

/// A client's message.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// Its type: one that clients send.
    pub message_type: MessageType,
    /// Its transaction id.
    pub xid: [u8; 3],
    /// The client's DUID; only an INFORMATION-REQUEST may be without it.
    pub client_id: Option<&'a [u8]>,
    /// The DUID of the server that it has chosen.
    pub server_id: Option<&'a [u8]>,
    /// The relays that it came through, the one that sent it to this server first.
    pub relays: Vec<Relay<'a>>,
    /// The address that the packet came from.
    pub source: Ipv6Addr,
    /// Whether a client on this link has sent it to this server alone.
    pub is_unicast: bool,
    /// The client would take a REPLY for its SOLICIT.
    pub rapid_commit: bool,
    /// What it is.
    pub client: Client,
    /// Its architectures, the best first.
    pub architectures: Vec<u16>,
    pub(crate) associations: Vec<Association>,
    pub(crate) wanted: Vec<u16>,
    /// Flags of option 39, if it has sent it.
    pub(crate) fqdn_flags: Option<u8>,
}

impl<'a> Request<'a> {
    /// Reads a packet.
    ///
    /// # Errors
    /// The reason why it gets no answer.
    pub fn parse(packet: &'a [u8], arrival: Arrival) -> Result<Request<'a>, Count> {
        let mut checked = precheck::check(packet)?;
        let message_type = MessageType::from(checked.message_type);
        Count::of_type(message_type).ok_or(Count::UnsupportedMessageType)?;
        let options = checked.options;
        let fqdn = options.single(code::FQDN)?;
        if options
            .single(code::NETWORK_INTERFACE)?
            .is_some_and(|value| value.len() != 3)
        {
            return Err(Count::MalformedOption);
        }
        let request = Request {
            message_type,
            xid: checked.xid,
            client_id: duid(&checked, code::CLIENT_ID)?,
            server_id: duid(&checked, code::SERVER_ID)?,
            source: arrival.source,
            is_unicast: arrival.is_unicast && checked.relays.is_empty(),
            rapid_commit: options.single(code::RAPID_COMMIT)?.is_some(),
            client: client(&checked)?,
            architectures: options.numbers(code::ARCHITECTURES)?,
            associations: associations(options, &mut checked.left)?,
            wanted: options.numbers(code::OPTION_REQUEST)?,
            fqdn_flags: fqdn
                .map(|value| value.first().copied().ok_or(Count::MalformedOption))
                .transpose()?,
            relays: checked.relays,
        };
        request.check_identifiers()?;
        request.check_destination()?;
        Ok(request)
    }

    /// The client's MAC as far as SMD knows it, or why there is none.
    pub(crate) fn mac_in(&self, state: &State) -> Result<MacAddr, Count> {
        let macs = identity::macs(self);
        if macs.is_empty() {
            return Err(Count::NoMac);
        }
        let mut known = macs.into_iter().filter(|mac| state.smd.interface(mac).is_some());
        known.next().ok_or(Count::UnknownMac)
    }

    /// Whether the client has asked for an option, or is one that boots and takes what it can use.
    pub(crate) fn wants(&self, code: u16) -> bool {
        self.client != Client::Other || self.wanted.contains(&code)
    }

    /// Every address that it names in an IA_NA.
    pub(crate) fn named(&self) -> impl Iterator<Item = Ipv6Addr> + '_ {
        let associations = self.associations.iter();
        let of_addresses = associations.filter(|association| association.kind == Kind::Addresses);
        of_addresses.flat_map(|association| association.addresses.iter().copied())
    }

    fn check_identifiers(&self) -> Result<(), Count> {
        use MessageType::{Confirm, InformationRequest, Rebind, Solicit};
        let is_sound = match self.message_type {
            Solicit | Confirm | Rebind => self.client_id.is_some() && self.server_id.is_none(),
            InformationRequest => self.associations.is_empty(),
            // of REQUEST, RENEW, RELEASE and DECLINE the client names the server
            _ => self.client_id.is_some() && self.server_id.is_some(),
        };
        is_sound.then_some(()).ok_or(Count::WrongIdentifiers)
    }

    fn check_destination(&self) -> Result<(), Count> {
        use MessageType::{Confirm, InformationRequest, Rebind, Solicit};
        let is_for_all = matches!(self.message_type, Solicit | Confirm | Rebind | InformationRequest);
        if self.is_unicast && is_for_all {
            return Err(Count::NotMulticast);
        }
        Ok(())
    }
}

fn duid<'a>(checked: &Checked<'a>, code: u16) -> Result<Option<&'a [u8]>, Count> {
    let duid = checked.options.single(code)?;
    if duid.is_some_and(|duid| !DUID_BYTES.contains(&duid.len())) {
        return Err(Count::MalformedOption);
    }
    Ok(duid)
}

fn client(checked: &Checked<'_>) -> Result<Client, Count> {
    let user_class = checked.options.single(code::USER_CLASS)?.unwrap_or_default();
    if user_class == b"iPXE" || items(user_class).any(|class| class == b"iPXE") {
        return Ok(Client::Ipxe);
    }
    let vendor_classes = checked
        .options
        .iter()
        .filter(|(code, _)| *code == code::VENDOR_CLASS);
    for (_, value) in vendor_classes {
        let Some(classes) = value.strip_prefix(&ENTERPRISE_PXE) else {
            continue;
        };
        for class in items(classes) {
            if class.starts_with(b"HTTPClient") {
                return Ok(Client::Http);
            }
            if class.starts_with(b"PXEClient") {
                return Ok(Client::Pxe);
            }
        }
    }
    Ok(Client::Other)
}

/// Texts that each have their length before them, as far as they are whole.
fn items(mut rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (len, behind) = rest.split_first_chunk::<2>()?;
        let (item, behind) = behind.split_at_checked(usize::from(u16::from_be_bytes(*len)))?;
        rest = behind;
        Some(item)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NODE, RawMessage, duid_ll, ia_addresses, relayed, vendor_class};

    const SOURCE: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
    const SERVER: [u8; 4] = [0, 4, 7, 7];

    fn outcome(raw: &RawMessage, is_unicast: bool) -> Option<Count> {
        let source = SOURCE;
        Request::parse(&raw.bytes(), Arrival { source, is_unicast }).err()
    }

    fn with(options: &[(u16, &[u8])]) -> Result<Client, Count> {
        let raw = RawMessage::new(1)
            .options(&[(1, &duid_ll(NODE))])
            .options(options);
        Request::parse(&raw.bytes(), Arrival::multicast(SOURCE)).map(|request| request.client)
    }

    /// The table of RFC 8415 section 16: which identifiers each message must have, and must not have.
    #[test]
    fn each_type_has_its_identifiers() {
        let duid = duid_ll(NODE);
        let (client, server) = ((1, &duid[..]), (2, &SERVER[..]));
        for (kind, neither, of_client, of_server, both) in [
            (1, false, true, false, false),
            (3, false, false, false, true),
            (4, false, true, false, false),
            (5, false, false, false, true),
            (6, false, true, false, false),
            (8, false, false, false, true),
            (9, false, false, false, true),
            (11, true, true, true, true),
        ] {
            let is_valid =
                |options: &[(u16, &[u8])]| match outcome(&RawMessage::new(kind).options(options), false) {
                    None => true,
                    Some(Count::WrongIdentifiers) => false,
                    Some(other) => panic!("{other:?}"),
                };
            assert_eq!(is_valid(&[]), neither, "{kind}");
            assert_eq!(is_valid(&[client]), of_client, "{kind}");
            assert_eq!(is_valid(&[server]), of_server, "{kind}");
            assert_eq!(is_valid(&[client, server]), both, "{kind}");
        }
        let asks_for_an_address = RawMessage::new(11).options(&[(3, &ia_addresses(1, &[]))]);
        assert_eq!(
            outcome(&asks_for_an_address, false),
            Some(Count::WrongIdentifiers)
        );
    }

    #[test]
    fn only_what_clients_send_is_read() {
        for kind in (0..=30).filter(|kind| ![1, 3, 4, 5, 6, 8, 9, 11, 12].contains(kind)) {
            assert_eq!(
                outcome(&RawMessage::new(kind), false),
                Some(Count::UnsupportedMessageType),
                "{kind}"
            );
        }
    }

    #[test]
    fn what_is_for_all_servers_is_not_taken_by_one() {
        let duid = duid_ll(NODE);
        for kind in [1, 4, 6, 11] {
            let raw = RawMessage::new(kind).options(&[(1, &duid)]);
            assert_eq!(outcome(&raw, true), Some(Count::NotMulticast), "{kind}");
            assert_eq!(outcome(&raw, false), None, "{kind}");
            let through_relay = relayed(&raw.bytes(), 0, "fd00:97::1", "fe80::1", &[]);
            let arrival = Arrival {
                source: SOURCE,
                is_unicast: true,
            };
            assert!(
                Request::parse(&through_relay, arrival).is_ok(),
                "relays write to one server: {kind}"
            );
        }
    }

    #[test]
    fn a_duid_has_its_bounds() {
        for (len, is_sound) in [(0, false), (2, false), (3, true), (130, true), (131, false)] {
            let duid = vec![9; len];
            let raw = RawMessage::new(1).options(&[(1, &duid)]);
            let expected = (!is_sound).then_some(Count::MalformedOption);
            assert_eq!(outcome(&raw, false), expected, "{len}");
        }
    }

    #[test]
    fn ipxe_is_known_by_its_user_class_in_both_forms() {
        assert_eq!(with(&[(15, b"\0\x04iPXE")]), Ok(Client::Ipxe));
        assert_eq!(with(&[(15, b"\0\x01x\0\x04iPXE")]), Ok(Client::Ipxe));
        assert_eq!(with(&[(15, b"iPXE")]), Ok(Client::Ipxe));
        assert_eq!(with(&[(15, b"\0\x05iPXE")]), Ok(Client::Other));
        let pxe = vendor_class(343, b"PXEClient:Arch:00007:UNDI:003010");
        assert_eq!(with(&[(15, b"\0\x04iPXE"), (16, &pxe)]), Ok(Client::Ipxe));
    }

    #[test]
    fn firmware_is_known_by_intels_vendor_class() {
        for (enterprise, class, expected) in [
            (343, &b"PXEClient:Arch:00007:UNDI:003016"[..], Client::Pxe),
            (343, b"HTTPClient:Arch:00016:UNDI:003016", Client::Http),
            (343, b"other", Client::Other),
            (9, b"HTTPClient:Arch:00016:UNDI:003016", Client::Other),
        ] {
            assert_eq!(with(&[(16, &vendor_class(enterprise, class))]), Ok(expected));
        }
        let (other, pxe) = (vendor_class(9, b"x"), vendor_class(343, b"PXEClient"));
        assert_eq!(with(&[(16, &other), (16, &pxe)]), Ok(Client::Pxe));
        assert_eq!(with(&[(16, &[0, 0])]), Ok(Client::Other));
    }

    #[test]
    fn what_the_answer_depends_on_must_be_whole() {
        for (code, value) in [
            (6, &[0][..]),
            (61, &[0, 7, 0]),
            (62, &[1, 3]),
            (39, &[]),
            (3, &[0; 11]),
        ] {
            assert_eq!(with(&[(code, value)]), Err(Count::MalformedOption), "{code}");
        }
    }
}
