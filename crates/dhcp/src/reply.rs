//! A reply: what the policy wants to say, and its bytes.

use std::net::Ipv4Addr;

use dhcproto::v4::{DhcpOption, MessageType, OptionCode};
use dhcproto::{Encodable, Encoder};

use crate::counters::Count;
use crate::precheck::COOKIE;
use crate::request::Request;

/// Smallest BOOTP message (RFC 951); some relays and ROMs drop shorter ones.
const MESSAGE_BYTES_MIN: usize = 300;
/// Bytes of the `file` and `sname` fields, of which the last one ends the text.
const FILE_BYTES: usize = 128;
const SNAME_BYTES: usize = 64;
const CHADDR_BYTES: usize = 16;
const BROADCAST: u16 = 0x8000;
const BOOT_REPLY: u8 = 2;
const ETHERNET: u8 = 1;
const MAC_BYTES: u8 = 6;

const SUBNET_MASK: u8 = 1;
const ROUTERS: u8 = 3;
const CLIENT_ID: u8 = 61;
const RELAY_INFO: u8 = 82;
const MACHINE_ID: u8 = 97;
const END: u8 = 255;

/// An answer to a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// Option 53.
    pub message_type: MessageType,
    /// The address the client has already, echoed in a DHCPACK.
    pub ciaddr: Ipv4Addr,
    /// The client's address; 0.0.0.0 in a DHCPNAK and in the answer to a DHCPINFORM.
    pub yiaddr: Ipv4Addr,
    /// The server to boot from; 0.0.0.0 if the client is given nothing to boot.
    pub siaddr: Ipv4Addr,
    /// Text of the `file` field: option 67 for ROMs that read only the field. Left out when it does not fit.
    pub file: String,
    /// Text of the `sname` field, likewise option 66.
    pub sname: String,
    /// Options, the first of which is the server identifier. Those of least need come last: they are left out when the
    /// message would be longer than the client takes. What the client asks for (option 55) goes before all others, in the
    /// client's order.
    pub options: Vec<DhcpOption>,
    /// Something worth counting that did not prevent the answer.
    pub note: Option<Count>,
}

impl Reply {
    /// A reply without addresses and options.
    pub fn new(message_type: MessageType) -> Reply {
        Reply {
            message_type,
            ciaddr: Ipv4Addr::UNSPECIFIED,
            yiaddr: Ipv4Addr::UNSPECIFIED,
            siaddr: Ipv4Addr::UNSPECIFIED,
            file: String::new(),
            sname: String::new(),
            options: Vec::new(),
            note: None,
        }
    }

    /// Writes the reply to `request` into `message`, which is cleared first. Options 61 and 97 of the request are
    /// echoed byte for byte, 82 too and as the last one. True if every option found room. Without server identifier and
    /// lease time it would be no reply (RFC 2131, table 3): they stay, however long the echo is.
    pub fn write(&self, request: &Request<'_>, message: &mut Vec<u8>) -> bool {
        let mut tail = Vec::new();
        // RFC 6842: the client identifier is returned even in a DHCPNAK.
        put_raw(&mut tail, CLIENT_ID, request.client_id.as_deref());
        put_raw(&mut tail, MACHINE_ID, request.machine_id.as_deref());
        put_raw(&mut tail, RELAY_INFO, request.relay_info.as_deref());
        let room = request.message_bytes_max.saturating_sub(tail.len() + 1);

        let mut part = Vec::new();
        message.clear();
        self.put_fixed(request, message);
        encode(&DhcpOption::MessageType(self.message_type), &mut part, message);
        let mut complete = true;
        for option in self.in_order(request) {
            let before = message.len();
            encode(option, &mut part, message);
            if message.len() > room && !is_required(option) {
                message.truncate(before);
                complete = false;
            }
        }
        message.extend_from_slice(&tail);
        message.push(END);
        message.resize(message.len().max(MESSAGE_BYTES_MIN), 0);
        complete
    }

