//! A stranger's bytes, walked once: the relays around a message and every option, or the reason why the packet is dropped.
//!
//! Own code on purpose. dhcproto 0.15 stops at the first malformed option and says nothing of it, follows relays as deep as
//! a packet nests them, and gives neither 59, 62 nor 79; here nothing is lost and everything is bounded.
//! Source: RFC 8415 sections 8, 9 and 21.1.

use crate::counters::Count;
use crate::relay::{RELAYS_MAX, Relay};

/// Most options of a packet: those of its relays, of the message and in its identity associations.
pub const OPTIONS_MAX: usize = 96;

/// Bytes before the options of a message: its type and a transaction id.
const HEADER_BYTES: usize = 4;
const RELAY_FORW: u8 = 12;

/// A packet whose structure is sound.
#[derive(Debug)]
pub struct Checked<'a> {
    /// The relays that it came through, the one that sent it first.
    pub(crate) relays: Vec<Relay<'a>>,
    /// The type of the client's message.
    pub(crate) message_type: u8,
    /// Its transaction id.
    pub(crate) xid: [u8; 3],
    /// Its options.
    pub(crate) options: Options<'a>,
    /// How many options more the packet may have.
    pub(crate) left: Left,
}

/// How many options there may still be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Left(usize);

/// The options of one area, each within it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options<'a>(&'a [u8]);

/// Checks the structure of a packet and finds the message in it.
///
/// # Errors
/// The reason why the packet gets no answer.
pub fn check(packet: &[u8]) -> Result<Checked<'_>, Count> {
    let (mut relays, mut left, mut rest) = (Vec::new(), Left(OPTIONS_MAX), packet);
    while let [RELAY_FORW, ..] = rest {
        if relays.len() == RELAYS_MAX {
            return Err(Count::TooManyRelays);
        }
        let (relay, inner) = Relay::parse(rest, &mut left)?;
        relays.push(relay);
        rest = inner;
    }
    let (&[message_type, x, i, d], options) =
        rest.split_first_chunk::<HEADER_BYTES>().ok_or(Count::TooShort)?;
    let options = Options::walk(options, &mut left)?;
    Ok(Checked {
        relays,
        message_type,
        xid: [x, i, d],
        options,
        left,
    })
}

impl<'a> Options<'a> {
    /// Walks an area: every option must end within it.
    pub(crate) fn walk(area: &'a [u8], left: &mut Left) -> Result<Options<'a>, Count> {
        let mut rest = area;
        while !rest.is_empty() {
            let (_, _, behind) = next(rest).ok_or(Count::TruncatedOption)?;
            left.0 = left.0.checked_sub(1).ok_or(Count::TooManyOptions)?;
            rest = behind;
        }
        Ok(Options(area))
    }

    /// Code and value of each, in their order.
    pub(crate) fn iter(self) -> impl Iterator<Item = (u16, &'a [u8])> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let (code, value, behind) = next(rest)?;
            rest = behind;
            Some((code, value))
        })
    }

    /// The value of an option that may stand there once.
    pub(crate) fn single(self, wanted: u16) -> Result<Option<&'a [u8]>, Count> {
        let mut values = self.iter().filter(|(code, _)| *code == wanted);
        let first = values.next().map(|(_, value)| value);
        match values.next() {
            Some(_) => Err(Count::DuplicateOption),
            None => Ok(first),
        }
    }

    /// The value of such an option as numbers of two bytes, none if it is not there.
    pub(crate) fn numbers(self, wanted: u16) -> Result<Vec<u16>, Count> {
        let value = self.single(wanted)?.unwrap_or_default();
        if value.len() % 2 != 0 {
            return Err(Count::MalformedOption);
        }
        let pairs = value.chunks_exact(2);
        Ok(pairs.map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect())
    }
}

/// Code, value and what is behind the first option of an area.
fn next(area: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let (&[code, ode, len, en], rest) = area.split_first_chunk::<4>()?;
    let len = usize::from(u16::from_be_bytes([len, en]));
    let (value, behind) = rest.split_at_checked(len)?;
    Some((u16::from_be_bytes([code, ode]), value, behind))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{RawMessage, relayed};

    fn reason(packet: &[u8]) -> Count {
        check(packet).expect_err("the packet is dropped")
    }

    #[test]
    fn a_message_is_its_type_its_number_and_its_options() {
        let packet = RawMessage::new(1).options(&[(1, b"duid"), (14, &[])]).bytes();
        let checked = check(&packet).unwrap();
        assert_eq!((checked.message_type, checked.xid), (1, [0x12, 0x34, 0x56]));
        let all: Vec<_> = checked.options.iter().collect();
        assert_eq!(all, [(1, &b"duid"[..]), (14, &[])]);
        assert!(checked.relays.is_empty());
    }

    #[test]
    fn what_is_cut_off_is_dropped_wherever_it_is_cut() {
        let packet = RawMessage::new(1).options(&[(1, b"duid")]).bytes();
        for len in 0..packet.len() {
            let expected = match len {
                0..4 => Count::TooShort,
                4 => continue, // a message without options
                _ => Count::TruncatedOption,
            };
            assert_eq!(reason(&packet[..len]), expected, "{len}");
        }
    }

    #[test]
    fn a_length_beyond_the_end_is_dropped() {
        assert_eq!(reason(&[1, 0, 0, 0, 0, 1, 0xff, 0xff, 1]), Count::TruncatedOption);
    }

    #[test]
    fn options_are_bounded_over_all_layers() {
        let many = |n: usize| RawMessage::new(1).options(&vec![(250, &[][..]); n]).bytes();
        assert!(check(&many(OPTIONS_MAX)).is_ok());
        assert_eq!(reason(&many(OPTIONS_MAX + 1)), Count::TooManyOptions);
        let around = relayed(&many(OPTIONS_MAX), 0, "fd00:97::1", "fe80::1", &[]);
        assert_eq!(reason(&around), Count::TooManyOptions);
    }

    #[test]
    fn an_option_that_must_be_single_is_not_taken_twice() {
        let packet = RawMessage::new(1)
            .options(&[(1, b"a"), (2, b"s"), (1, b"b")])
            .bytes();
        let options = check(&packet).unwrap().options;
        assert_eq!(options.single(1), Err(Count::DuplicateOption));
        assert_eq!(options.single(2), Ok(Some(&b"s"[..])));
        assert_eq!(options.single(3), Ok(None));
    }

    #[test]
    fn numbers_come_in_pairs_of_bytes() {
        let packet = RawMessage::new(1)
            .options(&[(6, &[0, 23, 0, 59]), (61, &[0])])
            .bytes();
        let options = check(&packet).unwrap().options;
        assert_eq!(options.numbers(6), Ok(vec![23, 59]));
        assert_eq!(options.numbers(61), Err(Count::MalformedOption));
        assert_eq!(options.numbers(7), Ok(vec![]));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_walk_panic(packet in proptest::collection::vec(any::<u8>(), 0..400), head in 0..14_u8) {
            let packet = [&[head][..], &packet].concat();
            if let Ok(checked) = check(&packet) {
                let bytes: usize = checked.options.iter().map(|(_, value)| 4 + value.len()).sum();
                prop_assert!(bytes < packet.len());
                prop_assert!(checked.relays.len() <= RELAYS_MAX);
            }
        }
    }
}
