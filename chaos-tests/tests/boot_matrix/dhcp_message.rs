//! Reading DHCP messages as they passed: fields and options as their sender wrote them, whatever a codec would make of them.

use std::net::Ipv4Addr;

/// Values of option 53.
pub(crate) const DISCOVER: u8 = 1;
pub(crate) const OFFER: u8 = 2;
pub(crate) const REQUEST: u8 = 3;

/// Bytes before the magic cookie (RFC 2131 section 2).
const FIXED_BYTES: usize = 236;
const COOKIE: [u8; 4] = [99, 130, 83, 99];
const PAD: u8 = 0;
const MESSAGE_TYPE: u8 = 53;
const END: u8 = 255;

/// A message of either direction.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Message<'a> {
    /// Option 53.
    pub(crate) kind: u8,
    /// The same in all messages of one exchange.
    pub(crate) xid: u32,
    /// The client's MAC address, in the answers to it, too.
    pub(crate) mac: String,
    pub(crate) siaddr: Ipv4Addr,
    pub(crate) sname: &'a [u8],
    pub(crate) file: &'a [u8],
    /// Codes and values in their order, one that came twice twice. Those within `sname` and `file` (option 52) are not here.
    pub(crate) options: Vec<(u8, &'a [u8])>,
}

impl<'a> Message<'a> {
    /// `None` for what is no DHCP message, and for what is cut off.
    pub(crate) fn parse(packet: &'a [u8]) -> Option<Message<'a>> {
        let (fixed, rest) = packet.split_first_chunk::<FIXED_BYTES>()?;
        let options = options(rest.strip_prefix(&COOKIE)?)?;
        let (_, kind) = options.iter().find(|(code, _)| *code == MESSAGE_TYPE)?;
        let mac: Vec<String> = fixed[28..34].iter().map(|byte| format!("{byte:02x}")).collect();
        Some(Message {
            kind: *kind.first()?,
            xid: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
            mac: mac.join(":"),
            siaddr: Ipv4Addr::new(fixed[20], fixed[21], fixed[22], fixed[23]),
            sname: text(&fixed[44..108]),
            file: text(&fixed[108..]),
            options,
        })
    }

    /// The value of the first option with this code.
    pub(crate) fn option(&self, code: u8) -> Option<&'a [u8]> {
        let of_code = self.options.iter().find(|(of, _)| *of == code);
        of_code.map(|(_, value)| *value)
    }
}

fn options(mut rest: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let mut options = Vec::new();
    while let [code, behind @ ..] = rest {
        match *code {
            PAD => rest = behind,
            END => break,
            code => {
                let (length, behind) = behind.split_first()?;
                let (value, behind) = behind.split_at_checked(usize::from(*length))?;
                options.push((code, value));
                rest = behind;
            }
        }
    }
    Some(options)
}

fn text(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// Messages for the tests of this folder.
#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// MAC address of the client of every [`packet`].
    pub(crate) const MAC: &str = "52:54:00:97:00:10";

    /// A message of exchange 7: option 53, then `options`. `file` and `sname` are "f" and "s", siaddr is 10.97.0.1.
    pub(crate) fn packet(kind: u8, options: &[(u8, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![0; FIXED_BYTES];
        bytes[7] = 7;
        bytes[20..24].copy_from_slice(&[10, 97, 0, 1]);
        bytes[28..34].copy_from_slice(&[0x52, 0x54, 0, 0x97, 0, 0x10]);
        (bytes[44], bytes[108]) = (b's', b'f');
        bytes.extend(COOKIE);
        bytes.extend([MESSAGE_TYPE, 1, kind]);
        for (code, value) in options {
            bytes.extend([*code, u8::try_from(value.len()).unwrap()]);
            bytes.extend(*value);
        }
        bytes.extend([END, PAD, PAD]);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{MAC, packet};
    use super::*;

    #[test]
    fn fields_and_options_are_there_in_their_order() {
        let bytes = packet(OFFER, &[(67, b"boot"), (43, &[6, 1, 8]), (67, b"")]);
        let message = Message::parse(&bytes).unwrap();
        assert_eq!((message.kind, message.xid, message.mac.as_str()), (OFFER, 7, MAC));
        assert_eq!(message.siaddr.octets(), [10, 97, 0, 1]);
        assert_eq!([message.sname, message.file], [b"s", b"f"]);
        let codes: Vec<u8> = message.options.iter().map(|(code, _)| *code).collect();
        assert_eq!(codes, [53, 67, 43, 67]);
        let (first, none) = (message.option(67), message.option(66));
        assert_eq!((first, none), (Some(b"boot".as_slice()), None));
    }

    /// The type stands anywhere, and padding has no length.
    #[test]
    fn the_type_is_found_behind_others_and_behind_padding() {
        let mut bytes = packet(OFFER, &[]);
        bytes.truncate(FIXED_BYTES + COOKIE.len());
        bytes.extend([PAD, 54, 4, 10, 97, 0, 1, PAD, PAD, 53, 1, 5]);
        let message = Message::parse(&bytes).unwrap();
        assert_eq!((message.kind, message.options.len()), (5, 2));
    }

    #[test]
    fn a_field_without_an_end_is_all_text() {
        let mut bytes = packet(OFFER, &[]);
        bytes[44..108].fill(b'x');
        assert_eq!(Message::parse(&bytes).unwrap().sname, [b'x'; 64]);
    }

    #[test]
    fn what_is_cut_off_or_something_else_is_nothing() {
        let bytes = packet(DISCOVER, &[]);
        for length in 0..FIXED_BYTES + COOKIE.len() + 3 {
            assert_eq!(Message::parse(&bytes[..length]), None, "{length} bytes");
        }
        let mut bootp = bytes;
        bootp[FIXED_BYTES] = 0;
        assert_eq!(Message::parse(&bootp), None, "no cookie");
    }
}
