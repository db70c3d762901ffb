//! A client's message with typed values: what the policy decides on.

use std::borrow::Cow;
use std::net::Ipv4Addr;

use dhcproto::v4::MessageType;
use model::MacAddr;

use crate::counters::Count;
use crate::precheck::{self, Checked};

/// IP datagram that every client takes (RFC 2131 section 2); option 57 may name more.
const MESSAGE_SIZE_MIN: u16 = 576;
/// Longest datagram that is sent: one Ethernet frame, whatever option 57 allows.
const MESSAGE_SIZE_MAX: u16 = 1500;
/// Headers that option 57 counts and a UDP payload does not have.
const IP_AND_UDP_BYTES: usize = 28;
/// Sub-option 5 of option 82: the subnet that the client is on, where the relay's own address is on another (RFC 3527).
const LINK_SELECTION: u8 = 5;
/// Sub-option 11 of option 82: the server identifier that clients are to see, i.e. the relay's (RFC 5107).
const SERVER_ID_OVERRIDE: u8 = 11;
/// Sub-option 19 of option 82: the relay does not listen on port 67 (RFC 8357).
const RELAY_SOURCE_PORT: u8 = 19;
const BROADCAST_FLAG: u8 = 0x80;

/// Codes of the options that a client sends and this server reads.
mod code {
    pub(super) const HOSTNAME: u8 = 12;
    pub(super) const REQUESTED_ADDRESS: u8 = 50;
    pub(super) const MESSAGE_TYPE: u8 = 53;
    pub(super) const SERVER_ID: u8 = 54;
    pub(super) const PARAMETERS: u8 = 55;
    pub(super) const MAX_MESSAGE_SIZE: u8 = 57;
    pub(super) const CLASS_ID: u8 = 60;
    pub(super) const CLIENT_ID: u8 = 61;
    pub(super) const USER_CLASS: u8 = 77;
    pub(super) const RELAY_INFO: u8 = 82;
    pub(super) const ARCHITECTURES: u8 = 93;
    pub(super) const MACHINE_ID: u8 = 97;
    pub(super) const SUBNET_SELECTION: u8 = 118;
    pub(super) const IPXE: u8 = 175;
}

/// Who asks, as far as boot options depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// iPXE: option 77 `iPXE` (raw, or in RFC 3004 form) or its own option 175.
    Ipxe,
    /// Network boot of a BIOS or UEFI: class `PXEClient`.
    Pxe,
    /// UEFI HTTP boot: class `HTTPClient`.
    Http,
    /// An operating system, a BMC or anything else that does not boot by DHCP.
    Other,
}

/// A DHCP message from a client or its relay.
#[derive(Debug)]
pub struct Request<'a> {
    /// Option 53.
    pub message_type: MessageType,
    /// Chosen by the client; repetitions keep it.
    pub xid: u32,
    /// Seconds that the client says it has been trying for.
    pub secs: u16,
    /// The flags field as it came; it is echoed.
    pub flags: u16,
    /// The address the client has and answers for, or 0.0.0.0.
    pub ciaddr: Ipv4Addr,
    /// The relay's address on the client's network, or 0.0.0.0.
    pub giaddr: Ipv4Addr,
    /// The client.
    pub mac: MacAddr,
    /// Option 50: the address the client would like.
    pub requested: Option<Ipv4Addr>,
    /// Option 54: the server the client has chosen.
    pub server_id: Option<Ipv4Addr>,
    /// Option 55: the options the client wants, those it wants most first.
    pub parameters: Option<Cow<'a, [u8]>>,
    /// Everybody on the client's link has it: it was sent by broadcast. [`Request::parse`] cannot know, and says no.
    pub is_broadcast: bool,
    /// Who asks.
    pub client: Client,
    /// Option 93, every value (RFC 4578; IANA "Processor Architecture Types").
    pub architectures: Vec<u16>,
    /// Option 12, the client's name for itself.
    pub hostname: Option<Cow<'a, [u8]>>,
    /// Option 60.
    pub vendor_class: Option<Cow<'a, [u8]>>,
    /// Option 61, echoed byte for byte (RFC 6842).
    pub client_id: Option<Cow<'a, [u8]>>,
    /// Option 97, echoed byte for byte (RFC 4578).
    pub machine_id: Option<Cow<'a, [u8]>>,
    /// Option 82, echoed byte for byte and last (RFC 3046).
    pub relay_info: Option<Cow<'a, [u8]>>,
    /// Option 82.19 is present: the relay wants the answer on the port it sent from (RFC 8357).
    pub relay_source_port: bool,
    /// The subnet that the relay or the client means, where it says so: option 82.5, else option 118 (RFC 3011).
    pub subnet_selection: Option<Ipv4Addr>,
    /// Option 82.11: the server identifier that the client has been told, and is to be told.
    pub server_id_override: Option<Ipv4Addr>,
    /// Longest DHCP message the client takes, bytes, without IP and UDP headers.
    pub message_bytes_max: usize,
}