    /// The options as they go out: those that every reply has, those that the client asks for, the others.
    fn in_order(&self, request: &Request<'_>) -> Vec<&DhcpOption> {
        let mut options: Vec<&DhcpOption> = self.options.iter().collect();
        if let Some(wanted) = request.parameters.as_deref() {
            let place = |code: u8| wanted.iter().position(|wanted| *wanted == code);
            let place_of = |option: &DhcpOption| match option {
                // never behind the routers (RFC 2132 section 3.3)
                DhcpOption::SubnetMask(_) => [place(SUBNET_MASK), place(ROUTERS)].into_iter().flatten().min(),
                option => place(OptionCode::from(option).into()),
            };
            options.sort_by_key(|option| match is_required(option) {
                true => 0,
                false => place_of(option).map_or(usize::MAX, |place| 1 + place),
            });
        }
        options
    }

    /// The fields of BOOTP (RFC 2131 section 2) and the magic cookie.
    fn put_fixed(&self, request: &Request<'_>, message: &mut Vec<u8>) {
        message.extend_from_slice(&[BOOT_REPLY, ETHERNET, MAC_BYTES, 0]);
        message.extend_from_slice(&request.xid.to_be_bytes());
        message.extend_from_slice(&[0, 0]); // secs
        let is_relayed_nak = self.message_type == MessageType::Nak && request.is_relayed();
        // A client that is refused has no address, so its relay must broadcast (RFC 2131 section 4.3.2).
        let flags = if is_relayed_nak {
            request.flags | BROADCAST
        } else {
            request.flags
        };
        message.extend_from_slice(&flags.to_be_bytes());
        for address in [self.ciaddr, self.yiaddr, self.siaddr, request.giaddr] {
            message.extend_from_slice(&address.octets());
        }
        put_padded(message, &request.mac.0, CHADDR_BYTES);
        put_text(message, &self.sname, SNAME_BYTES);
        put_text(message, &self.file, FILE_BYTES);
        message.extend_from_slice(&COOKIE);
    }
}

/// A text with its end; none where it does not fit.
fn put_text(message: &mut Vec<u8>, text: &str, bytes: usize) {
    let fitting = if text.len() < bytes { text } else { "" };
    put_padded(message, fitting.as_bytes(), bytes);
}

fn put_padded(message: &mut Vec<u8>, value: &[u8], bytes: usize) {
    let end = message.len() + bytes;
    message.extend_from_slice(value);
    message.resize(end, 0);
}

/// Without these it would be no reply.
fn is_required(option: &DhcpOption) -> bool {
    matches!(
        option,
        DhcpOption::ServerIdentifier(_) | DhcpOption::AddressLeaseTime(_)
    )
}

/// Appends `what` to `message`. dhcproto's encoder writes from the start of its buffer and an option that does not
/// fit must be taken back, so each goes through `part`.
fn encode(what: &impl Encodable, part: &mut Vec<u8>, message: &mut Vec<u8>) {
    part.clear();
    what.encode(&mut Encoder::new(part))
        .expect("writing to memory fails only when a length overflows usize");
    message.extend_from_slice(part);
}

