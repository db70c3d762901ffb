//! Options of an answer for people: their names (IANA "BOOTP Vendor Extensions and DHCP Options") and their values.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use dhcproto::v4::MessageType;
use proto::dhcp::v1::DhcpOptionValue;

use crate::precheck::FIXED_BYTES;

const PAD: u8 = 0;
const END: u8 = 255;

/// How a value is read.
#[derive(Clone, Copy)]
enum Form {
    Addresses,
    /// A number of one to four bytes.
    Number,
    Seconds,
    Text,
    MessageType,
    /// Options within an option, with codes of their own (43, 82, 175).
    Encapsulated,
    Bytes,
}

/// Name and form of what this server sends, or may be told to send.
fn known(code: u8) -> Option<(&'static str, Form)> {
    use Form::{Addresses, Bytes, Encapsulated, Number, Seconds, Text};
    Some(match code {
        1 => ("Subnet Mask", Addresses),
        2 => ("Time Offset", Number),
        3 => ("Router", Addresses),
        4 => ("Time Server", Addresses),
        6 => ("Domain Server", Addresses),
        7 => ("Log Server", Addresses),
        12 => ("Hostname", Text),
        13 => ("Boot File Size", Number),
        15 => ("Domain Name", Text),
        17 => ("Root Path", Text),
        26 => ("MTU Interface", Number),
        28 => ("Broadcast Address", Addresses),
        33 => ("Static Route", Addresses),
        42 => ("NTP Servers", Addresses),
        43 => ("Vendor Specific", Encapsulated),
        50 => ("Address Request", Addresses),
        51 => ("Address Time", Seconds),
        52 => ("Overload", Number),
        53 => ("DHCP Msg Type", Form::MessageType),
        54 => ("DHCP Server Id", Addresses),
        56 => ("DHCP Message", Text),
        57 => ("DHCP Max Msg Size", Number),
        58 => ("Renewal Time", Seconds),
        59 => ("Rebinding Time", Seconds),
        60 => ("Class Id", Text),
        61 => ("Client Id", Bytes),
        66 => ("Server-Name", Text),
        67 => ("Bootfile-Name", Text),
        77 => ("User-Class", Text),
        82 => ("Relay Agent Information", Encapsulated),
        93 => ("Client System", Number),
        97 => ("UUID/GUID", Bytes),
        100 => ("PCode", Text),
        101 => ("TCode", Text),
        114 => ("DHCP Captive-Portal", Text),
        118 => ("Subnet Selection Option", Addresses),
        119 => ("Domain Search", Bytes),
        121 => ("Classless Static Route Option", Bytes),
        150 => ("TFTP server address", Addresses),
        175 => ("Etherboot", Encapsulated),
        209 => ("Configuration File", Text),
        210 => ("Path Prefix", Text),
        _ => return None,
    })
}

/// The options of a message that this server has written, in their order; pieces of a split one are joined.
pub(crate) fn of_message(message: &[u8]) -> Vec<DhcpOptionValue> {
    let mut options: Vec<(u8, Vec<u8>)> = Vec::new();
    let mut rest = message.get(FIXED_BYTES..).unwrap_or_default();
    while let [code, after @ ..] = rest {
        match (*code, after) {
            (PAD, _) => rest = after,
            (END, _) | (_, []) => break,
            (code, [len, after @ ..]) => {
                let (value, after) = after.split_at(usize::from(*len).min(after.len()));
                match options.iter_mut().find(|(known, _)| *known == code) {
                    Some((_, joined)) => joined.extend_from_slice(value),
                    None => options.push((code, value.to_vec())),
                }
                rest = after;
            }
        }
    }
    options.iter().map(|(code, value)| shown(*code, value)).collect()
}

fn shown(code: u8, value: &[u8]) -> DhcpOptionValue {
    let (name, form) = known(code).unwrap_or(("", Form::Bytes));
    DhcpOptionValue {
        code: code.into(),
        name: name.to_owned(),
        value: read(form, value).unwrap_or_else(|| hex(value)),
        hex: hex(value),
    }
}

/// `None` for bytes that do not have the form.
fn read(form: Form, value: &[u8]) -> Option<String> {
    match form {
        Form::Addresses => match value.as_chunks::<4>() {
            (addresses @ [_, ..], []) => {
                let texts = addresses
                    .iter()
                    .map(|address| Ipv4Addr::from(*address).to_string());
                Some(texts.collect::<Vec<_>>().join(", "))
            }
            _ => None,
        },
        Form::Number => number(value).map(|number| number.to_string()),
        Form::Seconds => number(value).map(|seconds| format!("{seconds} s")),
        Form::Text => {
            let text = std::str::from_utf8(value).ok()?;
            Some(text.escape_debug().to_string())
        }
        Form::MessageType => match value {
            [kind] => Some(message_type(MessageType::from(*kind)).to_owned()),
            _ => None,
        },
        Form::Encapsulated => encapsulated(value),
        Form::Bytes => None,
    }
}

