//! TFTP packets, to and from bytes (RFC 1350 section 5, RFC 2347). Pure; every byte is a stranger's.

use crate::options::Wanted;

/// Longest read request taken, bytes: names and options together. Real ones are below 120.
pub(crate) const REQUEST_BYTES_MAX: usize = 512;

const RRQ: u16 = 1;
const WRQ: u16 = 2;
const DATA: u16 = 3;
const ACK: u16 = 4;
const ERROR: u16 = 5;
const OACK: u16 = 6;

/// Error numbers of RFC 1350 section 5 and RFC 2347.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(crate) enum ErrorCode {
    /// No such file.
    NotFound = 1,
    /// Writing is not allowed.
    AccessViolation = 2,
    /// Not a legal operation: malformed, or a mode this server does not speak.
    IllegalOperation = 4,
}

/// The client's number for "I do not want these options": how UEFI ends its question for `tsize`.
pub(crate) const OPTIONS_REFUSED: u16 = 8;

/// What arrives on the request port.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Request<'a> {
    /// A file is wanted, in `octet` mode.
    Read { name: &'a str, wanted: Wanted },
    /// A file is wanted in another mode, such as `netascii`.
    OtherMode,
    /// A file would be written.
    Write,
    /// A packet that belongs to a transfer, not here.
    Stray,
    /// None of these.
    Malformed,
}

/// What the client says within a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// The block with this number has arrived, and all before it.
    Ack(u16),
    /// The client gives up, with an error number.
    Error(u16),
    /// Anything else: ignored.
    Other,
}

/// Reads a packet of the request port.
pub(crate) fn parse_request(packet: &[u8]) -> Request<'_> {
    let Some((op, rest)) = split_u16(packet) else {
        return Request::Malformed;
    };
    match op {
        RRQ if packet.len() <= REQUEST_BYTES_MAX => parse_read(rest).unwrap_or(Request::Malformed),
        WRQ => Request::Write,
        DATA | ACK | ERROR | OACK => Request::Stray,
        _ => Request::Malformed,
    }
}

fn parse_read(rest: &[u8]) -> Option<Request<'_>> {
    let (name, rest) = split_text(rest)?;
    let (mode, mut rest) = split_text(rest)?;
    if !mode.eq_ignore_ascii_case("octet") {
        return Some(Request::OtherMode);
    }
    let mut wanted = Wanted::default();
    // A torn or unprintable option ends the list: some ROMs pad their requests with rubbish.
    while let Some((key, after_key)) = split_text(rest) {
        let Some((value, after_value)) = split_text(after_key) else {
            break;
        };
        wanted.note(key, value);
        rest = after_value;
    }
    Some(Request::Read { name, wanted })
}

/// Reads a packet of a transfer.
pub(crate) fn parse_reply(packet: &[u8]) -> Reply {
    let Some((op, rest)) = split_u16(packet) else {
        return Reply::Other;
    };
    match (op, split_u16(rest)) {
        (ACK, Some((block, _))) => Reply::Ack(block),
        (ERROR, Some((code, _))) => Reply::Error(code),
        _ => Reply::Other,
    }
}

/// Writes a DATA packet into `packet`, which is cleared first.
pub(crate) fn write_data(packet: &mut Vec<u8>, block: u16, data: &[u8]) {
    packet.clear();
    packet.extend_from_slice(&DATA.to_be_bytes());
    packet.extend_from_slice(&block.to_be_bytes());
    packet.extend_from_slice(data);
}