impl<'a> Request<'a> {
    /// Reads a packet.
    ///
    /// # Errors
    /// The reason why it gets no answer: any structural fault, and a wrong length of an option that the answer
    /// depends on (50, 53, 54, 57, 93, 118). Options that are only echoed or ignored may hold what they like.
    pub fn parse(packet: &'a [u8]) -> Result<Request<'a>, Count> {
        let checked = precheck::check(packet)?;
        let fixed = checked.fixed;
        let address = |at: usize| Ipv4Addr::new(fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]);
        let [message_type] = checked
            .exact::<1>(code::MESSAGE_TYPE)?
            .ok_or(Count::NoMessageType)?;
        let relay_info = checked.option(code::RELAY_INFO);
        let giaddr = address(24);
        // without a relay it would be the client that speaks for one
        let relays = |wanted| {
            let info = relay_info.as_deref().filter(|_| !giaddr.is_unspecified())?;
            let value: [u8; 4] = sub_option(info, wanted)?.try_into().ok()?;
            Some(Ipv4Addr::from(value))
        };
        let subnet_selection = checked.exact(code::SUBNET_SELECTION)?.map(Ipv4Addr::from);
        let message_size = checked
            .exact::<2>(code::MAX_MESSAGE_SIZE)?
            .map_or(0, u16::from_be_bytes);
        Ok(Request {
            message_type: MessageType::from(message_type),
            xid: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
            secs: u16::from_be_bytes([fixed[8], fixed[9]]),
            flags: u16::from_be_bytes([fixed[10], fixed[11]]),
            ciaddr: address(12),
            giaddr,
            mac: MacAddr([fixed[28], fixed[29], fixed[30], fixed[31], fixed[32], fixed[33]]),
            requested: checked.exact(code::REQUESTED_ADDRESS)?.map(Ipv4Addr::from),
            server_id: checked.exact(code::SERVER_ID)?.map(Ipv4Addr::from),
            parameters: checked.option(code::PARAMETERS),
            is_broadcast: false,
            client: client(&checked),
            architectures: architectures(&checked)?,
            hostname: checked.option(code::HOSTNAME),
            vendor_class: checked.option(code::CLASS_ID),
            client_id: checked.option(code::CLIENT_ID),
            machine_id: checked.option(code::MACHINE_ID),
            subnet_selection: relays(LINK_SELECTION).or(subnet_selection),
            server_id_override: relays(SERVER_ID_OVERRIDE),
            relay_source_port: relay_info
                .as_deref()
                .is_some_and(|info| sub_option(info, RELAY_SOURCE_PORT).is_some()),
            relay_info,
            message_bytes_max: usize::from(message_size.clamp(MESSAGE_SIZE_MIN, MESSAGE_SIZE_MAX))
                - IP_AND_UDP_BYTES,
        })
    }

    /// Whether the client can only be reached by broadcast.
    pub fn wants_broadcast(&self) -> bool {
        self.flags.to_be_bytes()[0] & BROADCAST_FLAG != 0
    }

    /// The address that a DHCPREQUEST is about: SELECTING and INIT-REBOOT name it, RENEWING and REBINDING have it.
    pub fn asked(&self) -> Option<Ipv4Addr> {
        let in_use = (!self.ciaddr.is_unspecified()).then_some(self.ciaddr);
        self.requested.or(in_use)
    }

    /// Whether the packet came through a relay.
    pub fn is_relayed(&self) -> bool {
        !self.giaddr.is_unspecified()
    }
}

fn client(checked: &Checked<'_>) -> Client {
    let user_class = checked.option(code::USER_CLASS);
    if user_class.is_some_and(|class| is_ipxe_class(&class)) || checked.option(code::IPXE).is_some() {
        return Client::Ipxe;
    }
    match checked.option(code::CLASS_ID) {
        Some(class) if class.starts_with(b"PXEClient") => Client::Pxe,
        Some(class) if class.starts_with(b"HTTPClient") => Client::Http,
        _ => Client::Other,
    }
}