fn number(value: &[u8]) -> Option<u32> {
    match value.len() {
        1..=4 => Some(
            value
                .iter()
                .fold(0, |number, byte| number << 8 | u32::from(*byte)),
        ),
        _ => None,
    }
}

/// `6=08, 71=0001`; `None` where a length is wrong.
fn encapsulated(value: &[u8]) -> Option<String> {
    let mut parts = Vec::new();
    let mut rest = value;
    while let [code, after @ ..] = rest {
        if *code == END && after.is_empty() {
            break;
        }
        let (len, after) = after.split_first()?;
        let (inner, after) = after.split_at_checked(usize::from(*len))?;
        parts.push(format!("{code}={}", hex(inner)));
        rest = after;
    }
    Some(parts.join(", "))
}

/// Two digits for each byte, nothing between.
pub(crate) fn hex(value: &[u8]) -> String {
    value.iter().fold(String::new(), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

/// A message type as RFC 2131 writes it.
pub(crate) fn message_type(kind: MessageType) -> &'static str {
    match kind {
        MessageType::Discover => "DHCPDISCOVER",
        MessageType::Offer => "DHCPOFFER",
        MessageType::Request => "DHCPREQUEST",
        MessageType::Decline => "DHCPDECLINE",
        MessageType::Ack => "DHCPACK",
        MessageType::Nak => "DHCPNAK",
        MessageType::Release => "DHCPRELEASE",
        MessageType::Inform => "DHCPINFORM",
        _ => "another message",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(code: u8, bytes: &[u8]) -> String {
        let option = shown(code, bytes);
        assert_eq!(option.hex, hex(bytes));
        option.value
    }

    #[test]
    fn values_are_shown_as_people_write_them() {
        assert_eq!(
            value(3, &[10, 97, 0, 254, 10, 97, 0, 253]),
            "10.97.0.254, 10.97.0.253"
        );
        assert_eq!(value(51, &[0, 0, 14, 16]), "3600 s");
        assert_eq!(value(26, &[35, 40]), "9000");
        assert_eq!(value(12, b"nid0001"), "nid0001");
        assert_eq!(value(53, &[5]), "DHCPACK");
        assert_eq!(value(43, &[6, 1, 8, 255]), "6=08");
        assert_eq!(value(82, &[1, 2, 0xde, 0xad, 19, 0]), "1=dead, 19=");
        assert_eq!(shown(67, b"x").name, "Bootfile-Name");
    }

    /// What comes from elsewhere may be anything; it is shown all the same, and nothing of it reaches the terminal as it is.
    #[test]
    fn what_has_another_form_is_shown_as_bytes() {
        assert_eq!(value(3, &[10, 97, 0]), "0a6100");
        assert_eq!(value(3, &[]), "");
        assert_eq!(value(51, &[1, 2, 3, 4, 5]), "0102030405");
        assert_eq!(value(12, &[0xff, 0xfe]), "fffe");
        assert_eq!(value(12, b"a\x1b[2J"), "a\\u{1b}[2J");
        assert_eq!(value(43, &[6, 9, 8]), "060908");
        assert_eq!(value(53, &[]), "");
        assert_eq!(
            (shown(224, &[1]).name.as_str(), value(224, &[1]).as_str()),
            ("", "01")
        );
    }

    #[test]
    fn options_come_in_their_order_and_whole() {
        let mut message = vec![0; FIXED_BYTES];
        message.extend([
            53, 1, 2, 0, 67, 2, b'a', b'b', 51, 4, 0, 0, 0, 9, 67, 1, b'c', 255, 7, 7,
        ]);
        let options: Vec<(u32, String)> = of_message(&message)
            .into_iter()
            .map(|option| (option.code, option.value))
            .collect();
        let expected = [(53, "DHCPOFFER"), (67, "abc"), (51, "9 s")];
        assert_eq!(options, expected.map(|(code, value)| (code, value.to_owned())));
        assert!(of_message(&[0; 9]).is_empty());
        let mut torn = vec![0; FIXED_BYTES];
        torn.extend([12, 9, b'a']);
        assert_eq!(of_message(&torn)[0].value, "a");
    }
}