/// Writes an OACK with these options into `packet`, which is cleared first.
pub(crate) fn write_oack(packet: &mut Vec<u8>, options: impl Iterator<Item = (&'static str, u64)>) {
    packet.clear();
    packet.extend_from_slice(&OACK.to_be_bytes());
    for (key, value) in options {
        packet.extend_from_slice(key.as_bytes());
        packet.push(0);
        packet.extend_from_slice(value.to_string().as_bytes());
        packet.push(0);
    }
}

/// Writes an ERROR with a text for the firmware's screen into `packet`, which is cleared first.
pub(crate) fn write_error(packet: &mut Vec<u8>, code: ErrorCode, text: &str) {
    packet.clear();
    packet.extend_from_slice(&ERROR.to_be_bytes());
    packet.extend_from_slice(&(code as u16).to_be_bytes());
    packet.extend_from_slice(text.as_bytes());
    packet.push(0);
}

fn split_u16(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<2>()?;
    Some((u16::from_be_bytes(*head), rest))
}

/// The text up to a zero byte, and what follows it; `None` without one, or if it is not UTF-8.
fn split_text(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let end = bytes.iter().position(|&byte| byte == 0)?;
    let text = std::str::from_utf8(&bytes[..end]).ok()?;
    Some((text, &bytes[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(bytes: &[u8]) -> Request<'_> {
        parse_request(bytes)
    }

    #[test]
    fn a_read_request_with_the_options_of_ipxe_is_understood() {
        let packet =
            b"\0\x01undionly.kpxe\0octet\0blksize\x001432\0tsize\x000\0windowsize\x004\0timeout\x002\0";
        let Request::Read { name, wanted } = read(packet) else {
            panic!("{:?}", read(packet))
        };
        assert_eq!(name, "undionly.kpxe");
        assert_eq!(
            wanted,
            Wanted {
                blksize: Some(1432),
                tsize: true,
                windowsize: Some(4),
                timeout_s: Some(2)
            }
        );
    }

    #[test]
    fn the_mode_is_compared_without_case_and_only_octet_is_taken() {
        assert!(matches!(
            read(b"\0\x01a\0OcTeT\0"),
            Request::Read { name: "a", .. }
        ));
        assert_eq!(read(b"\0\x01a\0netascii\0"), Request::OtherMode);
        assert_eq!(read(b"\0\x01a\0mail\0"), Request::OtherMode);
    }

    #[test]
    fn what_is_no_request_is_named_as_what_it_is() {
        assert_eq!(read(b"\0\x02a\0octet\0"), Request::Write);
        assert_eq!(read(b"\0\x04\0\x01"), Request::Stray);
        assert_eq!(read(b"\0\x05\0\x08no\0"), Request::Stray);
        for bad in [
            &b""[..],
            b"\0",
            b"\0\x01",
            b"\0\x01a",
            b"\0\x01a\0",
            b"\0\x01a\0octet",
            b"\0\x09a\0octet\0",
        ] {
            assert_eq!(read(bad), Request::Malformed, "{bad:?}");
        }
        assert_eq!(
            read(b"\0\x01\xff\xfe\0octet\0"),
            Request::Malformed,
            "a name that is not UTF-8"
        );
    }

    #[test]
    fn a_request_beyond_the_limit_is_malformed() {
        let mut packet = b"\0\x01".to_vec();
        packet.extend(std::iter::repeat_n(b'a', REQUEST_BYTES_MAX));
        packet.extend(b"\0octet\0");
        assert_eq!(read(&packet), Request::Malformed);
    }

    #[test]
    fn a_torn_option_ends_the_list_and_the_request_stands() {
        let Request::Read { wanted, .. } = read(b"\0\x01a\0octet\0tsize\x000\0blksize\0") else {
            panic!()
        };
        assert_eq!(
            wanted,
            Wanted {
                tsize: true,
                ..Wanted::default()
            }
        );
    }

    #[test]
    fn packets_are_written_as_the_rfcs_draw_them() {
        let mut packet = vec![9; 40];
        write_data(&mut packet, 0x0102, b"xy");
        assert_eq!(packet, b"\0\x03\x01\x02xy");
        write_oack(&mut packet, [("tsize", 74_213), ("blksize", 1432)].into_iter());
        assert_eq!(packet, b"\0\x06tsize\x0074213\0blksize\x001432\0");
        write_error(&mut packet, ErrorCode::NotFound, "no");
        assert_eq!(packet, b"\0\x05\0\x01no\0");
        assert_eq!(parse_reply(b"\0\x04\xff\xff"), Reply::Ack(65_535));
        assert_eq!(parse_reply(b"\0\x05\0\x08User aborted\0"), Reply::Error(8));
        assert_eq!(parse_reply(b"\0\x04\x01"), Reply::Other);
        assert_eq!(parse_reply(b"\0\x03\0\x01abc"), Reply::Other);
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_parsers_panic(packet in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = parse_request(&packet);
            let _ = parse_reply(&packet);
        }

        #[test]
        fn no_option_values_make_the_parser_panic(key in "[a-z]{0,12}", value in "\\PC{0,40}") {
            let mut packet = b"\0\x01a\0octet\0".to_vec();
            packet.extend(key.as_bytes());
            packet.push(0);
            packet.extend(value.as_bytes());
            packet.push(0);
            let _ = parse_request(&packet);
        }
    }
}