/// iPXE sends the bare text; RFC 3004 wants a length byte before each class.
fn is_ipxe_class(user_class: &[u8]) -> bool {
    if user_class == b"iPXE" {
        return true;
    }
    let mut rest = user_class;
    while let Some((&len, after)) = rest.split_first() {
        let Some((class, after)) = after.split_at_checked(usize::from(len)) else {
            return false;
        };
        if class == b"iPXE" {
            return true;
        }
        rest = after;
    }
    false
}

/// Every architecture of option 93. A length that is odd or 0 drops the packet: it is what kills coresmd.
fn architectures(checked: &Checked<'_>) -> Result<Vec<u16>, Count> {
    let Some(value) = checked.option(code::ARCHITECTURES) else {
        return Ok(Vec::new());
    };
    match value.as_chunks::<2>() {
        ([], _) | (_, [_, ..]) => Err(Count::MalformedOption),
        (pairs, []) => Ok(pairs.iter().map(|pair| u16::from_be_bytes(*pair)).collect()),
    }
}

/// A sub-option of option 82. Rubbish in it is no fault of the client's: it is echoed as it came.
fn sub_option(relay_info: &[u8], wanted: u8) -> Option<&[u8]> {
    let mut rest = relay_info;
    while let [code, len, after @ ..] = rest {
        let (value, after) = after.split_at_checked(usize::from(*len))?;
        if *code == wanted {
            return Some(value);
        }
        rest = after;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::RawPacket;

    fn client_of(options: &[(u8, &[u8])]) -> Client {
        let packet = RawPacket::discover().options(options).bytes();
        Request::parse(&packet).unwrap().client
    }

    fn reason(options: &[(u8, &[u8])]) -> Count {
        let packet = RawPacket::discover().options(options).bytes();
        Request::parse(&packet).expect_err("the packet is dropped")
    }

    #[test]
    fn the_fixed_fields_are_read_where_rfc_2131_puts_them() {
        let mut raw = RawPacket::new(3);
        raw.xid = 0x0102_0304;
        raw.flags = 0x8000;
        raw.ciaddr = Ipv4Addr::new(10, 97, 2, 1);
        raw.giaddr = Ipv4Addr::new(10, 98, 0, 1);
        let packet = raw
            .options(&[(50, &[10, 97, 2, 2]), (54, &[10, 97, 0, 1])])
            .bytes();
        let request = Request::parse(&packet).unwrap();
        assert_eq!(request.message_type, MessageType::Request);
        assert_eq!((request.xid, request.flags), (0x0102_0304, 0x8000));
        assert!(request.wants_broadcast() && request.is_relayed());
        assert_eq!(request.ciaddr, Ipv4Addr::new(10, 97, 2, 1));
        assert_eq!(request.giaddr, Ipv4Addr::new(10, 98, 0, 1));
        assert_eq!(request.mac, RawPacket::MAC);
        assert_eq!(request.requested, Some(Ipv4Addr::new(10, 97, 2, 2)));
        assert_eq!(request.server_id, Some(Ipv4Addr::new(10, 97, 0, 1)));
    }

    #[test]
    fn ipxe_is_known_by_either_form_of_77_and_by_175() {
        assert_eq!(client_of(&[(77, b"iPXE")]), Client::Ipxe);
        assert_eq!(client_of(&[(77, b"\x04iPXE")]), Client::Ipxe);
        assert_eq!(client_of(&[(77, b"\x03foo\x04iPXE")]), Client::Ipxe);
        assert_eq!(
            client_of(&[(175, b"\xb1\x01\x00"), (60, b"PXEClient:Arch:00000:UNDI:002001")]),
            Client::Ipxe
        );
        assert_eq!(
            client_of(&[(77, b"gPXE"), (60, b"PXEClient:Arch:00000")]),
            Client::Pxe
        );
        assert_eq!(
            client_of(&[(77, b"\x05iPXE"), (60, b"PXEClient")]),
            Client::Pxe,
            "a torn class"
        );
        assert_eq!(client_of(&[(77, b"")]), Client::Other);
    }

    #[test]
    fn firmware_is_known_by_its_class() {
        assert_eq!(
            client_of(&[(60, b"PXEClient:Arch:00007:UNDI:003016")]),
            Client::Pxe
        );
        assert_eq!(
            client_of(&[(60, b"HTTPClient:Arch:00016:UNDI:003001")]),
            Client::Http
        );
        assert_eq!(client_of(&[(60, b"udhcp 1.35")]), Client::Other);
        assert_eq!(client_of(&[]), Client::Other);
    }

    #[test]
    fn every_architecture_of_the_list_is_kept() {
        let packet = RawPacket::discover().options(&[(93, &[0, 7, 0, 16])]).bytes();
        assert_eq!(Request::parse(&packet).unwrap().architectures, [7, 16]);
    }

    #[test]
    fn options_that_the_answer_depends_on_must_have_their_length() {
        for options in [
            (93, &[0][..]),
            (93, &[]),
            (93, &[0, 7, 0]),
            (50, &[1, 2, 3]),
            (54, &[]),
            (57, &[1]),
            (53, &[1]), // a second one: joined, two bytes
        ] {
            assert_eq!(reason(&[options]), Count::MalformedOption, "{options:?}");
        }
    }

    /// In dhcproto each of these drops the options behind it, the message type included.
    #[test]
    fn rubbish_in_options_that_are_only_echoed_or_ignored_changes_nothing() {
        let rubbish: [(u8, &[u8]); 6] = [
            (12, b"\xff\xfe"),
            (94, &[1]),
            (81, &[0, 0]),
            (82, &[1, 200, 3]),
            (61, &[]),
            (97, &[1]),
        ];
        let packet = RawPacket::discover()
            .options(&rubbish)
            .options(&[(93, &[0, 7])])
            .bytes();
        let request = Request::parse(&packet).unwrap();
        assert_eq!(request.architectures, [7]);
        assert_eq!(request.relay_info.as_deref(), Some(&[1, 200, 3][..]));
        assert!(!request.relay_source_port);
    }

    #[test]
    fn the_relay_source_port_is_found_behind_other_sub_options() {
        let packet = RawPacket::discover()
            .options(&[(82, &[1, 3, b'e', b't', b'h', 19, 0])])
            .bytes();
        assert!(Request::parse(&packet).unwrap().relay_source_port);
    }

    #[test]
    fn a_relay_says_which_subnet_and_which_server_it_means() {
        let info = [1, 1, b'x', 5, 4, 10, 98, 0, 0, 11, 4, 10, 99, 0, 1];
        let raw = RawPacket::discover().options(&[(82, &info), (118, &[10, 97, 0, 0])]);
        let relayed = RawPacket {
            giaddr: Ipv4Addr::new(10, 99, 0, 1),
            ..raw.clone()
        };
        let packet = relayed.bytes();
        let request = Request::parse(&packet).unwrap();
        assert_eq!(request.subnet_selection, Some(Ipv4Addr::new(10, 98, 0, 0)));
        assert_eq!(request.server_id_override, Some(Ipv4Addr::new(10, 99, 0, 1)));
        let packet = raw.bytes();
        let direct = Request::parse(&packet).unwrap();
        assert_eq!(
            direct.subnet_selection,
            Some(Ipv4Addr::new(10, 97, 0, 0)),
            "option 118"
        );
        assert_eq!(direct.server_id_override, None, "a client is no relay");
        for torn in [&[5, 3, 10, 98, 0][..], &[5, 9, 10], &[11, 0]] {
            let relayed = RawPacket {
                giaddr: Ipv4Addr::new(10, 99, 0, 1),
                ..RawPacket::discover().options(&[(82, torn)])
            };
            let packet = relayed.bytes();
            let request = Request::parse(&packet).unwrap();
            assert_eq!(
                (request.subnet_selection, request.server_id_override),
                (None, None)
            );
        }
        assert_eq!(reason(&[(118, &[10, 97])]), Count::MalformedOption);
    }

    #[test]
    fn a_message_without_type_is_bootp_and_dropped() {
        let mut packet = RawPacket::discover().bytes();
        packet.truncate(precheck::FIXED_BYTES);
        packet.push(255);
        assert_eq!(Request::parse(&packet).unwrap_err(), Count::NoMessageType);
    }

    #[test]
    fn the_size_of_the_answer_stays_between_what_all_take_and_one_frame() {
        let limit = |size: u16| {
            let packet = RawPacket::discover()
                .options(&[(57, &size.to_be_bytes())])
                .bytes();
            Request::parse(&packet).unwrap().message_bytes_max
        };
        assert_eq!(limit(0), 548);
        assert_eq!(limit(1472), 1444);
        assert_eq!(limit(65_535), 1472);
    }
}