/// Appends an option as it came, split as RFC 3396 says if it is longer than 255 bytes.
fn put_raw(message: &mut Vec<u8>, code: u8, value: Option<&[u8]>) {
    let Some(value) = value else { return };
    if value.is_empty() {
        message.extend_from_slice(&[code, 0]);
    }
    for piece in value.chunks(255) {
        message.push(code);
        message.push(piece.len() as u8);
        message.extend_from_slice(piece);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::precheck;
    use crate::testing::RawPacket;

    const SERVER: Ipv4Addr = Ipv4Addr::new(10, 97, 0, 1);

    fn reply() -> Reply {
        let mut reply = Reply::new(MessageType::Offer);
        reply.yiaddr = Ipv4Addr::new(10, 97, 2, 1);
        reply.options = vec![
            DhcpOption::ServerIdentifier(SERVER),
            DhcpOption::AddressLeaseTime(3600),
        ];
        reply
    }

    fn written(reply: &Reply, packet: &[u8]) -> (Vec<u8>, bool) {
        let mut message = vec![7; 900];
        let complete = reply.write(&Request::parse(packet).unwrap(), &mut message);
        (message, complete)
    }

    #[test]
    fn the_fixed_fields_of_the_request_come_back() {
        let mut raw = RawPacket::discover();
        (raw.flags, raw.giaddr) = (0x8001, Ipv4Addr::new(10, 98, 0, 1));
        let (message, complete) = written(&reply(), &raw.bytes());
        assert!(complete);
        assert_eq!(message[..12], [2, 1, 6, 0, 0x12, 0x34, 0x56, 0x78, 0, 0, 0x80, 1]);
        assert_eq!(
            message[12..28],
            [[0; 4], [10, 97, 2, 1], [0; 4], [10, 98, 0, 1]].concat()
        );
        assert_eq!(message[28..34], RawPacket::MAC.0);
        assert_eq!(message[236..243], [99, 130, 83, 99, 53, 1, 2]);
        assert_eq!(message[243..249], [54, 4, 10, 97, 0, 1]);
        assert_eq!(message.len(), MESSAGE_BYTES_MIN);
    }

    /// dhcproto would sort the sub-options; a relay compares bytes.
    #[test]
    fn options_61_97_and_82_come_back_byte_for_byte_and_82_is_last() {
        let info = [9, 2, 0xde, 0xad, 1, 3, b'e', b't', b'h', 200, 250, 1];
        let guid = [0; 17];
        let packet = RawPacket::discover()
            .options(&[(82, &info), (97, &guid), (61, b"\x01\x02")])
            .bytes();
        let (message, _) = written(&reply(), &packet);
        let end = [&[61, 2, 1, 2, 97, 17][..], &guid, &[82, 12], &info, &[255]].concat();
        let at = message.len() - message.iter().rev().position(|&b| b == 255).unwrap();
        assert_eq!(message[at - end.len()..at], end);
    }

    #[test]
    fn long_options_are_split_and_read_back_whole() {
        let url = vec![b'u'; 600];
        let mut long = reply();
        long.options.push(DhcpOption::BootfileName(url.clone()));
        let info: Vec<u8> = (0..400).map(|n| n as u8).collect();
        let packet = RawPacket::discover()
            .options(&[(57, &[5, 220]), (82, &info[..255]), (82, &info[255..])])
            .bytes();
        let (mut message, complete) = written(&long, &packet);
        assert!(complete);
        message[0] = 1; // the reader under test reads requests
        let checked = precheck::check(&message).unwrap();
        assert_eq!(checked.option(67).unwrap().as_ref(), url);
        assert_eq!(checked.option(82).unwrap().as_ref(), info);
    }

    #[test]
    fn what_does_not_fit_is_left_out_from_the_end_and_the_echo_stays() {
        let mut long = reply();
        long.options.push(DhcpOption::DomainName("d".repeat(250)));
        let info = vec![3; 200];
        let packet = RawPacket::discover().options(&[(82, &info)]).bytes();
        let (mut message, complete) = written(&long, &packet);
        assert!(!complete && message.len() <= 548);
        message[0] = 1;
        let checked = precheck::check(&message).unwrap();
        assert!(checked.option(15).is_none());
        assert_eq!(checked.option(82).unwrap().as_ref(), info);
        assert_eq!(checked.option(51).unwrap().as_ref(), 3600u32.to_be_bytes());
    }

    /// RFC 2132 section 9.8; and what has no room is what nobody asked for.
    #[test]
    fn options_go_in_the_order_that_the_client_asks_for() {
        let mut long = reply();
        long.options.extend([
            DhcpOption::SubnetMask(Ipv4Addr::new(255, 255, 0, 0)),
            DhcpOption::Router(vec![SERVER]),
            DhcpOption::BroadcastAddr(Ipv4Addr::new(10, 97, 255, 255)),
            DhcpOption::InterfaceMtu(9000),
            DhcpOption::DomainName("d".repeat(200)),
        ]);
        let order = |asked: &[(u8, &[u8])]| {
            let (message, complete) = written(&long, &RawPacket::discover().options(asked).bytes());
            let (mut codes, mut rest) = (Vec::new(), &message[240..]);
            while let [code @ 1..=254, len, after @ ..] = rest {
                codes.push(*code);
                rest = &after[usize::from(*len)..];
            }
            (codes, complete)
        };
        assert_eq!(order(&[]), (vec![53, 54, 51, 1, 3, 28, 26, 15], true));
        let all = [15, 26, 3, 1, 54];
        assert_eq!(order(&[(55, &all)]), (vec![53, 54, 51, 15, 26, 1, 3, 28], true));
        let info = [3; 72];
        assert_eq!(order(&[(82, &info)]), (vec![53, 54, 51, 1, 3, 28, 26, 82], false));
        let wanted = (55, &[15][..]);
        assert_eq!(
            order(&[(82, &info), wanted]),
            (vec![53, 54, 51, 15, 1, 3, 26, 82], false)
        );
    }

    /// A relay's 455 bytes of option 82 leave no room for anything else in a message of 576 bytes.
    #[test]
    fn an_echo_that_fills_the_message_leaves_what_a_reply_must_have() {
        let info = vec![3; 455];
        let packet = RawPacket::discover()
            .options(&[(57, &[2, 64]), (82, &info[..255]), (82, &info[255..])])
            .bytes();
        let (mut message, _) = written(&reply(), &packet);
        message[0] = 1;
        let checked = precheck::check(&message).unwrap();
        assert_eq!(checked.option(54).unwrap().as_ref(), SERVER.octets());
        assert_eq!(checked.option(51).unwrap().as_ref(), 3600u32.to_be_bytes());
        assert_eq!(checked.option(82).unwrap().as_ref(), info);
    }

    #[test]
    fn file_and_sname_are_filled_when_the_text_fits_with_its_end() {
        let mut boot = reply();
        (boot.file, boot.sname) = ("f".repeat(127), "s".repeat(63));
        let (message, _) = written(&boot, &RawPacket::discover().bytes());
        assert_eq!(message[44..108], [vec![b's'; 63], vec![0]].concat());
        assert_eq!(message[108..236], [vec![b'f'; 127], vec![0]].concat());
        (boot.file, boot.sname) = ("f".repeat(128), "s".repeat(64));
        let (message, _) = written(&boot, &RawPacket::discover().bytes());
        assert_eq!(message[44..236], [0; 192]);
    }

    #[test]
    fn a_relayed_refusal_asks_the_relay_to_broadcast() {
        let nak = Reply {
            message_type: MessageType::Nak,
            ..reply()
        };
        let mut raw = RawPacket::new(3);
        assert_eq!(written(&nak, &raw.bytes()).0[10], 0);
        raw.giaddr = Ipv4Addr::new(10, 98, 0, 1);
        assert_eq!(written(&nak, &raw.bytes()).0[10], 0x80);
    }

    #[test]
    fn dhcproto_reads_what_is_written() {
        use dhcproto::v4::Message;
        use dhcproto::{Decodable, Decoder};
        let (message, _) = written(&reply(), &RawPacket::discover().bytes());
        let read = Message::decode(&mut Decoder::new(&message)).unwrap();
        assert_eq!(read.yiaddr(), Ipv4Addr::new(10, 97, 2, 1));
        assert_eq!(
            read.opts().get(OptionCode::ServerIdentifier),
            Some(&DhcpOption::ServerIdentifier(SERVER))
        );
    }
}
